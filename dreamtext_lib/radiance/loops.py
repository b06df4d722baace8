"""The hash encoding as two compiled loops, for a CPU where numba is installed: the bits of `encoding`, in less time.

PyTorch works line by line: the rows and weights of all eight corners are written to memory and read again. A compiled
loop keeps a point's numbers in registers until its features are ready. Both add the same products in the same order,
so that results are equal bit for bit, whatever is installed. One thread does the work: a second one was no faster.
Numba compiles the loops when they are first needed, within seconds, and keeps them beside this file, or in the user's
cache where that cannot be written.
"""

from typing import TYPE_CHECKING

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .encoding import PRIMES

if TYPE_CHECKING:
    from .encoding import HashGrid

SHORT = 256  # points of one corner whose rows and products are made at once, before they are added
ONE, ONE_32 = np.float32(1), np.int32(1)


@numba.njit(inline="always")
def place(u, n):
    """A coordinate's cell of n, and its place in it (3.17), as `encoding.cells` has them."""
    scaled = u * np.float32(n)
    lower = min(max(np.int32(scaled), np.int32(0)), np.int32(n - 1))
    return lower, scaled - np.float32(lower)


@numba.njit(inline="always")
def row_of(x, y, z, n, dense, pi_2, pi_3, mask):
    """The row of a lattice point within its level: `encoding.dense_index` or (3.18)."""
    if dense:
        return np.int32(x + np.int32(y + np.int32(z * (n + ONE_32))) * (n + ONE_32))
    return (x ^ (np.int32(y * pi_2) ^ np.int32(z * pi_3))) & mask


@numba.njit(error_model="numpy", cache=True)
def forward(unit, table, levels, dense, pi_2, pi_3, mask, out):
    """Write the features of the points unit (3, N) into out (N, 2 L). levels (L, 2): cells a side, and first row."""
    for p in range(unit.shape[1]):
        for level in range(len(levels)):
            n, first = levels[level]
            x, up_x = place(unit[0, p], n)
            y, up_y = place(unit[1, p], n)
            z, up_z = place(unit[2, p], n)
            a = b = np.float32(0)
            for i in range(2):
                w_x = up_x if i else ONE - up_x
                for j in range(2):
                    w_y = up_y if j else ONE - up_y
                    for k in range(2):
                        w = w_x * (w_y * (up_z if k else ONE - up_z))
                        r = first + row_of(x + i, y + j, z + k, n, level < dense, pi_2, pi_3, mask)
                        a += table[r, 0] * w
                        b += table[r, 1] * w
            out[p, 2 * level], out[p, 2 * level + 1] = a, b


@numba.njit(error_model="numpy", cache=True)
def backward(unit, gradient, levels, dense, pi_2, pi_3, mask, of_table):
    """Add to of_table (rows, 2) what the gradient (2 L, N) of the features is to it; corner by corner, as PyTorch.

    Rows and products of some points are made first, which the processor does eight at a time, and then added.
    """
    row, a, b = np.empty(SHORT, np.int32), np.empty(SHORT, np.float32), np.empty(SHORT, np.float32)
    for level in range(len(levels)):
        n, first = levels[level]
        for corner in range(8):
            i, j, k = np.int32(corner >> 2), np.int32((corner >> 1) & 1), np.int32(corner & 1)
            for begin in range(0, unit.shape[1], SHORT):
                size = min(SHORT, unit.shape[1] - begin)
                for q in range(size):
                    p = begin + q
                    x, up_x = place(unit[0, p], n)
                    y, up_y = place(unit[1, p], n)
                    z, up_z = place(unit[2, p], n)
                    w_y, w_z = up_y if j else ONE - up_y, up_z if k else ONE - up_z
                    w = (up_x if i else ONE - up_x) * (w_y * w_z)
                    a[q], b[q] = gradient[2 * level, p] * w, gradient[2 * level + 1, p] * w
                    here = np.int32(x + i), np.int32(y + j), np.int32(z + k)
                    row[q] = row_of(here[0], here[1], here[2], n, level < dense, pi_2, pi_3, mask)
                for q in range(size):
                    of_table[first + row[q], 0] += a[q]
                    of_table[first + row[q], 1] += b[q]


def warm() -> None:
    """Compile both loops, or take them from where numba keeps them."""
    unit, table = np.zeros((3, 1), np.float32), np.zeros((8, 2), np.float32)
    rest = np.array([[1, 0]], np.int32), 1, *np.ones(3, np.int32)
    forward(unit, table, *rest, np.zeros((1, 2), np.float32))
    backward(unit, np.zeros((2, 1), np.float32), *rest, table)


def fits(grid: "HashGrid", points: Tensor) -> bool:
    """Whether the loops can encode: single precision on a CPU, two features a level, and no slope of the points."""
    return (
        all(type(q.data) is Tensor and q.is_cpu and q.dtype == torch.float32 for q in (grid.table, points))
        and grid.made_of["features"] == 2
        and not (points.requires_grad and torch.is_grad_enabled())
    )


class Encode(torch.autograd.Function):
    """table (rows, 2) and unit (3, N) in 0..1 -> features (N, 2 L); differentiable once, in the table."""

    @staticmethod
    def forward(ctx, table: Tensor, unit: Tensor, grid: "HashGrid") -> Tensor:
        levels = torch.cat([grid.resolution, grid.first], 1).numpy()
        pi = np.array(PRIMES[1:], np.uint32).view(np.int32)  # the same bits
        rest = levels, grid.dense, *pi, np.int32((1 << grid.log2_table) - 1)
        unit, out = unit.contiguous(), table.new_empty(unit.shape[1], grid.width)
        forward(unit.numpy(), table.detach().contiguous().numpy(), *rest, out.numpy())
        ctx.save_for_backward(unit)
        ctx.rest, ctx.shape = rest, table.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (unit,), of_table = ctx.saved_tensors, gradient.new_zeros(ctx.shape)
        backward(unit.numpy(), gradient.t().contiguous().numpy(), *ctx.rest, of_table.numpy())
        return of_table, None, None
