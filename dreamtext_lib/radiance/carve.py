"""The visual hull: what the outlines alone say of a shape (Laurentini 1994)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from .captures import Capture


@torch.no_grad()
def carve(capture: Capture, resolution: int) -> Tensor:
    """Voxels of the cube around the capture's ball that no picture shows to be empty: (n, n, n) bool.

    A voxel is empty if in one picture all pixels that it could touch have an alpha of 0, or if no picture contains its
    centre: nothing can be learned there. A picture that is wholly transparent says nothing. Lens distortion is not
    undone: at most a few pixels at the rim, which the voxel's own size must cover.
    Raises ValueError if no voxel is left.
    """
    n, (height, width) = resolution, capture.size
    axis = (torch.arange(n) + 0.5) / n * 2 - 1
    kept = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)  # (n^3, 3)
    place = (kept.square().sum(-1) < (1 + math.sqrt(3) / n) ** 2).nonzero()[:, 0]  # of the ball alone
    shown = torch.zeros(len(kept), dtype=torch.bool)
    for rgba, pose, focal, middle in zip(capture.rgba, capture.pose, capture.focal, capture.middle):
        solid = (rgba[..., 3] > 0).float()
        if not (solid.any() and len(place)):
            continue
        away = kept[place] * capture.radius + capture.centre - pose[:, 3]  # (K, 3)
        x, y, z = (away @ pose[:, :3]).unbind(-1)  # right, up, backward
        front = z < -1e-6
        reach = math.ceil(focal.max().item() * capture.radius * math.sqrt(3) / n / max((-z).min().item(), 1e-3))
        wide = min(reach, max(height, width)) * 2 + 1
        if not solid.all():
            solid = max_pool2d(solid[None, None], wide, 1, wide // 2)[0, 0]
        column = (middle[0] + focal[0] * x / -z).floor().long()
        row = (middle[1] - focal[1] * y / -z).floor().long()
        inside = front & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        shown[place[inside]] = True
        seen = solid[row.clamp(0, height - 1), column.clamp(0, width - 1)] > 0
        place = place[seen | ~inside]
    place = place[shown[place]]
    if not len(place):
        raise ValueError("the outlines have no point in common: the cameras or the transparency of a picture are wrong")
    hull = torch.zeros(n**3, dtype=torch.bool)
    hull[place] = True
    return hull.view(n, n, n)


def worthwhile(capture: Capture, reach: int = 2) -> Tensor:
    """Places (K,) of the pixels within `reach` pixels of the object (alpha above 0), as `Capture.rays` counts."""
    solid = (capture.rgba[..., 3] > 0).float()  # (N, H, W)
    near = max_pool2d(solid[:, None], 2 * reach + 1, 1, reach)[:, 0]
    return near.reshape(-1).nonzero()[:, 0]
