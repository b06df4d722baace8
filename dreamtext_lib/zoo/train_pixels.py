"""Train the U-Net on pixels: a DDPM of 32 x 32 renders of plain toys, by the loss (3.5), reweighted.

`python -m dreamtext_lib.zoo.train_pixels --work DIR` renders the data set, trains or goes on from the last checkpoint,
and exports the averaged weights to `models/pixels`.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ..diffusion.forward import add_noise
from ..diffusion.schedule import linear
from ..diffusion.unet import UNet
from ..files import read_tensors, write_json, write_tensors
from ..radiance.cameras import sample_cameras
from ..toybox.colours import COLOURS
from ..toybox.dataset import BATCH
from ..toybox.objects import ToyObject
from ..toybox.render import random_look, render
from . import MODELS
from .export import restore
from .train_unet import MIN_SNR
from .training import Stage, average, train

CLASSES = ("mug", "teapot", "donut", "teddy")  # of the toybox; few, so that minutes of training show something
COLOUR_WORDS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
COUNT, STEPS = 14_336, 20_000  # pictures to learn from and gradient steps of the shipped model
CONFIG = {"widths": [32, 64, 96], "out_channels": 3, "tile": 2}  # the arguments of UNet


def pool(images: Tensor) -> Tensor:
    """Bytes (N, 64, 64, 3) to bytes (N, 3, 32, 32), each the mean of four, rounded: 256 levels again."""
    fine = images.permute(0, 3, 1, 2)  # (N, 3, 64, 64)
    return torch.cat([(F.avg_pool2d(part.float(), 2) + 0.5).byte() for part in fine.split(1024)])


def pixels(pictures: Tensor) -> Tensor:
    """Bytes as the model takes them, in -1..1."""
    return pictures.float() / 127.5 - 1


def renders(count: int, seed: int, classes: Sequence[str] = CLASSES) -> Tensor:
    """Plain toys from all sides, as their class is usually drawn, in about eight colours: bytes (count, 3, 32, 32).

    A corner of the toybox that a small model learns in minutes; colours and proportions vary by 5 percent. Fixed by the
    seed.
    """
    made = []
    for index in range(-(-count // BATCH)):
        rng = np.random.default_rng((seed, index))
        cameras = sample_cameras(BATCH, torch.Generator().manual_seed(int(rng.integers(2**62))))
        usual = np.array([COLOURS[word] for word in rng.choice(COLOUR_WORDS, BATCH)])
        colours = (usual + rng.uniform(-0.05, 0.05, usual.shape)).clip(0, 1)
        scales = rng.uniform(0.95, 1.05, (BATCH, 3))
        name = classes[index % len(classes)]
        things = [ToyObject(name, tuple(c), scale=tuple(s)) for c, s in zip(colours.tolist(), scales.tolist())]
        made.append((render(things, cameras, 64, random_look(cameras, rng)).rgb * 255 + 0.5).byte())
    return pool(torch.cat(made)[:count])


def loss_weight(alpha_bar: Tensor, most: float = 30.0) -> Tensor:
    """How much a squared error of the noise counts at each t, of mean 1: min(1 + 1 / SNR, most) min(1, 5 / SNR).

    An error e of the noise is an error e / sqrt(SNR) of the clean estimate (4.30). The first factor counts both, so
    that large t, where the whole picture is at stake, is not forgotten. The second is that of Hang et al. 2023.
    """
    snr = alpha_bar / (1 - alpha_bar)
    weight = (1 + 1 / snr).clamp(max=most) * (MIN_SNR / snr).clamp(max=1)
    return weight / weight.mean()


def stage(model: UNet, pictures: Tensor, rate: float = 1e-3, batch: int = 16) -> Stage:
    """Training on bytes (N, 3, H, W), with DDPM's linear schedule of 1000 steps."""
    smooth = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, betas=(0.9, 0.99))
    alpha_bar = linear().alpha_bar.float()
    weight = loss_weight(alpha_bar)

    def loss(fraction: float, generator: torch.Generator, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        x_0 = pixels(pictures[torch.randint(len(pictures), (batch,), generator=generator)])
        t = torch.randint(len(alpha_bar), (batch,), generator=generator)
        eps = torch.randn(x_0.shape, generator=generator)
        error = (model(add_noise(x_0, eps, alpha_bar[t]), t) - eps).square().mean((1, 2, 3))  # (B,)
        return (weight[t] * error).mean(), {"mse": error.mean().item()}

    return Stage(
        {"model": model, "smooth": smooth}, optimiser, loss, rate, lambda step: average(smooth, model, step, 0.999)
    )


def export(checkpoint: Path, folder: Path) -> None:
    """Write the averaged weights of a checkpoint as model.safetensors in half precision, and config.json beside."""
    model = restore(UNet(**CONFIG), checkpoint, "smooth").half()
    weights = model.state_dict()
    if not all(w.isfinite().all() for w in weights.values()):
        raise ValueError(f"{checkpoint} holds values that are not finite; the training has diverged")
    write_json(folder / "config.json", CONFIG)
    write_tensors(folder / "model.safetensors", weights)


def load(folder: Path = MODELS / "pixels") -> UNet:
    """What `export` wrote, in single precision, ready for use."""
    model = UNet(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights, _ = read_tensors(folder / "model.safetensors")
    model.load_state_dict({name: w.float() for name, w in weights.items()})
    return model.eval().requires_grad_(False)


def main() -> None:
    """The command line of this module."""
    parser = ArgumentParser(description="Train the DDPM of 32-pixel renders, or go on where it was stopped.")
    parser.add_argument("--work", type=Path, default=Path("zoo-work"), help="folder of data and checkpoints")
    parser.add_argument("--count", type=int, default=COUNT, help="renders to learn from")
    parser.add_argument("--steps", type=int, default=STEPS, help="gradient steps")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that takes the trained model")
    a = parser.parse_args()
    if a.count < 1 or a.steps < 1:
        parser.error("--count and --steps must be at least 1")
    if a.models.resolve() == MODELS.resolve() and (a.count, a.steps) != (COUNT, STEPS):
        parser.error(
            f"--count {a.count:,} and --steps {a.steps:,} would replace the shipped model, which has {COUNT:,} and"
            f" {STEPS:,}; name another folder, --models"
        )
    path, checkpoint = a.work / "pixels.safetensors", a.work / "pixels" / "checkpoint.safetensors"
    if not path.exists():
        write_tensors(path, {"pictures": renders(a.count, seed=0)})
    pictures = read_tensors(path)[0]["pictures"]
    if len(pictures) != a.count:
        parser.error(f"'{path}' holds {len(pictures):,} pictures, not {a.count:,}; name another --work or --count")
    torch.manual_seed(0)
    model = UNet(**CONFIG)
    for _ in tqdm(train(stage(model, pictures), a.steps, checkpoint.parent), total=a.steps):
        pass
    export(checkpoint, a.models / "pixels")


if __name__ == "__main__":
    main()
