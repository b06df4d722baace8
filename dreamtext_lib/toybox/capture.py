"""A capture of a toy whose truth is known: RGBA renders in one light that stands still, and their cameras."""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..capture.transforms import write_transforms
from ..radiance.cameras import Cameras, focal_length, orbit
from .objects import ToyObject
from .render import Look, render

FOV, RADIUS = 41.0, 2.85
GOLDEN = 180 * (3 - math.sqrt(5))  # degrees


def spiral(count: int, low: float = -20.0, high: float = 75.0, turn: float = 0.0) -> Cameras:
    """`count` cameras that cover the sphere between two elevations evenly, by the golden angle."""
    i = torch.arange(count)
    bottom, top = math.sin(math.radians(low)), math.sin(math.radians(high))
    elevation = torch.rad2deg(torch.asin(bottom + (top - bottom) * (i + 0.5) / count))
    azimuth = (i * GOLDEN + turn + 180) % 360 - 180
    return orbit(azimuth, elevation, RADIUS, FOV)


def still_light(count: int, background: float = 0.0, ambient: float = 0.45) -> Look:
    """One lamp for all views, from the front, the left and above."""
    light = normalize(torch.tensor([0.6, 0.45, 0.75]), dim=0)
    return Look(
        light.expand(count, 3),
        torch.full((count,), ambient),
        torch.full((count, 3), background),
    )


def pictures(thing: ToyObject, cameras: Cameras, size: int, batch: int = 16) -> Tensor:
    """RGBA pictures (N, S, S, 4) in 0..1, alpha not multiplied in, of twice as many pixels a side, averaged."""
    out = []
    for start in range(0, len(cameras), batch):
        part = cameras[start : start + batch]
        seen = render([thing] * len(part), part, 2 * size, still_light(len(part)))
        both = torch.cat([seen.rgb, seen.alpha[..., None]], -1).permute(0, 3, 1, 2)  # over black: multiplied in
        both = torch.nn.functional.avg_pool2d(both, 2).permute(0, 2, 3, 1)  # (B, S, S, 4)
        out.append(torch.cat([both[..., :3] / both[..., 3:].clamp(min=1e-6), both[..., 3:]], -1).clamp(0, 1))
    return torch.cat(out)


def write_capture(
    folder: Path, thing: ToyObject, views: int = 90, held_out: int = 10, size: int = 100
) -> tuple[Cameras, Cameras]:
    """Write transforms_train.json, transforms_test.json and their PNGs; returns both sets of cameras.

    The held-out cameras lie on a spiral of their own.
    """
    from PIL import Image

    folder, sets = Path(folder), (spiral(views), spiral(held_out, turn=77.0))
    for name, cameras in zip(("train", "test"), sets):
        (folder / name).mkdir(parents=True, exist_ok=True)
        files = [f"{name}/r_{i:03d}.png" for i in range(len(cameras))]
        for file, rgba in zip(files, pictures(thing, cameras, size)):
            Image.fromarray((rgba * 255).round().to(torch.uint8).numpy()).save(folder / file)
        camera = {
            "camera_angle_x": math.radians(FOV),
            "fl_x": focal_length(FOV, size),
            "w": size,
            "h": size,
        }
        write_transforms(folder / f"transforms_{name}.json", files, cameras.pose, **camera)
    return sets
