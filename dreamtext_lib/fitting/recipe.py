"""Recipes of fits: every setting of a field that is fitted to a capture as one value. Lengths are radii of its ball."""

from dataclasses import dataclass, field
from typing import Literal

from ..settings import Count, Descent, Grey, Grid, Positive, Settings, Share, Voxels


@dataclass(frozen=True)
class Pictures(Settings):
    """How the capture is read."""

    background: Grey = 1.0  # grey behind pictures
    size: Count = 200  # the longer side of a picture at most, pixels
    cut_out: bool = False  # whether a plain wall behind the object is made transparent
    up: str = "cameras"  # what is up in the capture's world: an axis (z, -y), three numbers, or as cameras were held


@dataclass(frozen=True)
class Rays(Settings):
    """What a step asks of the field (3.2.3)."""

    batch: Count = 2048  # rays a step
    samples: Count = 128  # even samples a ray (3.12)
    samples_early: Count = 40  # hash: the same at most, before `early_until`
    early_until: Share = 0.1  # hash: share of the run in which few samples do
    samples_more: Count = 64  # hierarchical: samples a ray that follow the coarse weights (3.15)
    light_end: Share = 1e-3  # hash: share of its light that is left where a ray ends


@dataclass(frozen=True)
class Net(Settings):
    """The network of a NeRF (3.2.3)."""

    width: Count = 256  # width of a hidden layer
    depth: Count = 8  # hidden layers
    position_levels: Count = 10  # L of (3.14) for places
    direction_levels: Count = 4  # L of (3.14) for directions
    rate_nerf: Positive = 5e-4  # step for its parameters, at the start, in place of rate_net


@dataclass(frozen=True)
class FitRecipe(Settings):
    """All that fixes a fit but the capture and the seed. Grid and voxels are the hash field's, `nerf` the others'."""

    kind: Literal["hash", "vanilla", "hierarchical"] = "hash"  # Instant-NGP, NeRF, coarse and fine NeRF
    steps: Count = 2000  # gradient steps
    pictures: Pictures = field(default_factory=Pictures)
    rays: Rays = field(default_factory=Rays)
    grid: Grid = field(default_factory=lambda: Grid(levels=8, log2_table=15, coarsest=16, finest=160))
    voxels: Voxels = field(default_factory=lambda: Voxels(voxels=64, threshold=2.0, decay=0.8))
    nerf: Net = field(default_factory=Net)
    descent: Descent = field(default_factory=lambda: Descent(rate_grid=2e-2, rate_net=5e-3, rate_end=0.1))
