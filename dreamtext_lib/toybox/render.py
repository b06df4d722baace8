"""A vectorised sphere tracer: exact pictures of toy objects from any camera.

A ray advances by the distance to the nearest surface until it meets one (Hart 1996). Rays that graze the object
within a pixel get a partial alpha, so silhouettes are smooth at any size, and half a pixel wide of the exact ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..radiance.cameras import Cameras, rays, sphere_interval
from .classes import CLASSES, distance, paints
from .objects import BOUND, PATTERNS, ToyObject

STEPS, HIT = 48, 0.003  # steps at most; a ray nearer than HIT has arrived


@dataclass
class Look:
    """What a scene adds to objects and cameras, one row for each of B pictures."""

    light: Tensor  # (B, 3) unit vectors towards the light
    ambient: Tensor  # (B,) share of the light that comes from everywhere, 0..1
    background: Tensor  # (B, 3) colour behind the object, 0..1


@dataclass
class Picture:
    """B renders of H x W pixels."""

    rgb: Tensor  # (B, H, W, 3) over the background, 0..1
    alpha: Tensor  # (B, H, W) coverage, 0..1
    depth: Tensor  # (B, H, W) distance along the ray, infinite where nothing is
    normal: Tensor  # (B, H, W, 3) unit vectors, 0 where nothing is


def studio(cameras: Cameras, background: float = 0.9, ambient: float = 0.5) -> Look:
    """A headlight slightly above each camera, a grey wall, no variation."""
    _, up, backward, _ = cameras.pose.unbind(-1)  # (B, 3) each
    count = len(cameras)
    return Look(
        light=normalize(backward + 0.4 * up, dim=-1),
        ambient=torch.full((count,), ambient),
        background=torch.full((count, 3), background),
    )


def random_look(cameras: Cameras, rng: np.random.Generator) -> Look:
    """Light from about the camera's side, and a light-grey wall."""
    right, up, backward, _ = cameras.pose.unbind(-1)  # (B, 3) each
    count = len(cameras)
    aside, above = (torch.tensor(v, dtype=torch.float32) for v in rng.normal((0, 0.4), (0.4, 0.3), (count, 2)).T)
    return Look(
        light=normalize(backward + aside[:, None] * right + above[:, None] * up, dim=-1),
        ambient=torch.tensor(rng.uniform(0.4, 0.55, count), dtype=torch.float32),
        background=torch.tensor(rng.uniform(0.75, 1, (count, 1)), dtype=torch.float32).expand(count, 3),
    )


@torch.no_grad()
def render(things: Sequence[ToyObject], cameras: Cameras, size: int = 64, look: Look | None = None) -> Picture:
    """Render B objects of one class, each from its own camera, at size x size pixels, where the cameras' tensors are.

    Raises ValueError if the objects are of several classes or are not as many as the cameras.
    """
    count, names = len(things), {thing.name for thing in things}
    if len(names) != 1 or count != len(cameras):
        raise ValueError(f"render takes one class at a time and a camera each, not {names} and {len(cameras)}")
    if size < 1:
        raise ValueError(f"a picture of {size} pixels cannot be rendered; use a size of at least 1")
    name, look, device = names.pop(), look or studio(cameras), cameras.pose.device
    light, ambient, background = (v.to(device) for v in (look.light, look.ambient, look.background))

    origins, directions = rays(cameras.sized(size))  # (B, H*W, 3)
    scale = torch.tensor([thing.scale for thing in things], device=device)  # (B, 3)
    form = torch.tensor([thing.form for thing in things], device=device)  # (B, F)
    picture = torch.arange(count, device=device).repeat_interleave(size * size)  # (B*H*W,) the picture of each ray
    origins, directions = origins.reshape(-1, 3), directions.reshape(-1, 3)
    footprint = (2 * torch.tan(torch.deg2rad(cameras.fov) / 2) / size)[picture]  # a pixel's width at distance 1

    t, coverage = trace(name, form[picture], origins, directions, scale[picture], footprint)
    ray = (coverage > 0).nonzero()[:, 0]
    rgb = background[picture].clone()
    normal, depth = torch.zeros_like(rgb), torch.full_like(t, torch.inf)
    if len(ray):
        at, k = origins[ray] + t[ray, None] * directions[ray], picture[ray]
        n = normals(name, form[k], at, scale[k])
        albedo = paint(things, at / scale[k], k, footprint[ray] * t[ray])
        lambert = (n * light[k]).sum(-1).clamp(min=0)
        colour = albedo * (ambient[k] + (1 - ambient[k]) * lambert)[:, None]
        rgb[ray] = torch.lerp(rgb[ray], colour, coverage[ray, None])
        normal[ray], depth[ray] = n, t[ray]
    shape = (count, size, size)
    return Picture(
        rgb.clamp(0, 1).reshape(*shape, 3), coverage.reshape(shape), depth.reshape(shape), normal.reshape(*shape, 3)
    )


def trace(
    name: str, form: Tensor, origins: Tensor, directions: Tensor, scale: Tensor, footprint: Tensor
) -> tuple[Tensor, Tensor]:
    """March N rays: where each arrives or passes nearest, and its coverage, 1 for a hit, falling to 0 over a pixel.

    form (N, F), origins and unit directions (N, 3), scale (N, 3) of each ray's object, all of the class `name`;
    footprint (N,): a pixel's width at distance 1.
    """
    near, far, meets = sphere_interval(origins, directions, BOUND)
    best, where, alive = torch.full_like(near, torch.inf), near.clone(), meets.nonzero()[:, 0]
    t, smallest = near[alive], scale.amin(-1)
    for _ in range(STEPS // 4):
        o, d = ((v[alive] / scale[alive]).unbind(-1) for v in (origins, directions))
        least, wide, nearest, spot = smallest[alive], footprint[alive], best[alive], where[alive]
        numbers = form[alive].unbind(-1)
        for _ in range(4):
            gap = distance(name, tuple(o[i] + t * d[i] for i in range(3)), numbers) * least
            pixels = gap / (wide * t)
            closer = pixels < nearest
            nearest, spot = torch.where(closer, pixels, nearest), torch.where(closer, t, spot)
            t = t + 0.95 * gap
        best[alive], where[alive] = nearest, spot
        going = (gap > HIT) & (t < far[alive])  # the others have arrived or left
        alive, t = alive[going], t[going]
        if not len(alive):
            break
    arrived = best * footprint * where < HIT
    return where, torch.where(arrived, torch.ones_like(best), (1 - best).clamp(0, 1))


def normals(name: str, form: Tensor, points: Tensor, scale: Tensor, step: float = 0.004) -> Tensor:
    """Unit normals (N, 3) at points (N, 3) of the scaled objects: the distance's gradient on a tetrahedron."""
    p, numbers = (points / scale).unbind(-1), form.unbind(-1)
    corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]) * step
    slope = sum(c * distance(name, tuple(p[i] + c[i] for i in range(3)), numbers)[:, None] for c in corners)
    return normalize(slope / scale, dim=-1)


def paint(things: Sequence[ToyObject], p: Tensor, k: Tensor, width: Tensor) -> Tensor:
    """Albedo (N, 3) at points p (N, 3) in drawn coordinates, of object k (N,); `width` is a pixel's size there.

    Stripes are bands along z, every second one in the second paint; spots are balls of it on a cubic lattice.
    """
    main, second, accent, form = (
        p.new_tensor([getattr(t, field) for t in things])[k] for field in ("colour", "second", "accent", "form")
    )  # (N, 3) thrice, (N, F)
    pattern, grain = p.new_tensor([(PATTERNS.index(t.pattern), t.grain) for t in things])[k].unbind(-1)  # (N,)
    band = (p[:, 2] - 0.5 * grain) / (2 * grain)
    stripe = grain * (0.5 - 2 * (band - band.round()).abs())  # > 0 on every second band
    lattice = 1.5625 * grain  # between the middles of the spots
    cell = p / lattice[:, None]
    spot = (0.36 - (cell - cell.round()).norm(dim=-1)) * lattice  # > 0 in balls
    signed = torch.where(pattern == 1, stripe, torch.where(pattern == 2, spot, -torch.ones_like(spot)))
    own = torch.lerp(main, second, (0.5 + signed / width).clamp(0, 1)[:, None])
    fixed, is_main, is_accent = (v.to(p.device) for v in paints(things[0].name))
    part = torch.stack([d for d, _ in CLASSES[things[0].name](p.unbind(-1), form.unbind(-1))]).argmin(0)  # (N,)
    return torch.where(is_main[part, None], own, torch.where(is_accent[part, None], accent, fixed[part]))
