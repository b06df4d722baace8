"""Multiresolution hash encoding (thesis 3.2.4; Mueller et al. 2022) in plain PyTorch, made for two CPU cores.

Where the time goes, and what is done about it: two features travel as one complex number, so that a corner costs one
gather instead of two and its gradient one scatter; indices are 32 bits wide; all arrays have the points innermost, so
that every line below is one vector instruction over thousands of points; and the gradient of the table is written by
hand. Where numba is installed, `loops` gives the same bits in less time. `benchmarks/hash_encoding.py` measures both.
"""

import math
from functools import cache
from types import ModuleType
from typing import Self

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..settings import Grid

PRIMES = (1, 2654435761, 805459861)  # the pi of (3.18)


@cache
def compiled() -> ModuleType | None:
    """The compiled loops, `loops`, or None where numba is not installed, or can neither compile them nor keep them."""
    try:
        from . import loops

        loops.warm()
    except (ImportError, OSError, RuntimeError):
        return None
    return loops


def resolutions(levels: int, coarsest: int, finest: int) -> list[int]:
    """Cells a side of each level (3.16): N_l = floor(N_min b^l), b = exp((ln N_max - ln N_min) / (L - 1)), l = 0..L-1.

    The last level is `finest` itself, whatever the rounding of exp. Raises ValueError unless levels >= 1 and
    1 <= coarsest <= finest; a single level has resolution `coarsest`.
    """
    if levels < 1 or not 1 <= coarsest <= finest:
        raise ValueError(
            f"need levels >= 1 and 1 <= coarsest <= finest, got {levels} levels from {coarsest} to {finest}"
        )
    b = math.exp((math.log(finest) - math.log(coarsest)) / max(levels - 1, 1))
    return [math.floor(coarsest * b**level + 1e-6) for level in range(levels)]


def cells(unit: Tensor, resolution: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each point at each level, and the place in it (3.17): lower = floor(x N_l), upper = lower + 1.

    unit (3, N) coordinates in [0, 1], resolution (L, 1) integers -> lower (3, L, N) int32 in 0..N_l - 1 and
    fraction (3, L, N) in [0, 1]. (The thesis prints ceil as the upper corner, which collapses the cell of a point on
    the lattice.) The face x = 1 belongs to the last cell, with fraction 1.
    """
    scaled = unit[:, None] * resolution  # (3, L, N)
    lower = torch.minimum(scaled.detach().int().clamp_(min=0), resolution - 1)
    return lower, scaled - lower


def spatial_hash(x: Tensor, y: Tensor, z: Tensor, log2_table: int) -> Tensor:
    """Row of a lattice point in a table of T = 2^log2_table rows (3.18): (x pi_1 xor y pi_2 xor z pi_3) mod T.

    x, y, z: int32, >= 0, of shapes that broadcast -> int32 in 0..T-1. The products wrap as 32-bit unsigned numbers;
    int32 arithmetic has the same bits, so pi_2 is written as its negative twin pi_2 - 2^32.
    """
    return (x ^ (y * (PRIMES[1] - 2**32) ^ z * PRIMES[2])) & ((1 << log2_table) - 1)


def dense_index(x: Tensor, y: Tensor, z: Tensor, side: Tensor) -> Tensor:
    """Row of a lattice point when each of the side^3 points of the lattice has a row of its own."""
    return x + (y + z * side) * side


class Interpolate(torch.autograd.Function):
    """sum_c weight_c table[row_c]: the trilinear interpolation, with a backward that only adds where it must.

    table (rows, pairs) complex, row (8, K) int32, weight (8, K) real -> (pairs, K) complex. Differentiable once, in
    the table and, when asked for, in the weights.
    """

    @staticmethod
    def forward(ctx, table: Tensor, row: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(table, row, weight)
        out = table.new_empty(table.shape[1], row.shape[1])
        for pair, column in zip(out, table.unbind(1)):
            torch.mul(column.index_select(0, row[0]), weight[0], out=pair)
            for r, w in zip(row[1:], weight[1:]):
                pair += column.index_select(0, r).mul_(w)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        table, row, weight = ctx.saved_tensors
        of_table = of_weight = None
        if ctx.needs_input_grad[0]:
            of_table = table.new_zeros(table.shape[1], table.shape[0])  # (pairs, rows)
            for column, g in zip(of_table, gradient):
                for r, w in zip(row, weight):
                    column.scatter_add_(0, r.long(), g * w)
            of_table = of_table.t()
        if ctx.needs_input_grad[2]:
            corner = torch.stack([table.index_select(0, r) for r in row])  # (8, K, pairs)
            of_weight = (corner.conj() * gradient.t()).real.sum(-1)
        return of_table, None, of_weight


class HashGrid(nn.Module):
    """Features that are interpolated in `levels` grids over the cube [-bound, bound]^3 (thesis 3.2.4, 3.16-3.18).

    A level whose (N_l + 1)^3 lattice points fit in T = 2^log2_table rows gives each its own row, a finer one shares
    T rows by (3.18). `table` (rows of all levels, features) starts uniform in [-1e-4, 1e-4], drawn from `generator`.
    Raises ValueError if `features` is odd.

    >>> HashGrid()(torch.zeros(5, 3)).shape
    torch.Size([5, 12])
    """

    def __init__(
        self,
        *,
        levels: int = 6,
        features: int = 2,
        log2_table: int = 14,
        coarsest: int = 6,
        finest: int = 48,
        bound: float = 1.1,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if features < 2 or features % 2:
            raise ValueError(f"features must be even (two travel as one complex number), got {features}")
        self.made_of = {
            "levels": levels,
            "features": features,
            "log2_table": log2_table,
            "coarsest": coarsest,
            "finest": finest,
            "bound": bound,
        }
        self.resolutions = resolutions(levels, coarsest, finest)
        self.log2_table, self.bound, self.width = log2_table, bound, levels * features
        sizes = [min((n + 1) ** 3, 1 << log2_table) for n in self.resolutions]
        self.dense = sum((n + 1) ** 3 <= 1 << log2_table for n in self.resolutions)  # the first levels are dense
        self.table = nn.Parameter(torch.empty(sum(sizes), features))
        nn.init.uniform_(self.table, -1e-4, 1e-4, generator=generator)
        first = [sum(sizes[:level]) for level in range(levels)]
        self.register_buffer("resolution", torch.tensor(self.resolutions, dtype=torch.int32)[:, None], persistent=False)
        self.register_buffer("first", torch.tensor(first, dtype=torch.int32)[:, None], persistent=False)

    @classmethod
    def of(cls, settings: Grid, bound: float, generator: torch.Generator | None = None) -> Self:
        """The grid that settings ask for, over [-bound, bound]^3."""
        s = settings
        shape = {"levels": s.levels, "features": s.features, "log2_table": s.log2_table}
        return cls(**shape, coarsest=s.coarsest, finest=s.finest, bound=bound, generator=generator)

    def unit(self, points: Tensor) -> Tensor:
        """Points (N, 3) of the cube as coordinates in 0..1: (3, N)."""
        return (points.t().contiguous() / (2 * self.bound) + 0.5).clamp(0, 1)

    def corners(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and weights of the eight corners around points (N, 3), level by level: two tensors (8, L, N)."""
        lower, fraction = cells(self.unit(points), self.resolution)
        both = torch.stack([lower, lower + 1], 1)  # (3, 2, L, N)
        x, y, z = both[0, :, None, None], both[1, None, :, None], both[2, None, None]  # 2 along its own axis
        row = x.new_empty(2, 2, 2, *lower.shape[1:])
        d = self.dense
        row[..., :d, :] = dense_index(*(q[..., :d, :] for q in (x, y, z)), self.resolution[:d] + 1)
        row[..., d:, :] = spatial_hash(*(q[..., d:, :] for q in (x, y, z)), self.log2_table)
        row += self.first
        share = torch.stack([1 - fraction, fraction], 1)  # (3, 2, L, N)
        weight = share[0, :, None, None] * (share[1, None, :, None] * share[2, None, None])  # (2, 2, 2, L, N)
        return row.flatten(0, 2), weight.flatten(0, 2)

    def forward(self, points: Tensor) -> Tensor:
        """points (N, 3) in [-bound, bound] -> (N, levels * features), level by level.

        Points outside take the value of the nearest point of the cube. Continuous everywhere, exact at lattice
        points, differentiable once in the table and in the points.
        """
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points must be (N, 3), got {tuple(points.shape)}")
        if (loops := compiled()) and loops.fits(self, points):
            return loops.Encode.apply(self.table, self.unit(points), self)
        return self.interpolate(points)

    def interpolate(self, points: Tensor) -> Tensor:
        """What `forward` gives, in PyTorch alone."""
        row, weight = self.corners(points)
        pairs = torch.view_as_complex(self.table.unflatten(1, (-1, 2)))  # (rows, pairs)
        mixed = Interpolate.apply(pairs, row.flatten(1), weight.flatten(1))  # (pairs, L * N)
        mixed = mixed.unflatten(1, (len(self.resolutions), -1)).permute(2, 1, 0)  # (N, L, pairs)
        return torch.view_as_real(mixed.contiguous()).reshape(len(points), self.width)  # (N, L * F)
