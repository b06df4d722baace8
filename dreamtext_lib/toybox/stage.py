"""A toy on a stage that can be filmed: painted with fine noise, on a round plate, in light that does not move.

Plain toys give structure from motion nothing to hold on to, and a light that moves with the camera would move the
shading over the surface. Here every point has a colour of its own, the same from every side.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from ..radiance.cameras import Cameras, rays
from .objects import ToyObject
from .render import normals, paint, trace

LIGHT, AMBIENT = (0.45, 0.3, 0.85), 0.55  # towards the light, in the world; share that comes from everywhere
THICKNESS, REACH = 0.06, 0.98  # of the plate; object and plate lie in the ball of radius REACH
PLATE = (0.55, 0.47, 0.38)
COARSEST, OCTAVES = 5.0, 5  # cells of noise in a unit of length, doubled in each octave
CELLS = 1 << 12  # colours that a cell's hash can choose from


class Footage(NamedTuple):
    """B exact pictures of H x W pixels."""

    rgb: Tensor  # (B, H, W, 3) over the wall, 0..1
    alpha: Tensor  # (B, H, W) coverage by the object or the plate, 0..1


def noise(points: Tensor, width: Tensor, seed: int = 0) -> Tensor:
    """Value noise at points (N, 3), mostly grey, about -1..1: (N, 3). `width` (N,) is a pixel's size there.

    Octave k has random colours on a lattice of COARSEST 2^k cells a unit, blended smoothly between the corners. It is
    faded out where a cell is not two pixels wide: what a camera cannot resolve would flicker from frame to frame.
    """
    generator = torch.Generator().manual_seed(seed)
    grey, tint = (torch.rand(CELLS, n, generator=generator) * 2 - 1 for n in (1, 3))
    colours = grey + 0.3 * tint  # (CELLS, 3)
    total = torch.zeros_like(points)
    for octave in range(OCTAVES):
        cells = COARSEST * 2**octave
        q = points * cells + 17.3 * octave
        corner = q.floor()
        u = q - corner
        u = u * u * (3 - 2 * u)
        x, y, z = (corner.long() + 1024).unbind(-1)
        value = torch.zeros_like(points)
        for i in range(8):
            dx, dy, dz = i & 1, i >> 1 & 1, i >> 2
            hashed = ((x + dx) * 73856093 ^ (y + dy) * 19349663 ^ (z + dz) * 83492791) % CELLS
            side = torch.stack([u[:, k] if d else 1 - u[:, k] for k, d in enumerate((dx, dy, dz))])
            value += side.prod(0)[:, None] * colours[hashed]
        total += (1 / (cells * width) - 1).clamp(0, 1)[:, None] * value
    return total * 0.8


def plate_of(thing: ToyObject) -> tuple[float, float]:
    """Height of the plate's top, under the object's lowest point, and the plate's radius."""
    top = float(thing.mesh(64).bounds[0, 2])
    return top, float(np.sqrt(max(REACH**2 - (top - THICKNESS) ** 2, 0.2**2)))


def meet_plate(origins: Tensor, directions: Tensor, top: float, radius: float) -> tuple[Tensor, Tensor]:
    """Where rays (N, 3) enter the plate, infinite where they miss, and its normals there: (N,), (N, 3)."""
    low, high = sorted_pair(
        (top - THICKNESS - origins[:, 2]) / directions[:, 2], (top - origins[:, 2]) / directions[:, 2]
    )
    a = directions[:, :2].square().sum(-1)
    b = (origins[:, :2] * directions[:, :2]).sum(-1)
    root = (b * b - a * (origins[:, :2].square().sum(-1) - radius**2)).clamp(min=0).sqrt()
    enter, leave = torch.maximum(low, (-b - root) / a), torch.minimum(high, (-b + root) / a)
    t = torch.where((enter < leave) & (root > 0), enter, torch.inf)
    flat = (low > (-b - root) / a)[:, None]
    rim = (
        torch.cat([origins[:, :2] + enter[:, None] * directions[:, :2], torch.zeros_like(enter)[:, None]], -1) / radius
    )
    return t, torch.where(flat, -directions.sign() * directions.new_tensor([0, 0, 1]), rim)


def sorted_pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The smaller and the larger of two, entry by entry."""
    return torch.minimum(a, b), torch.maximum(a, b)


@torch.no_grad()
def film(
    thing: ToyObject,
    cameras: Cameras,
    *,
    size: int = 256,
    contrast: float = 1.0,
    wall: float = 0.9,
    headlight: bool = False,
    seed: int = 0,
    finer: int = 1,
) -> Footage:
    """Film a textured toy on its plate from B cameras, size x size pixels, `finer`^2 rays a pixel.

    contrast: of the texture, 0 for the toybox's plain paint. wall: grey behind everything. headlight: a light that
    moves with the camera, as the toybox's pictures have it, in place of one that stands still. Raises ValueError for
    a size below 1.
    """
    if size < 1:
        raise ValueError(f"a frame of {size} pixels cannot be rendered; use a size of at least 1")
    top, radius = plate_of(thing)
    shots = [
        shoot(
            thing,
            camera.sized(size * finer),
            top=top,
            radius=radius,
            contrast=contrast,
            wall=wall,
            headlight=headlight,
            seed=seed,
        )
        for camera in cameras
    ]
    pooled = avg_pool2d(torch.stack(shots), finer)  # (B, 4, H, W)
    return Footage(pooled[:, :3].permute(0, 2, 3, 1).clamp(0, 1), pooled[:, 3])


def shoot(
    thing: ToyObject,
    camera: Cameras,
    *,
    top: float,
    radius: float,
    contrast: float,
    wall: float,
    headlight: bool,
    seed: int,
) -> Tensor:
    """One picture, a ray a pixel: (4, H, W) colour over the wall, and coverage."""
    origins, directions = (v[0] for v in rays(camera))  # (N, 3)
    scale = torch.tensor([thing.scale]).expand_as(origins)
    pixel = (1 / camera.focal[0, 1]).expand(len(origins))  # a pixel's width at distance 1
    form = torch.tensor([thing.form]).expand(len(origins), -1)
    t, coverage = trace(thing.name, form, origins, directions, scale, pixel)
    behind, plate_normal = meet_plate(origins, directions, top, radius)
    coverage = torch.where(t < behind, coverage, 0)
    light = normalize(camera.pose[0, :, 2] + 0.4 * camera.pose[0, :, 1] if headlight else torch.tensor(LIGHT), dim=-1)

    def shaded(points: Tensor, normal: Tensor, albedo: Tensor, width: Tensor) -> Tensor:
        albedo = (albedo * 0.72 + 0.14) + 0.3 * contrast * noise(points, width, seed)
        lambert = (normal * light).sum(-1).clamp(min=0)
        return albedo.clamp(0.02, 0.98) * (AMBIENT + (1 - AMBIENT) * lambert)[:, None]

    rgb, alpha = torch.full_like(origins, wall), torch.zeros_like(t)
    on = behind.isfinite().nonzero()[:, 0]
    at = origins[on] + behind[on, None] * directions[on]
    rgb[on] = shaded(at, plate_normal[on], torch.tensor(PLATE).expand(len(on), 3), pixel[on] * behind[on])
    alpha[on] = 1
    on = (coverage > 0).nonzero()[:, 0]
    for _ in range(2):  # the last bit of the way, which `trace` leaves off
        at = origins[on] + t[on, None] * directions[on]
        t[on] += torch.where(coverage[on] == 1, thing.distance(at), 0)
    at, width = origins[on] + t[on, None] * directions[on], pixel[on] * t[on]
    albedo = paint([thing], at / scale[on], torch.zeros_like(on), width)
    colour = shaded(at, normals(thing.name, form[on], at, scale[on]), albedo, width)
    rgb[on] = torch.lerp(rgb[on], colour, coverage[on, None])
    alpha[on] = torch.maximum(alpha[on], coverage[on])
    return torch.cat([rgb.T, alpha[None]]).view(4, camera.height, camera.width)
