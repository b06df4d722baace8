"""From training checkpoints to folders that diffusers and transformers load: half precision, safetensors, no code."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTextModel, CLIPTokenizer

from ..files import read_tensors, write_json
from .architectures import PIXELS, scheduler


def restore(module: nn.Module, checkpoint: Path, name: str) -> nn.Module:
    """Put the part `name` of a training checkpoint into a module, ready for use."""
    tensors, _ = read_tensors(checkpoint)
    module.load_state_dict({k[len(name) + 1 :]: t for k, t in tensors.items() if k.startswith(f"{name}/")})
    return module.eval().requires_grad_(False)


def text_encoder(clip: CLIPModel) -> CLIPTextModel:
    """The text half of a CLIP as the class that a pipeline holds."""
    encoder = CLIPTextModel(clip.config.text_config)
    prefix = "text_model." if next(iter(encoder.state_dict())).startswith("text_model.") else ""
    encoder.load_state_dict({f"{prefix}{k}": v for k, v in clip.text_model.state_dict().items()})
    return encoder.eval().requires_grad_(False)


def export_pipeline(
    vae: AutoencoderKL, unet: UNet2DConditionModel, clip: CLIPModel, tokenizer: CLIPTokenizer, folder: Path
) -> None:
    """Write a StableDiffusionPipeline folder, replacing what stood there."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=text_encoder(clip),
        tokenizer=tokenizer,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    replace_folder(folder, pipeline.to(dtype=torch.float16))


def export_clip(clip: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a CLIPModel folder with its tokenizer and image processor, replacing what stood there."""
    square = {"height": PIXELS, "width": PIXELS}
    processor = CLIPImageProcessorPil(
        size=square, crop_size=square, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    replace_folder(folder, clip.half(), tokenizer, processor)


def replace_folder(folder: Path, *parts: object) -> None:
    """Save parts to a neighbouring folder first, then put it in place."""
    fresh = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    for part in parts:
        part.save_pretrained(fresh)
    for file in fresh.rglob("*.safetensors"):  # nothing but numbers that are finite goes out
        if not all(t.isfinite().all() for t in load_file(file).values() if t.is_floating_point()):
            raise ValueError(f"{file} holds values that are not finite; the training has diverged")
    for file in fresh.rglob("*.json"):
        values = json.loads(file.read_text(encoding="utf-8"))
        path = values.pop("_name_or_path", None)  # where its predecessor lay on this machine
        if "dtype" in values:  # stored in half precision, loaded in single unless told otherwise
            values["dtype"] = "float32"
        if path or "dtype" in values:
            write_json(file, values)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
