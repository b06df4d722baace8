"""Cameras on a sphere around the origin: poses, rays, view words.

World axes: x points out of the object's front, y to its left, z up. Poses are camera-to-world matrices
`[right, up, backward | position]` of shape (B, 3, 4), the OpenGL convention of `transforms.json`.
Angles are in degrees everywhere in this package.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

VIEW_WORDS = ("front", "side", "back", "overhead")


class Cameras(NamedTuple):
    """A batch of B pinhole cameras that look at the origin."""

    azimuth: Tensor  # (B,) degrees from the front, counter-clockwise seen from above
    elevation: Tensor  # (B,) degrees above the horizon
    radius: Tensor  # (B,) distance to the origin
    fov: Tensor  # (B,) vertical field of view, degrees

    @property
    def pose(self) -> Tensor:
        """Camera-to-world matrices, (B, 3, 4)."""
        return orbit(self.azimuth, self.elevation, self.radius)

    @property
    def words(self) -> list[str]:
        """The view word of each camera (thesis 6.1.7)."""
        return [view_word(a, e) for a, e in zip(self.azimuth.tolist(), self.elevation.tolist())]


def orbit(azimuth: Tensor, elevation: Tensor, radius: Tensor) -> Tensor:
    """Poses at (azimuth, elevation, radius) that look at the origin with z up: (B, 3, 4)."""
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    backward = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], -1)  # (B, 3)
    right = torch.stack([-a.sin(), a.cos(), torch.zeros_like(a)], -1)  # (B, 3), defined at the pole too
    up = torch.linalg.cross(backward, right)
    return torch.stack([right, up, backward, radius[:, None] * backward], -1)


def rays(pose: Tensor, fov: Tensor, height: int, width: int | None = None) -> tuple[Tensor, Tensor]:
    """Origins and unit directions of the rays through all pixel centres, row by row from the top left.

    pose (B, 3, 4), fov (B,) vertical in degrees -> two tensors (B, height * width, 3).
    """
    width = width or height
    tan = torch.tan(torch.deg2rad(fov) / 2)[:, None, None]  # (B, 1, 1)
    y = 1 - (torch.arange(height, device=pose.device, dtype=pose.dtype) + 0.5) / height * 2
    x = ((torch.arange(width, device=pose.device, dtype=pose.dtype) + 0.5) / width * 2 - 1) * width / height
    right, up, backward, position = pose.unbind(-1)  # each (B, 3)
    y, x = (g.reshape(1, -1, 1) for g in torch.meshgrid(y, x, indexing="ij"))  # (1, H*W, 1)
    directions = tan * (x * right[:, None] + y * up[:, None]) - backward[:, None]
    return position[:, None].expand_as(directions), normalize(directions, dim=-1)


def view_word(azimuth: float, elevation: float, front: float = 45.0, overhead: float = 60.0) -> str:
    """The word for a view (thesis 6.1.7): overhead above `overhead` degrees of elevation, else front within
    `front` degrees of azimuth 0, back within `front` degrees of 180, side between."""
    if elevation > overhead:
        return "overhead"
    off = abs((azimuth + 180) % 360 - 180)
    return "front" if off <= front else "back" if off > 180 - front else "side"


def sample_cameras(
    count: int,
    generator: torch.Generator,
    *,
    front_share: float = 0.0,
    overhead_share: float = 0.12,
    elevation: tuple[float, float] = (-8.0, 45.0),
    overhead: tuple[float, float] = (60.0, 88.0),
    radius: tuple[float, float] = (2.6, 3.1),
    fov: tuple[float, float] = (38.0, 44.0),
) -> Cameras:
    """Random cameras around the object (thesis 6.1.5).

    `front_share` of the azimuths are drawn from the front quarter alone, the rest from the whole circle;
    `overhead_share` of the elevations from the range `overhead`, the rest from `elevation`. Angles in degrees.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=generator) < share

    around = torch.where(chance(front_share), uniform(-45, 45), uniform(-180, 180))
    above = torch.where(chance(overhead_share), uniform(*overhead), uniform(*elevation))
    return Cameras(around, above, uniform(*radius), uniform(*fov))


def turntable(count: int, elevation: float = 15.0, radius: float = 2.85, fov: float = 41.0) -> Cameras:
    """`count` cameras at equal steps of azimuth, the first at the front."""
    azimuth = torch.arange(count) * (360.0 / count)
    return Cameras(azimuth, *(torch.full((count,), v) for v in (elevation, radius, fov)))


def sphere_interval(origins: Tensor, directions: Tensor, radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays (..., 3) with unit directions enter and leave the sphere of `radius` around the origin.

    Returns near, far (clamped to be in front of the camera) and the mask of rays that meet it, each (...).
    """
    b = (origins * directions).sum(-1)
    discriminant = b * b - (origins * origins).sum(-1) + radius * radius
    half = discriminant.clamp(min=0).sqrt()
    near, far = (-b - half).clamp(min=0), (-b + half).clamp(min=0)
    return near, far, (discriminant > 0) & (far > near)


def meeting_point(pose: Tensor) -> Tensor:
    """The point nearest to the optical axes of poses (N, 3, 4), in the least-squares sense: (3,), float64.

    Parallel axes have no such point; then it is the one nearest to the mean of the positions.
    """
    axis, position = pose[:, :, 2].double(), pose[:, :, 3].double()  # (N, 3)
    mean = position.mean(0)  # a world may be far from its origin
    across = torch.eye(3, dtype=torch.float64) - axis[:, :, None] * axis[:, None]  # (N, 3, 3) projects along the axis
    right = (across @ (position - mean)[..., None]).sum(0)  # (3, 1)
    return mean + torch.linalg.lstsq(across.sum(0), right, driver="gelsd").solution[:, 0]


def focal_length(fov: float, height: int) -> float:
    """Focal length in pixels of a vertical field of view in degrees."""
    return height / 2 / math.tan(math.radians(fov) / 2)
