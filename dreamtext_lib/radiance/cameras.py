"""Cameras: where they stand, how a pixel becomes a ray, and the words for views around the origin.

World axes: x points out of the object's front, y to its left, z up. Poses are camera-to-world matrices
`[right, up, backward | position]` of shape (B, 3, 4), the OpenGL convention of `transforms.json`.
Angles are in degrees everywhere in this package.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .lens import leaning

VIEW_WORDS = ("front", "side", "back", "overhead")


@dataclass(frozen=True)
class Cameras:
    """B pinhole cameras whose pictures are of one size. A number, a slice or rows of them are `Cameras` again."""

    pose: Tensor  # (B, 3, 4) camera to world
    focal: Tensor  # (B, 2) fl_x, fl_y in pixels
    middle: Tensor  # (B, 2) cx, cy in pixels from the left, top edge
    lens: Tensor  # (B, 7) of `lens`, 0 where there is none
    _: KW_ONLY
    height: int  # pixels
    width: int
    azimuth: Tensor | None = None  # (B,) degrees from the front, counter-clockwise seen from above; of an orbit
    elevation: Tensor | None = None  # (B,) degrees above the horizon; of an orbit

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, rows: "int | slice | Sequence[int] | Tensor") -> "Cameras":
        rows = slice(rows, rows + 1 or None) if isinstance(rows, int) else rows
        return self._each(lambda tensor: tensor[rows])

    def __iter__(self) -> "Iterator[Cameras]":
        return (self[i] for i in range(len(self)))

    def to(self, device: torch.device | str) -> "Cameras":
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Cameras":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(v) for name, v in values.items() if isinstance(v, Tensor)})

    def sized(self, height: int, width: int | None = None) -> "Cameras":
        """The same cameras with pictures of another size, square unless told; the vertical field of view stays."""
        width, scale = width or height, height / self.height
        centre, target = ((self.middle.new_tensor(v) / 2) for v in ((self.width, self.height), (width, height)))
        middle = target + (self.middle - centre) * scale
        return replace(self, focal=self.focal * scale, middle=middle, height=height, width=width)

    def within(self, centre: Sequence[float] | Tensor, radius: float) -> "Cameras":
        """The same cameras in units of a ball: what was `centre` (3,) is the origin, what was `radius` is 1."""
        centre = torch.as_tensor(centre, dtype=self.pose.dtype, device=self.pose.device)
        turn, position = self.pose[..., :3], (self.pose[..., 3] - centre) / radius
        return replace(self, pose=torch.cat([turn, position[..., None]], -1))

    def around(self, centre: Sequence[float] | Tensor, radius: float) -> "Cameras":
        """The same cameras about a ball: what was the origin is `centre` (3,), what was 1 is `radius`; undoes `within`.

        >>> ball = (5.0, 0.0, 0.0), 2.0
        >>> round(orbit(30.0, 0.0, 2.5).around(*ball).within(*ball).radius.item(), 5)
        2.5
        """
        centre = torch.as_tensor(centre, dtype=self.pose.dtype, device=self.pose.device)
        return replace(self, pose=torch.cat([self.pose[..., :3], (self.pose[..., 3] * radius + centre)[..., None]], -1))

    @property
    def fov(self) -> Tensor:
        """Vertical fields of view, (B,) degrees."""
        return torch.rad2deg(2 * torch.atan(self.height / 2 / self.focal[:, 1]))

    @property
    def radius(self) -> Tensor:
        """Distances to the origin, (B,)."""
        return self.pose[:, :, 3].norm(dim=-1)

    @property
    def words(self) -> list[str]:
        """The view word of each camera (thesis 6.1.7). Raises ValueError for cameras that are no orbit."""
        if self.azimuth is None or self.elevation is None:
            raise ValueError("these cameras keep no angles; view words are those of an orbit")
        return [view_word(a, e) for a, e in zip(self.azimuth.tolist(), self.elevation.tolist())]

    def rays(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Origins and unit directions (R, 3) of the rays through the centres of pixels.

        place (R,) counts the pixels of all pictures, picture by picture, row by row from the top left.
        """
        picture, pixel = place // (self.height * self.width), place % (self.height * self.width)
        at = torch.stack([pixel % self.width, pixel // self.width], -1) + 0.5  # (R, 2) x, y
        x, y, z = leaning((at - self.middle[picture]) / self.focal[picture], self.lens[picture]).unbind(-1)  # (R,) each
        right, up, backward, position = self.pose[picture].unbind(-1)  # (R, 3) each
        return position, normalize(x[:, None] * right + y[:, None] * up + z[:, None] * backward, dim=-1)


def rays(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Origins and unit directions of the rays through all pixel centres, two tensors (B, height * width, 3).

    >>> origins, directions = rays(turntable(2).sized(4, 6))
    >>> directions.shape
    torch.Size([2, 24, 3])
    """
    count = len(cameras) * cameras.height * cameras.width
    found = cameras.rays(torch.arange(count, device=cameras.pose.device))
    return tuple(v.view(len(cameras), -1, 3) for v in found)


def orbit(
    azimuth: Tensor | float,
    elevation: Tensor | float,
    radius: Tensor | float = 2.85,
    fov: Tensor | float = 41.0,
    *,
    size: int = 64,
) -> Cameras:
    """Cameras on a sphere that look at the origin with z up, and keep their angles.

    Each value is a number or (B,): azimuth and elevation in degrees, distance, vertical field of view in degrees; the
    pictures are size x size pixels (`Cameras.sized`).

    >>> orbit([0.0, 180.0], 10.0).words
    ['front', 'back']
    """
    given = [torch.as_tensor(v) for v in (azimuth, elevation, radius, fov)]
    dtype = reduce(torch.promote_types, (v.dtype for v in given if v.ndim and v.is_floating_point()), torch.float32)
    a, e, r, f = torch.broadcast_tensors(*(torch.atleast_1d(v.to(dtype)) for v in given))  # (B,) each
    pose = look_inward(torch.deg2rad(a), torch.deg2rad(e), r)
    return replace(pinhole(pose, f, size=size), azimuth=a, elevation=e)


def pinhole(pose: Tensor, fov: Tensor | float, *, size: int = 64) -> Cameras:
    """Cameras at poses (B, 3, 4), with a vertical field of view in degrees, a number or (B,), without a lens."""
    half = torch.deg2rad(torch.as_tensor(fov, dtype=pose.dtype, device=pose.device).expand(len(pose))) / 2
    focal = (size / 2 / torch.tan(half))[:, None].expand(-1, 2)  # (B, 2)
    return Cameras(pose, focal, torch.full_like(focal, size / 2), pose.new_zeros(len(pose), 7), height=size, width=size)


def look_inward(azimuth: Tensor, elevation: Tensor, radius: Tensor) -> Tensor:
    """Poses (B, 3, 4) at angles in radians and a distance, (B,) each, that look at the origin with z up."""
    a, e = azimuth, elevation
    backward = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], -1)  # (B, 3)
    right = torch.stack([-a.sin(), a.cos(), torch.zeros_like(a)], -1)  # (B, 3), defined at the pole too
    up = torch.linalg.cross(backward, right)
    return torch.stack([right, up, backward, radius[:, None] * backward], -1)


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
    return orbit(around, above, uniform(*radius), uniform(*fov))


def turntable(count: int, *, elevation: float = 15.0, radius: float = 2.85, fov: float = 41.0) -> Cameras:
    """`count` cameras at equal steps of azimuth, the first at the front."""
    return orbit(torch.arange(count) * (360.0 / count), elevation, radius, fov)


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
