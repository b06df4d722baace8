"""Poses against true ones: the similarity between two worlds (Umeyama 1991), and errors of angle and place.

Poses are those of `cameras`: camera to world, OpenGL, (N, 3, 4).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Similarity(NamedTuple):
    """x -> scale rotation x + translation."""

    scale: float
    rotation: Tensor  # (3, 3)
    translation: Tensor  # (3,)

    def points(self, x: Tensor) -> Tensor:
        """Points (..., 3), moved."""
        return self.scale * x @ self.rotation.T + self.translation

    def pose(self, pose: Tensor) -> Tensor:
        """Poses (N, 3, 4), moved: axes turn, positions move and stretch."""
        return torch.cat([self.rotation @ pose[:, :, :3], self.points(pose[:, :, 3])[..., None]], -1)


def align(estimated: Tensor, true: Tensor) -> Similarity:
    """The similarity that lays estimated positions onto true ones with the least squared error (Umeyama 1991).

    estimated, true: poses (N, 3, 4) or points (N, 3), N >= 3 and not on a line. Raises ValueError for other shapes.
    """
    shaped = true.shape[1:] in ((3,), (3, 4))
    if estimated.shape != true.shape or len(true) < 3 or not shaped:
        shapes = f"{tuple(estimated.shape)} and {tuple(true.shape)}"
        raise ValueError(f"alignment wants 3 or more pairs, poses (N, 3, 4) or points (N, 3), not {shapes}")
    x, y = (v[..., 3] if v.ndim == 3 else v for v in (estimated.double(), true.double()))
    a, b = x - x.mean(0), y - y.mean(0)
    u, s, vh = torch.linalg.svd(b.T @ a)
    sign = torch.tensor([1.0, 1.0, torch.linalg.det(u @ vh).sign()], dtype=torch.float64)  # a rotation, no mirror
    rotation = u @ (sign[:, None] * vh)
    scale = ((s * sign).sum() / a.square().sum()).item()
    return Similarity(scale, rotation, y.mean(0) - scale * rotation @ x.mean(0))


def pose_errors(estimated: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """How far poses (N, 3, 4) in one world are from true ones: angles in degrees, (N,), and distances (N,).

    A distance counts in shares of the true camera's distance from the origin, where the object stands.
    """
    estimated, true = estimated.double(), true.double()
    gap = (estimated[:, :, :3] - true[:, :, :3]).flatten(1).norm(dim=1)  # 2 sqrt(2) sin(angle / 2)
    degrees = torch.rad2deg(2 * torch.asin((gap / 8**0.5).clamp(max=1)))
    return degrees, (estimated[:, :, 3] - true[:, :, 3]).norm(dim=1) / true[:, :, 3].norm(dim=1)
