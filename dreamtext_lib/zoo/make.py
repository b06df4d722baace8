"""Train the whole zoo from nothing: data, autoencoder, CLIP, two U-Nets, judge, export, scores.

`python -m dreamtext_lib.zoo.make --work DIR` goes on where it was stopped: every stage resumes from its checkpoint.
Some hours on two cores. `--scale 0.001` shortens every stage and data set alike, to try the whole path.
"""

from argparse import ArgumentParser
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from tqdm import tqdm

from ..runs import read_tensors, write_tensors
from ..toybox.dataset import BATCH, Dataset, batches, gather, read, write
from . import MODELS, architectures, train_autoencoder, train_clip, train_unet
from .export import export_clip, export_pipeline, restore, text_encoder
from .scores import write_scores
from .training import Stage, train

SEEDS = {"train": 0, "held": 1_000_001, "judge": 2_000_003, "front": 3_000_005}
FRONT_BIAS = 0.85  # share of fronts in the data of the second U-Net


@dataclass(frozen=True)
class Budget:
    """Pictures in each data set, steps of each stage."""

    train: int = 57_344
    held: int = 3_584
    judge: int = 43_008
    front: int = 14_336
    autoencoder_steps: int = 6_500
    clip_steps: int = 2_600
    unet_steps: int = 7_000
    front_steps: int = 600
    judge_steps: int = 2_400

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


def make(work: Path, models: Path, budget: Budget, each: int = 4) -> None:
    """All stages in order; each result stands in `work` before the next begins, and in `models` at the end.

    `each`: samples scored for each class and view.
    """
    torch.manual_seed(0)
    pictures, held = data(work, "train", budget.train), data(work, "held", budget.held)

    vae = architectures.autoencoder()
    done = run(train_autoencoder.stage(vae, pictures), budget.autoencoder_steps, work / "autoencoder")
    restore(vae, done, "smooth")

    tokenizer = architectures.tokenizer(work / "tokenizer")
    clip = architectures.clip(tokenizer)
    done = run(train_clip.stage(clip, tokenizer, pictures), budget.clip_steps, work / "clip")
    restore(clip, done, "model")

    encoder, scheduler = text_encoder(clip), architectures.scheduler()
    unets, scaling = {}, 0.0
    for name, source, steps in (
        ("unet", pictures, budget.unet_steps),
        ("front", data(work, "front", budget.front), budget.front_steps),
    ):
        latents = encoded(work / f"latents-{name}.safetensors", vae, source)
        scaling = scaling or 1 / latents.float().std().item()
        unet = architectures.unet()
        if name == "front":  # the second one starts from the first
            unet.load_state_dict(unets["unet"].state_dict())
        latents = (latents.float() * scaling).half()
        rate = 1e-3 if name == "unet" else 5e-4
        stage = train_unet.stage(unet, encoder, tokenizer, scheduler, source, latents, rate)
        unets[name] = restore(unet, run(stage, steps, work / name), "smooth")
    vae.register_to_config(scaling_factor=scaling)

    judge = architectures.clip(tokenizer)
    apart = data(work, "judge", budget.judge)
    done = run(train_clip.stage(judge, tokenizer, apart, judge=True), budget.judge_steps, work / "judge", 7)
    restore(judge, done, "model")

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
    a = parser.parse_args()
    if not a.scale > 0:
        parser.error(f"--scale is {a.scale}; it must be above 0")
    make(a.work, a.models, Budget().scaled(a.scale))


if __name__ == "__main__":
    main()
