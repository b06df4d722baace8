"""Shapes against the truth: Chamfer distance, and the intersection over the union of insides and of silhouettes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import trimesh
from scipy.spatial import cKDTree
from torch import Tensor

from ..radiance.mesh import density_volume, hidden


def chamfer(mesh: trimesh.Trimesh, truth: trimesh.Trimesh, points: int = 20_000, seed: int = 0) -> float:
    """Half the sum of the mean distances from points of each surface to the nearest of the other, world units.

    The points are drawn at random, evenly by area, which puts a floor under it: about 0.5 sqrt(area / points).
    """
    a, b = (surface_points(m, points, seed + i) for i, m in enumerate((mesh, truth)))
    return gap(a, b)


def surface_points(mesh: trimesh.Trimesh, points: int, seed: int = 0) -> np.ndarray:
    """Points (P, 3) of a surface, drawn evenly by area."""
    return np.asarray(trimesh.sample.sample_surface(mesh, points, seed=seed)[0])


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Chamfer distance of two sets of points (P, 3), (Q, 3): half the sum of the mean distances to the nearest."""
    return float(cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2


def spread(points: np.ndarray) -> float:
    """Size of a surface: the root mean square distance of its points (P, 3) from their middle."""
    return float(np.sqrt(np.square(points - points.mean(0)).sum(1).mean()))


class Fitted(NamedTuple):
    """How far two surfaces are apart once one of them is scaled by one factor and moved."""

    gap: float  # units of the world
    scale: float
    shift: np.ndarray  # (3,)


def fit_scale(a: np.ndarray, b: np.ndarray, rounds: int = 8) -> Fitted:
    """The points a (P, 3), as scale * a + shift, laid on b (Q, 3): at most as far as they were (`gap`).

    Begins with the middle and the size (`spread`) of b. A round pairs each point with the nearest of the other set,
    both ways, and takes the least squares of scale and shift over all pairs (iterated closest points, without a
    rotation: the front is told by the view words). The nearest of all rounds is kept, and that of no change at all.
    """
    best, there = Fitted(gap(a, b), 1.0, np.zeros(3)), cKDTree(b)
    scale = spread(b) / max(spread(a), 1e-9)
    shift = b.mean(0) - scale * a.mean(0)
    for _ in range(rounds + 1):
        laid = scale * a + shift
        to, row = there.query(laid)
        back, column = cKDTree(laid).query(b)
        if (apart := float(to.mean() + back.mean()) / 2) < best.gap:
            best = Fitted(apart, float(scale), shift)
        from_, onto = np.concatenate([a, a[column]]), np.concatenate([b[row], b])  # (P + Q, 3) each
        p, q = from_ - from_.mean(0), onto - onto.mean(0)
        scale = (p * q).sum() / max((p * p).sum(), 1e-9)
        shift = onto.mean(0) - scale * from_.mean(0)
    return best


def silhouette_iou(opacity: Tensor, truth: Tensor) -> float:
    """Mean over N views of the intersection over the union of two silhouettes: 0..1, higher is better.

    opacity, truth (N, H, W) in 0..1, seen by the same cameras; what takes half of the light counts. A view in which
    neither shows anything counts as 1.
    """
    a, b = opacity > 0.5, truth > 0.5
    union, common = (a | b).sum((1, 2)), (a & b).sum((1, 2))
    return float(torch.where(union > 0, common / union.clamp(min=1), 1.0).mean())


@torch.no_grad()
def iou(
    density: Callable[[Tensor], Tensor],
    inside: Callable[[Tensor], Tensor],
    radius: float,
    centre: Tensor | None = None,
    resolution: int = 96,
) -> float:
    """Intersection over union of a field's solid with the true one, on resolution^3 points of the ball.

    density: points in units of the ball (N, 3) -> (N,); its solid is where half of the light is lost (`hidden`), so
    hollows that no axis looks into count as solid, and an exact castle gets 0.89. inside: points of the world -> bool;
    the world is centre + radius * unit.
    """
    volume = density_volume(density, resolution, 1.0)
    solid = (hidden(volume, 2 / (resolution - 1)) > 0.5).numpy()
    axis = torch.linspace(-1, 1, resolution)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1) * radius
    true = inside(points if centre is None else points + centre).numpy()
    return float(np.logical_and(solid, true).sum() / np.logical_or(solid, true).sum())
