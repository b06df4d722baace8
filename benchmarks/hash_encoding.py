"""Hash encoding, forward and backward: this library's against the form that public PyTorch code takes.

Run it with `python -m benchmarks.hash_encoding`. All encode the same points with levels of the same
resolutions; their repetitions alternate, so that a busy machine slows all alike. Times are milliseconds. Where numba
is installed, this library is measured twice: in PyTorch alone, and with its compiled loops, as the users of
`HashGrid` have it.

The peer (`EightGathers`) is the public formula as nerfstudio's PyTorch fallback evaluates it: one gather of (N, L)
rows for each of the eight corners, int64 arithmetic, autograd's own backward. It hashes every level and takes
floor + 1 as the upper corner. `HashGrid` stores the coarse levels densely, so the peer's table is the larger one:
8,388,608 rows against 6,098,925 for the full-size grid, 98,304 against 46,116 for the default one.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from dreamtext_lib.files import write_json
from dreamtext_lib.radiance.encoding import PRIMES, HashGrid, compiled, resolutions

NAMES = ("levels", "features", "log2_table", "coarsest", "finest", "bound")


class EightGathers(nn.Module):
    """Every level hashed, every corner a gather (Mueller et al. 2022, section 3): (N, 3) -> (N, L * F)."""

    def __init__(self, levels: int, features: int, log2_table: int, coarsest: int, finest: int, bound: float):
        super().__init__()
        self.rows, self.bound = 2**log2_table, bound
        self.resolution = torch.tensor(resolutions(levels, coarsest, finest))[:, None]
        self.first = torch.arange(levels) * self.rows
        self.table = nn.Parameter((torch.rand(levels * self.rows, features) * 2 - 1) * 1e-4)

    def forward(self, points: Tensor) -> Tensor:
        scaled = (points[:, None] / self.bound + 1) / 2 * self.resolution  # (N, L, 3)
        lower = scaled.floor().long()
        offset = scaled - lower
        out = 0
        for corner in torch.cartesian_prod(*[torch.arange(2)] * 3):
            x, y, z = ((lower + corner) * torch.tensor(PRIMES)).unbind(-1)  # (N, L) each
            row = (x ^ y ^ z) % self.rows + self.first
            weight = torch.where(corner.bool(), offset, 1 - offset).prod(-1)  # (N, L)
            out = out + weight[..., None] * self.table[row]
        return out.flatten(1)


def once(encode: Callable[[Tensor], Tensor], table: Tensor, points: Tensor, pull: Tensor) -> tuple[float, float]:
    """Milliseconds of one forward and of one backward."""
    table.grad = None
    start = time.perf_counter()
    out = encode(points)
    middle = time.perf_counter()
    out.backward(pull)
    return (middle - start) * 1e3, (time.perf_counter() - middle) * 1e3


def main() -> None:
    """Print one table for the full-size grid and one for the default grid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = torch.Generator().manual_seed(0)
    cases = {
        "16 levels x 2 x 2^19, 65,536 points": ((16, 2, 19, 16, 2048, 1.1), 65536),
        "6 levels x 2 x 2^14, 18,000 points": ((6, 2, 14, 6, 48, 1.1), 18000),
    }
    kept = {}
    for name, (shape, count) in cases.items():
        peer, grid = EightGathers(*shape), HashGrid(**dict(zip(NAMES, shape)))
        forms = {"eight gathers": (peer, peer.table), "in PyTorch": (grid.interpolate, grid.table)}
        if compiled():
            forms["compiled"] = grid, grid.table
        points = (torch.rand(count, 3, generator=generator) * 2 - 1) * 1.1
        pull = torch.randn(count, shape[0] * shape[1], generator=generator)
        times = {form: [] for form in forms}
        for repetition in range(arguments.repeat + 1):
            for form, (encode, own) in forms.items():
                measured = once(encode, own, points, pull)
                times[form] += [measured] if repetition else []  # the first one warms up
        print(f"\n{name}, {arguments.threads} thread(s), least (median) of {arguments.repeat}")
        print(f"{'form':15}{'forward':>18}{'backward':>18}{'both':>18}{'ratio':>8}")
        first, kept[name] = None, {}
        for form, rows in times.items():
            columns = [*zip(*rows), [sum(row) for row in rows]]
            cells = "".join(f"{f'{min(c):.1f} ({median(c):.1f})':>18}" for c in columns)
            first = first or min(columns[-1])
            kept[name][form] = {k: round(min(c), 2) for k, c in zip(("forward", "backward", "both"), columns)}
            print(f"{form:15}{cells}{first / min(columns[-1]):>7.1f}x")
    if arguments.out:
        write_json(arguments.out, {"threads": arguments.threads, "cases": kept})


if __name__ == "__main__":
    main()
