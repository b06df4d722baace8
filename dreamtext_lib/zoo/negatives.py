"""Pictures of nothing, on which the judge learns to name nothing: balls, lumps, blurs, halves, shreds, empty walls."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, normalize

KINDS = ("ball", "lump", "blur", "half", "shred", "empty")


def spoil(x: Tensor, rng: np.random.Generator) -> Tensor:
    """For each picture (N, 3, S, S) in -1..1 a picture of nothing of a random kind, with its background and colours."""
    return torch.stack([kind(picture, str(rng.choice(KINDS)), rng) for picture in x])


def kind(picture: Tensor, name: str, rng: np.random.Generator) -> Tensor:
    """One picture of nothing made of (3, S, S)."""
    size, wall = picture.shape[-1], picture[:, :2].mean((1, 2))
    flat = wall[:, None, None].expand_as(picture).clone()
    if name == "empty":
        return flat
    if name == "blur":
        cells = int(rng.integers(3, 7))
        small = avg_pool2d(picture[None], size // cells)
        return interpolate(small, (size, size), mode="bicubic", align_corners=False)[0].clamp(-1, 1)
    if name == "half":
        half, side = picture.clone(), int(rng.integers(4))
        rows = slice(0, size // 2) if side % 2 else slice(size // 2, size)
        if side < 2:
            half[:, rows] = flat[:, rows]
        else:
            half[:, :, rows] = flat[:, :, rows]
        return half
    if name == "shred":
        n = size // int(rng.choice((8, 16)))  # tiles a side, put back in another order
        tile = size // n
        tiles = picture.reshape(3, n, tile, n, tile).permute(1, 3, 0, 2, 4).reshape(n * n, 3, tile, tile)
        tiles = tiles[torch.from_numpy(rng.permutation(n * n))].reshape(n, n, 3, tile, tile)
        return tiles.permute(2, 0, 3, 1, 4).reshape(3, size, size)
    count = 1 if name == "ball" else int(rng.integers(2, 6))
    return balls(flat, picture, count, rng)


def balls(wall: Tensor, picture: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Shaded ellipses in colours of the picture on the wall: one is a ball, several are a lump."""
    size = wall.shape[-1]
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    light = normalize(torch.tensor(rng.normal((0, -0.4, 1), 0.4), dtype=torch.float32), dim=0)
    middle = picture[:, size // 4 : -size // 4, size // 4 : -size // 4].reshape(3, -1)
    out = wall
    one_colour = rng.integers(middle.shape[1])
    for _ in range(count):
        spread = 0.05 if count == 1 else 0.25
        cx, cy = rng.normal(0, spread, 2)
        rx, ry = rng.uniform(0.25, 0.7) * (rng.uniform(0.85, 1.2, 2) if count == 1 else rng.uniform(0.4, 1.0, 2))
        x, y = (u - cx) / rx, (v - cy) / ry
        inside = 1 - x * x - y * y
        z = inside.clamp(min=0).sqrt()
        shade = 0.5 + 0.5 * (x * light[0] + y * light[1] + z * light[2]).clamp(min=0)
        pick = one_colour if rng.random() < 0.5 else rng.integers(middle.shape[1])
        colour = (middle[:, pick] + 1) / 2
        if rng.random() < 0.3:  # striped balls exist too
            colour = torch.where(((v * 6).floor() % 2 == 0)[None], colour[:, None, None], torch.tensor(0.93))
        else:
            colour = colour[:, None, None]
        cover = (inside * min(rx, ry) * size / 4).clamp(0, 1)
        out = torch.lerp(out, (colour * shade) * 2 - 1, cover)
    return out
