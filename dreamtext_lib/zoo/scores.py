"""Score the shipped models on held-out renders and fresh samples, and write the figures beside them."""

from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from ..files import write_json
from ..radiance.cameras import sample_cameras
from ..toybox.colours import COLOURS, RGB
from ..toybox.dataset import Dataset
from ..toybox.objects import CLASS_NAMES, ToyObject
from ..toybox.render import random_look, render
from . import PIPELINES, train_autoencoder
from .negatives import KINDS, kind
from .train_unet import encode_text, sample
from .zeroshot import COLUMNS, NOTHING, SIZES, ZeroShot, sentence

GUIDANCE, STEPS, SEED = 4.0, 25, 123  # s of (3.8), DDIM steps, seed of the samples that are scored
# colours that a poorer world lacked, of which the autoencoder is asked one by one
NEW_COLOURS: dict[str, RGB] = {
    "teal": (0.0, 0.5, 0.5), "pink": COLOURS["pink"], "lime": (0.6, 0.9, 0.2), "magenta": (0.85, 0.1, 0.65),
    "brown": COLOURS["brown"], "grey": COLOURS["grey"],
}  # fmt: skip


def sample_labels(each: int = 4) -> Tensor:
    """Rows (class, colour, plain, as drawn, view), `each` for each class and view, colours in turn."""
    rows = [
        (c, (3 * c + v + 2 * i) % SIZES[1], 0, 0, v)
        for c in range(SIZES[0])
        for v in range(SIZES[4])
        for i in range(each)
    ]
    return torch.tensor(rows)


def samples(folder: Path, labels: Tensor, guidance: float = GUIDANCE) -> Tensor:
    """One sample a row, 'an image of a red castle, front view', from the pipeline there: (N, 3, 64, 64) in -1..1."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
    texts = [sentence((c, k, -1, -1, v)) for c, k, _, _, v in labels.tolist()]
    empty, pictures = encode_text(pipe.text_encoder, pipe.tokenizer, [""]), []
    for i in range(0, len(texts), 56):
        text = encode_text(pipe.text_encoder, pipe.tokenizer, texts[i : i + 56])
        pictures.append(sample(pipe.unet, pipe.vae, pipe.scheduler, text, empty, guidance, STEPS, SEED + i))
    return torch.cat(pictures)


def plain_objects(colour: RGB, each: int = 4) -> Tensor:
    """Renders of plain objects in this colour, `each` of every class from random sides: (N, 3, 64, 64) in -1..1."""
    generator, rng, made = torch.Generator().manual_seed(SEED), np.random.default_rng(SEED), []
    for name in CLASS_NAMES:
        cameras = sample_cameras(each, generator)
        look = random_look(cameras, rng)
        made.append(render([ToyObject(name, colour)] * each, cameras, 64, look).rgb)
    return torch.cat(made).permute(0, 3, 1, 2) * 2 - 1


def share(right: Tensor) -> float:
    """Share of true values, to four digits."""
    return round(right.float().mean().item(), 4)


def score(models: Path, held: Dataset, each: int = 4) -> dict:
    """All figures of the model card."""
    x, labels = held.pixels(slice(None)), held.labels
    clip, judge = ZeroShot.load(models / "clip"), ZeroShot.load(models / "judge")
    vae = StableDiffusionPipeline.from_pretrained(models / "tiny", dtype=torch.float32, safety_checker=None).vae
    rng = np.random.default_rng(SEED)
    nothing = {k: torch.stack([kind(p, k, rng) for p in x[:256]]) for k in KINDS}
    result = {
        "held-out pictures": len(held),
        "autoencoder": {
            "psnr dB": round(train_autoencoder.psnr(vae, held.pixels(slice(1024))), 2),
            "of plain objects": {
                name: round(train_autoencoder.psnr(vae, plain_objects(rgb)), 2) for name, rgb in NEW_COLOURS.items()
            },
        },
        # away from borders: a colour between two words, a shape between two, is left out
        "clip": {c: share(clip.right(x, labels, c)[held.clear[:, i]]) for c, i in COLUMNS.items()},
        "judge": {c: share(judge.right(x, labels, c, nothing=True)[held.clear[:, i]]) for c, i in COLUMNS.items()},
        "clear": {c: share(held.clear[:, i]) for c, i in COLUMNS.items()},
        "judge calls nothing": {
            k: share(judge.classes(p, nothing=True).argmax(1) == NOTHING) for k, p in nothing.items()
        },
        "samples": {"guidance s": GUIDANCE, "guidance g of diffusers": GUIDANCE + 1, "steps": STEPS, "seed": SEED},
    }
    asked = sample_labels(each)
    for name in PIPELINES:
        pictures = samples(models / name, asked)
        result["samples"][name] = {
            "pictures": len(asked),
            **{c: share(judge.right(pictures, asked, c, nothing=True)) for c in ("class", "colour", "view")},
        }
    return result


def write_scores(models: Path, held: Dataset, each: int = 4) -> dict:
    """Score the models in a folder and write `scores.json` there."""
    result = score(models, held, each)
    write_json(models / "scores.json", result)
    return result
