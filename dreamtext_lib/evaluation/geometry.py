"""Shapes against the truth: Chamfer distance, and the intersection over the union of their insides."""

from collections.abc import Callable

import numpy as np
import torch
import trimesh
from scipy.spatial import cKDTree
from torch import Tensor

from ..radiance.mesh import density_volume, hidden


def chamfer(mesh: trimesh.Trimesh, truth: trimesh.Trimesh, points: int = 20_000, seed: int = 0) -> float:
    """Half the sum of the mean distances from points of each surface to the nearest of the other, world units.

    The points are drawn evenly by area; their spacing puts a floor under it (about 0.4 of the spacing).
    """
    a, b = (trimesh.sample.sample_surface(m, points, seed=seed + i)[0] for i, m in enumerate((mesh, truth)))
    return float(cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2


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
