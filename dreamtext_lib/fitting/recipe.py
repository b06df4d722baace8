"""Recipes of fits: every setting of a field that is fitted to a capture as one value."""

from dataclasses import dataclass
from typing import Literal

from ..settings import Count, Grey, Positive, Power, Settings, Share, ordered


@dataclass(frozen=True)
class FitRecipe(Settings):
    """All that fixes a fit but the capture and the seed."""

    kind: Literal["hash", "vanilla", "hierarchical"] = (
        "hash"  # Instant-NGP, NeRF with even samples, coarse and fine NeRF
    )
    steps: Count = 2000  # gradient steps
    batch: Count = 2048  # rays a step
    samples: Count = 128  # even samples a ray
    few: Count = 40  # the same, while `early` lasts
    early: Share = 0.1  # share of the run in which few samples do
    extra: Count = 64  # hierarchical: samples a ray that follow the coarse weights
    levels: Count = 8  # hash: levels (3.16)
    features: Count = 2  # hash: features a level
    log2_table: Power = 15  # hash: entries a level, as a power of two (3.18)
    coarsest: Count = 16  # hash: cells a side of the first level (3.16)
    finest: Count = 160  # hash: cells a side of the last level (3.16)
    hidden: Count = 32  # hash: width of a hidden layer
    occupancy: Count = 64  # hash: voxels a side
    every: Count = 16  # hash: steps between renewals of the occupancy grid
    threshold: Positive = 2.0  # hash: density, in 1 / radius of the ball, below which a voxel is empty
    decay: Share = 0.8  # hash: what is left of a remembered density at a renewal, as a factor
    width: Count = 256  # NeRF (3.2.3): width of a hidden layer
    depth: Count = 8  # NeRF: hidden layers
    position_levels: Count = 10  # NeRF: L of (3.14) for places
    direction_levels: Count = 4  # NeRF: L of (3.14) for directions
    rate_grid: Positive = 2e-2  # Adam's step for the hash tables at the start; it falls to a tenth
    rate_net: Positive = 5e-3  # Adam's step for the hash field's networks at the start; it falls to a tenth
    rate_nerf: Positive = 5e-4  # Adam's step for NeRF at the start; it falls to a tenth
    background: Grey = 1.0  # grey behind pictures
    size: Count = 200  # the longer side of a picture at most, pixels
    cut_out: bool = False  # whether a plain wall behind the object is made transparent
    up: str = "cameras"  # what is up in the capture's world: an axis (z, -y), three numbers, or as cameras were held

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("coarsest", "finest"))
