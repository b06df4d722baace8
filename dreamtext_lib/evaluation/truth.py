"""The truth: a toy as a volume that is looked at as dreams and fits are, and the toys that a prompt may mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
import trimesh
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..radiance.mesh import extract
from ..radiance.rendering import Rendered
from ..radiance.volume import ROWS, Volume
from ..toybox.objects import BOUND, ToyObject, Words
from ..toybox.prompts import called
from ..toybox.render import normals, paint, trace

MEMBERS, SEED = 12, 6_000_011  # of a family; no training set has this seed
INSIDE, EDGE = 400.0, 0.08  # density within a toy, and how thick its skin is, over which it falls to 0
PIXEL = 2 * np.tan(np.radians(41.0) / 2) / 64  # at distance 1, of pictures of 64; silhouettes are smooth over it


class Exact(nn.Module):
    """The field of one toy, or of the union of copies of it that are turned around z: density and albedo."""

    def __init__(self, thing: ToyObject, turns: Sequence[float] = (0.0,)):
        super().__init__()
        self.thing, self.turns = thing, tuple(turns)  # degrees
        self.inside = nn.Parameter(torch.tensor(INSIDE), requires_grad=False)

    def distance(self, points: Tensor) -> Tensor:
        """Signed distances to each copy: points (N, 3) -> (copies, N)."""
        return torch.stack([self.thing.distance(turned(points, -turn)) for turn in self.turns])

    def density(self, points: Tensor) -> Tensor:
        """INSIDE within, 0 outside, half of it at the surface: (N, 3) -> (N,)."""
        return self.inside * (0.5 - self.distance(points).amin(0) / EDGE).clamp(0, 1)

    def forward(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Density (N,) and albedo (N, 3), of the copy that is nearest."""
        distance = self.distance(points)
        nearest, albedo = distance.argmin(0), torch.zeros_like(points)
        for i, turn in enumerate(self.turns):
            rows = (nearest == i).nonzero()[:, 0]
            drawn = turned(points[rows], -turn) / points.new_tensor(self.thing.scale)
            albedo[rows] = paint([self.thing], drawn, torch.zeros_like(rows), torch.full_like(drawn[:, 0], EDGE))
        return self.inside * (0.5 - distance.amin(0) / EDGE).clamp(0, 1), albedo


@dataclass
class Truth(Volume):
    """A volume whose rays are traced instead of marched: exact, and lit as the toybox lights its pictures (`studio`).

    `ambient` 1 shows plain albedo, as learned fields do.
    """

    ambient: float = field(default=0.5, kw_only=True)

    def mesh(self, resolution: int = 96) -> trimesh.Trimesh:
        """The surface in units of the world, where the distance is 0."""
        mesh = extract(self.field, resolution, threshold=INSIDE / 2, radius=self.radius, keep=0.0)
        mesh.vertices = mesh.vertices * self.world.scale + np.array(self.world.centre)
        return mesh

    def see(self, origins: Tensor, directions: Tensor) -> Rendered:
        """Any number of rays (R, 3), as `Volume.see`."""
        parts = [self.first(o, d) for o, d in zip(origins.split(8 * ROWS), directions.split(8 * ROWS))]
        return Rendered(*(torch.cat(v) for v in zip(*parts)))

    @torch.no_grad()
    def first(self, origins: Tensor, directions: Tensor) -> Rendered:
        """What R rays meet first of all copies."""
        copies = [self.one(turned(origins, -turn), turned(directions, -turn)) for turn in self.field.turns]
        t, opacity, rgb = (torch.stack(v) for v in zip(*copies))  # (copies, R), (copies, R), (copies, R, 3)
        first = torch.where(opacity > 0, t, torch.inf).argmin(0)[None]  # (1, R)
        t, opacity = t.gather(0, first)[0], opacity.gather(0, first)[0]
        rgb = rgb.gather(0, first[..., None].expand(-1, -1, 3))[0]
        depth = torch.where(opacity > 0, t, 0)
        return Rendered(rgb, opacity, depth, origins + depth[:, None] * directions, opacity[:, None], t[:, None])

    def one(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where R rays meet the toy, how much of each it covers, and its premultiplied colour: (R,), (R,), (R, 3)."""
        thing, many = self.field.thing, len(origins)
        scale, form = (origins.new_tensor([v]).expand(many, -1) for v in (thing.scale, thing.form))
        footprint = torch.full_like(origins[:, 0], float(PIXEL))
        t, opacity = trace(thing.name, form, origins, directions, scale, footprint)
        rgb, seen = torch.zeros_like(origins), (opacity > 0).nonzero()[:, 0]
        if len(seen):
            d, at = directions[seen], origins[seen] + t[seen, None] * directions[seen]
            albedo = paint([thing], at / scale[seen], torch.zeros_like(seen), footprint[seen] * t[seen])
            up = normalize(d.new_tensor([0.0, 0.0, 1.0]) - d[:, 2:] * d, dim=-1)
            lambert = (normals(thing.name, form[seen], at, scale[seen]) * normalize(0.4 * up - d, dim=-1)).sum(-1)
            light = self.ambient + (1 - self.ambient) * lambert.clamp(min=0)
            rgb[seen] = albedo * (light * opacity[seen])[:, None]
        return t, opacity, rgb


def exact(thing: ToyObject, *, turns: Sequence[float] = (0.0,), ambient: float = 0.5) -> Truth:
    """A toy as a volume; with turns (0, 180), as large as itself and itself turned around: a thing of two fronts."""
    return Truth(Exact(thing, turns), radius=BOUND, ambient=ambient)


def turned(points: Tensor, degrees: float) -> Tensor:
    """Points or directions (N, 3) turned around z, counter-clockwise seen from above."""
    if degrees == 0:
        return points
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y, z = points.unbind(-1)
    return torch.stack([c * x - s * y, s * x + c * y, z], -1)


@cache
def family(words: Words, count: int = MEMBERS, seed: int = SEED) -> tuple[ToyObject, ...]:
    """Toys that words describe (`prompts.called`), the same at every call: what a prompt may mean."""
    return tuple(called(words, np.random.default_rng((seed, i))) for i in range(count))
