"""Recipes of fits: every setting of a field that is fitted to a capture as one value."""

from dataclasses import dataclass, fields

KINDS = ("hash", "vanilla", "hierarchical")


@dataclass(frozen=True)
class FitRecipe:
    """All that fixes a fit but the capture and the seed."""

    kind: str = "hash"  # hash: Instant-NGP; vanilla: NeRF with even samples; hierarchical: coarse and fine NeRF
    steps: int = 2000
    batch: int = 2048  # rays a step
    samples: int = 128  # even samples a ray
    few: int = 40  # the same, while `early` lasts
    early: float = 0.1  # share of the steps in which few samples do
    extra: int = 64  # hierarchical: samples a ray that follow the coarse weights
    levels: int = 8  # hash grid, section 3.2.4
    features: int = 2
    log2_table: int = 15
    coarsest: int = 16  # cells a side
    finest: int = 160
    hidden: int = 32  # width of the hash field's networks
    occupancy: int = 64  # voxels a side
    every: int = 16  # steps between renewals of the occupancy grid
    threshold: float = 2.0  # density, in 1 / radius of the ball, below which a voxel is empty
    decay: float = 0.8  # of the densities that the grid remembers, a renewal
    width: int = 256  # NeRF, section 3.2.3
    depth: int = 8
    position_levels: int = 10  # L of (3.14) for places
    direction_levels: int = 4  # and for directions
    rate_grid: float = 2e-2  # Adam, at the start; falls to a tenth
    rate_net: float = 5e-3
    rate_nerf: float = 5e-4
    background: float = 1.0  # grey behind pictures, 0..1
    size: int = 200  # the longer side of a picture at most, pixels
    cut_out: bool = False  # whether a plain wall behind the object is made transparent
    up: str = "cameras"  # what is up in the capture's world: an axis (z, -y), three numbers, or as cameras were held

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is '{self.kind}'; choose one of {', '.join(KINDS)}")
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "background":
                if not 0 <= value <= 1:
                    raise ValueError(f"background is {value}; it must be between 0 and 1")
            elif f.name not in ("kind", "cut_out", "up") and not value > 0:
                raise ValueError(f"{f.name} is {value}; it must be above 0")
