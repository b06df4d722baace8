"""How much the results of several seeds differ, seen by the judge."""

from pathlib import Path

import torch
from torch import Tensor

from ..radiance.cameras import Cameras
from ..toybox.objects import Words
from ..zoo.zeroshot import ZeroShot
from .fronts import look_at
from .truth import exact, family


def diversity(judge: ZeroShot, frames: Tensor) -> float:
    """Mean distance 1 - cos of the judge's vectors between two results seen from one camera: 0 (all alike) up to 2.

    frames (S, V, 64, 64, 3) in 0..1 of S results from V cameras; the mean is over cameras and pairs of results. Raises
    ValueError for fewer than two results.
    """
    results, cameras = frames.shape[:2]
    if results < 2:
        raise ValueError(f"diversity is that of two results or more, not of {results}")
    x = frames.flatten(0, 1).permute(0, 3, 1, 2) * 2 - 1  # (S V, 3, 64, 64)
    z = judge.images(x).view(results, cameras, -1).transpose(0, 1)  # (V, S, width), unit vectors
    apart = 1 - z @ z.mT  # (V, S, S), 0 on the diagonal
    return float(apart.sum() / (cameras * results * (results - 1)))


def true_frames(words: Words, cameras: Cameras, count: int = 6) -> Tensor:
    """What cameras see of the first members of a prompt's family: (S, V, 64, 64, 3) in 0..1."""
    return torch.stack([look_at(exact(thing), cameras).frames for thing in family(words)[:count]])


def sampled_frames(model: Path, prompt: str, cameras: Cameras, count: int = 6, guidance: float = 4.0) -> Tensor:
    """Pictures that a pipeline draws for a prompt and each camera's view word: (S, V, 64, 64, 3) in 0..1.

    25 steps of DDIM; `guidance` is s of (3.8). A word leaves the azimuth free within its range: some of the distance of
    such pictures is that of pose, which dreams seen from one camera do not have.
    """
    from diffusers import StableDiffusionPipeline

    from ..zoo.train_unet import encode_text, sample

    pipe = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32, safety_checker=None)
    text = encode_text(pipe.text_encoder, pipe.tokenizer, [f"{prompt}, {word} view" for word in cameras.words])
    empty = encode_text(pipe.text_encoder, pipe.tokenizer, [""])
    parts = [sample(pipe.unet, pipe.vae, pipe.scheduler, text, empty, guidance, seed=i) for i in range(count)]
    return (torch.stack(parts).permute(0, 1, 3, 4, 2) + 1) / 2  # (S, V, H, W, 3)
