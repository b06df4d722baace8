"""Train the whole zoo from nothing: data, autoencoder, CLIP, two U-Nets, judge, export, scores.

`python -m dreamtext_lib.zoo.make --work DIR` goes on where it was stopped: every stage resumes from its checkpoint.
Some hours on two cores. `--scale 0.001` shortens every stage and data set alike, to try the whole path.

`--start MODELS` trains models further: autoencoder and text towers stay as they are there, because the U-Nets stand on
them; image towers and U-Nets go on from their weights.
"""

from argparse import ArgumentParser
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPModel, CLIPTokenizer

from ..runs import read_tensors, write_tensors
from ..toybox.dataset import BATCH, Dataset, batches, gather, read, write
from . import MODELS, architectures, train_autoencoder, train_clip, train_unet
from .export import export_clip, export_pipeline, restore, text_encoder
from .scores import write_scores
from .training import Stage, train
from .zeroshot import ZeroShot

SEEDS = {"train": 0, "held": 1_000_001, "judge": 2_000_003, "front": 3_000_005}
FRONT_BIAS = 0.85  # share of fronts in the data of the second U-Net
FURTHER = 4_400  # steps of a U-Net that starts from trained weights


@dataclass(frozen=True)
class Budget:
    """Pictures in each data set, steps of each stage."""

    train: int = 57_344
    held: int = 3_584
    judge: int = 43_008
    front: int = 14_336
    autoencoder_steps: int = 6_500
    clip_steps: int = 2_600
    clip_image_steps: int = 2_800
    unet_steps: int = 11_400
    front_steps: int = 600
    judge_steps: int = 2_400
    judge_image_steps: int = 4_200

    def scaled(self, factor: float) -> "Budget":
        """The same with every number multiplied, at least one batch or step of each."""
        values = {f.name: getattr(self, f.name) * factor for f in fields(self)}
        return Budget(**{k: max(int(v), 2 if k.endswith("steps") else 224) for k, v in values.items()})


def data(work: Path, name: str, count: int) -> Dataset:
    """The data set `name`, rendered if it is not there yet."""
    path = work / f"{name}.safetensors"
    if not path.exists():
        bias = FRONT_BIAS if name == "front" else 0.0
        parts = batches(count, SEEDS[name], architectures.PIXELS, bias)
        write(gather(tqdm(parts, total=-(-count // BATCH), desc=f"render {name}", unit="batch"), count), path)
    return read(path)


def encoded(path: Path, vae: AutoencoderKL, pictures: Dataset) -> Tensor:
    """The latents of a data set, encoded if they are not there yet."""
    if not path.exists():
        write_tensors(path, {"latents": train_autoencoder.latents(vae, pictures)})
    return read_tensors(path)[0]["latents"]


def run(stage: Stage, steps: int, folder: Path, seed: int = 0) -> Path:
    """Train a stage to its end with a bar, unless it is there; returns its checkpoint."""
    bar = tqdm(train(stage, steps, folder, seed), total=steps, desc=folder.name, unit="step")
    for record in bar:
        bar.set_postfix(loss=f"{record['loss']:.3f}")
    return folder / "checkpoint.safetensors"


def trained_clip(
    work: Path, pictures: Dataset, budget: Budget, start: Path | None, judge: bool = False
) -> tuple[CLIPModel, CLIPTokenizer]:
    """A CLIP: both towers together, unless `start` has them, then the image tower alone."""
    name, seed = ("judge", 7) if judge else ("clip", 0)
    tokenizer = architectures.tokenizer(work / "tokenizer")
    if start:
        clip = ZeroShot.load(start / name).model.train()
    else:
        clip, steps = architectures.clip(tokenizer), budget.judge_steps if judge else budget.clip_steps
        done = run(train_clip.stage(clip, tokenizer, pictures, judge=judge), steps, work / name, seed)
        restore(clip, done, "model").train().requires_grad_(True)
    steps = budget.judge_image_steps if judge else budget.clip_image_steps
    stage = train_clip.stage(clip, tokenizer, pictures, judge=judge, text=False)
    return restore(clip, run(stage, steps, work / f"{name}-image", seed), "model"), tokenizer


def make(work: Path, models: Path, budget: Budget, each: int = 4, start: Path | None = None) -> None:
    """All stages in order; each result stands in `work` before the next begins, and in `models` at the end.

    `each`: samples scored for each class and view. `start`: folder of models that are trained further.
    """
    torch.manual_seed(0)
    pictures, held = data(work, "train", budget.train), data(work, "held", budget.held)
    begun = (
        StableDiffusionPipeline.from_pretrained(start / "tiny", dtype=torch.float32, safety_checker=None)
        if start
        else None
    )

    vae = begun.vae if begun else architectures.autoencoder()
    if begun is None:
        done = run(train_autoencoder.stage(vae, pictures), budget.autoencoder_steps, work / "autoencoder")
        restore(vae, done, "smooth")

    clip, tokenizer = trained_clip(work, pictures, budget, start)

    encoder, scheduler = text_encoder(clip), architectures.scheduler()
    unets, scaling = {}, vae.config.scaling_factor if begun else 0.0
    for name, source, steps in (
        ("unet", pictures, budget.unet_steps),
        ("front", data(work, "front", budget.front), budget.front_steps),
    ):
        latents = encoded(work / f"latents-{name}.safetensors", vae, source)
        scaling = scaling or 1 / latents.float().std().item()
        unet = begun.unet.train() if begun and name == "unet" else architectures.unet()
        if name == "front":  # the second one starts from the first
            unet.load_state_dict(unets["unet"].state_dict())
        latents = (latents.float() * scaling).half()
        rate, seed = 1e-3 if name == "unet" else 5e-4, 11 if begun else 0  # other noise than in the first round
        stage = train_unet.stage(unet, encoder, tokenizer, scheduler, source, latents, rate)
        unets[name] = restore(deepcopy(unet), run(stage, steps, work / name, seed), "smooth")
    vae.register_to_config(scaling_factor=scaling)

    judge, _ = trained_clip(work, data(work, "judge", budget.judge), budget, start, judge=True)

    export_pipeline(vae, unets["unet"], clip, tokenizer, models / "tiny")
    export_pipeline(vae, unets["front"], clip, tokenizer, models / "tiny-front")
    export_clip(clip, tokenizer, models / "clip")
    export_clip(judge, tokenizer, models / "judge")
    write_scores(models, held, each)


def main() -> None:
    """The command line of this module."""
    parser = ArgumentParser(description="Train the zoo from nothing, or go on where it was stopped.")
    parser.add_argument("--work", type=Path, default=Path("zoo-work"), help="folder of data and checkpoints")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that takes the trained models")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all budgets")
    parser.add_argument("--start", type=Path, help="folder of models to train further; without it all begin as noise")
    a = parser.parse_args()
    if not a.scale > 0:
        parser.error(f"--scale is {a.scale}; it must be above 0")
    if a.start and not (a.start / "tiny" / "model_index.json").exists():
        parser.error(f"--start: there are no models in '{a.start}'; give a folder that holds tiny, clip and judge")
    make(a.work, a.models, Budget(unet_steps=FURTHER if a.start else Budget.unet_steps).scaled(a.scale), start=a.start)


if __name__ == "__main__":
    main()
