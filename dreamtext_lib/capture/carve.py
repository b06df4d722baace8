"""The visual hull: what the outlines alone say of a shape (Laurentini 1994)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, normalize

from ..radiance.lens import directions, project
from .captures import Capture


@torch.no_grad()
def carve(capture: Capture, resolution: int) -> Tensor:
    """Voxels of the cube around the capture's ball that no picture shows to be empty: (n, n, n) bool.

    A voxel is empty if in one picture all pixels near the one where its centre falls count and have an alpha of 0, or
    if in no picture one of them counts: nothing can be learned there. Near is what half the diagonal of the nearest
    voxel spans beside the optical axis. Towards the edge of a wide picture, or of a lens that stretches it, voxels span
    more, and some that a solid pixel touches are carved away. A picture that is wholly transparent says nothing.
    Raises ValueError if no voxel is left.
    """
    n, (height, width) = resolution, capture.size
    axis = (torch.arange(n) + 0.5) / n * 2 - 1
    kept = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)  # (n^3, 3)
    place = (kept.square().sum(-1) < (1 + math.sqrt(3) / n) ** 2).nonzero()[:, 0]  # of the ball alone
    shown = torch.zeros(len(kept), dtype=torch.bool)
    for i in range(len(capture)):
        alpha, counts, camera = capture.rgba[i, ..., 3], capture.counts[i], capture.cameras[i]
        pose, focal, lens = camera.pose[0], camera.focal[0], camera.lens[0]
        if not ((alpha > 0) & counts).any() or not len(place):
            continue
        away = (kept[place] * capture.radius + capture.centre - pose[:, 3]) @ pose[:, :3]  # (K, 3) right, up, backward
        at, falls = fall(away, focal, camera.middle[0], lens)
        depth = away.norm(dim=-1) if lens[6] else -away[:, 2]  # of a fisheye, of a pinhole
        nearest = depth[falls].min().item() if falls.any() else math.inf
        reach = math.ceil(focal.max().item() * capture.radius * math.sqrt(3) / n / max(nearest, 1e-6 * capture.radius))
        reach = min(reach, max(height, width))
        solid, said = wider(((alpha > 0) | ~counts).float(), reach), wider(counts.float(), reach)
        column, row = at.floor().long().unbind(-1)
        inside = falls & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        row, column = row.clamp(0, height - 1), column.clamp(0, width - 1)
        shown[place] |= inside & (said[row, column] > 0)
        place = place[(solid[row, column] > 0) | ~inside]
    place = place[shown[place]]
    if not len(place):
        raise ValueError("the outlines have no point in common: the cameras or the transparency of a picture are wrong")
    hull = torch.zeros(n**3, dtype=torch.bool)
    hull[place] = True
    return hull.view(n, n, n)


def fall(away: Tensor, focal: Tensor, middle: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels x, y (K, 2) where a camera sees points (K, 3) right, up, backward of it; whether it does (K,)."""
    lens = lens.expand(len(away), -1)
    at = project(away, lens)
    falls = at.isfinite().all(-1)
    at = torch.where(falls[:, None], at, 0)
    if lens.any():  # beyond the edge a lens may fold its picture over
        falls &= (directions(at, lens) * normalize(away, dim=-1)).sum(-1) > 1 - 1e-4
    return at * focal + middle, falls


def wider(picture: Tensor, reach: int) -> Tensor:
    """The largest value (H, W) within `reach` pixels, which are taken to be few or all."""
    return picture if picture.all() else max_pool2d(picture[None, None], 2 * reach + 1, 1, reach)[0, 0]


def worthwhile(capture: Capture, reach: int = 2) -> Tensor:
    """Places (K,) of the pixels to learn from, as `Capture.rays` counts: those that count, and if anything is
    transparent only those within `reach` pixels of the object (alpha above 0)."""
    keep = capture.counts
    if capture.has_alpha:
        solid = ((capture.rgba[..., 3] > 0) & capture.counts).float()  # (N, H, W)
        keep = keep & (max_pool2d(solid[:, None], 2 * reach + 1, 1, reach)[:, 0] > 0)
    return keep.reshape(-1).nonzero()[:, 0]
