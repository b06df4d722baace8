"""What the folder of a Stable Diffusion must hold, looked at before a library loads it, so that refusals are true.

Only JSON and the headers of weights are read here, so that a model of gigabytes is refused in milliseconds.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

POINTER = b"version https://git-lfs"  # how a file begins that stands for one in Git's large file storage
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
EXTRAS = (  # what other U-Nets want to be told beside the time and the text
    "class_embed_type",
    "num_class_embeds",
    "addition_embed_type",
    "encoder_hid_dim_type",
    "time_cond_proj_dim",
)


class Part(NamedTuple):
    """One part of a pipeline: its folder, its settings and the stem of its weights."""

    name: str
    config: str
    stem: str = ""  # '' where there are no weights


PARTS = (
    Part("unet", "config.json", "diffusion_pytorch_model"),
    Part("vae", "config.json", "diffusion_pytorch_model"),
    Part("text_encoder", "config.json", "model"),
    Part("scheduler", "scheduler_config.json"),
    Part("tokenizer", "tokenizer_config.json"),
)


def check_folder(folder: Path) -> str | None:
    """Look at a folder that is to be a Stable Diffusion in diffusers' format; the variant of its weights, or None.

    Raises ValueError, in one sentence with the remedy, if a part or a file is missing, broken, a pointer of Git LFS or
    a pickle, if the pipeline is of another kind, or if its parts do not fit each other.
    """
    if not folder.is_dir():
        raise ValueError(f"the model '{folder}' is a file; name the folder of a diffusers pipeline")
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(f"the folder '{folder}' holds no diffusers pipeline: it has no model_index.json")
    named = read_object(index)
    kind = named.get("_class_name", "pipeline of no kind")
    lacks = [part.name for part in PARTS if not names_class(named.get(part.name))]
    if lacks or "text_encoder_2" in named:
        why = f"has no {lacks[0]}" if lacks else "has a second text encoder"
        raise ValueError(f"the model '{folder}' is a {kind} and {why}; distillation needs Stable Diffusion 1 or 2")
    for part in PARTS:
        if not (folder / part.name).is_dir():
            raise ValueError(f"the model '{folder}' is not whole: its folder '{part.name}' is missing; get it again")
    configs = {part.name: read_object(folder / part.name / part.config) for part in PARTS}
    check_fit(folder, kind, configs)
    if not any((folder / "tokenizer" / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise ValueError(f"the model '{folder}' is not whole: its tokenizer has no vocabulary; get it again")
    variant = variant_of(folder)
    for part in PARTS:
        if part.stem:
            for file in weight_files(folder / part.name, part.stem, variant):
                check_weights(file)
    return variant


def names_class(entry: Any) -> bool:
    """Whether an entry of model_index.json names a part, as ["diffusers", "UNet2DConditionModel"] does."""
    return isinstance(entry, list) and len(entry) > 0 and entry[0] is not None


def check_fit(folder: Path, kind: str, configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError unless the parts make a model of latents that is told a time and a text, and nothing else."""
    unet, vae, schedule = configs["unet"], configs["vae"], configs["scheduler"]
    latents = vae.get("latent_channels", 4)
    channels = [unet.get(name, 4) for name in ("in_channels", "out_channels")]
    if channels != [latents, latents]:
        use = " (it is made for inpainting)" if channels[0] == 2 * latents + 1 else ""
        raise ValueError(
            f"the model '{folder}' ({kind}) takes {channels[0]} channels and gives {channels[1]}, where its latents"
            f" have {latents}{use}; name a model that draws from text alone"
        )
    if wants := [name for name in EXTRAS if unet.get(name) is not None]:
        raise ValueError(
            f"the model '{folder}' ({kind}) wants more than a text ({wants[0]}); name a plain Stable Diffusion 1 or 2"
        )
    width, states = unet.get("cross_attention_dim", 1280), configs["text_encoder"].get("hidden_size", 512)
    if width != states:
        raise ValueError(
            f"the parts of the model '{folder}' do not fit: the U-Net attends to {width} numbers a token, the text"
            f" encoder gives {states}"
        )
    if (predicts := schedule.get("prediction_type", "epsilon")) not in ("epsilon", "v_prediction"):
        raise ValueError(f"the model '{folder}' predicts {predicts!r}; distillation needs 'epsilon' or 'v_prediction'")
    if (steps := schedule.get("num_train_timesteps", 1000)) != 1000:
        raise ValueError(f"the model '{folder}' was trained with {steps} time steps; distillation needs one of 1000")


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError, naming the file, if it is missing, a pointer of Git LFS, or something else."""
    if not path.is_file():
        raise ValueError(f"the file '{path}' is missing; get the model again")
    data = path.read_bytes()
    if data.startswith(POINTER):
        raise ValueError(pointer(path))
    try:
        value = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not valid JSON ({error}); get the model again") from error
    if not isinstance(value, dict):
        raise ValueError(f"'{path}' holds no JSON object; get the model again")
    return value


def variant_of(folder: Path) -> str | None:
    """The variant, such as 'fp16', that gives every part its weights; None where plain ones do.

    Raises ValueError if a part has weights in no form that is read.
    """
    open_parts: dict[str, set[str]] = {}  # those without plain weights, and the variants that they have
    for part in PARTS:
        if not part.stem:
            continue
        home = folder / part.name
        if weight_files(home, part.stem, None):
            continue
        names = [path.name for path in home.iterdir()]
        ends = (name.removeprefix(f"{part.stem}.").removesuffix(".safetensors") for name in names if "-of-" not in name)
        open_parts[part.name] = {v for v in ends if f"{part.stem}.{v}.safetensors" in names}
        ends = (name.removeprefix(f"{part.stem}.safetensors.index.").removesuffix(".json") for name in names)
        open_parts[part.name] |= {v for v in ends if f"{part.stem}.safetensors.index.{v}.json" in names}
        if not open_parts[part.name]:
            if pickles := [name for name in names if name.endswith(PICKLES)]:
                raise ValueError(
                    f"the weights '{home / pickles[0]}' are pickled, and nothing is unpickled here; get the model as"
                    " safetensors"
                )
            raise ValueError(f"the file '{home / part.stem}.safetensors' is missing; get the model again")
    if not open_parts:
        return None
    shared = set.intersection(*open_parts.values())
    if not shared:
        have = ", ".join(f"{name}: {' or '.join(sorted(v))}" for name, v in open_parts.items())
        raise ValueError(f"the parts of the model '{folder}' have weights of no common variant ({have})")
    return "fp16" if "fp16" in shared else min(shared)


def weight_files(home: Path, stem: str, variant: str | None) -> list[Path]:
    """The files that hold a part's weights: one, or the shards that an index names; [] if there are none."""
    dot = f".{variant}" if variant else ""
    if (file := home / f"{stem}{dot}.safetensors").is_file():
        return [file]
    if (index := home / f"{stem}.safetensors.index{dot}.json").is_file():
        shards = read_object(index).get("weight_map", {})
        return [home / name for name in sorted(set(shards.values()))]
    return weight_files(home, stem, None) if variant else []


def check_weights(path: Path) -> None:
    """Raise ValueError, with the remedy, unless a safetensors file is there and as long as its header says."""
    if not path.is_file():
        raise ValueError(f"the file '{path}' is missing; get the model again")
    with open(path, "rb") as f:
        start = f.read(8)
        if start == POINTER[:8]:
            raise ValueError(pointer(path))
        length, size = int.from_bytes(start, "little"), path.stat().st_size
        try:
            if len(start) < 8 or length > size - 8:
                raise ValueError
            header = json.loads(f.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"'{path}' is cut short or broken; get the model again") from error
    if (whole := 8 + length + max(ends, default=0)) != size:
        raise ValueError(f"'{path}' is cut short or broken: {size:,} bytes of {whole:,}; get the model again")


def pointer(path: Path) -> str:
    """The sentence for a file that Git LFS has not fetched."""
    return f"'{path}' is a pointer of Git LFS and not the file itself; run 'git lfs pull' in its folder"
