"""Peak memory of one training picture with its gradient, with and without pieces.

Run it with `python -m benchmarks.memory`. Each case runs in a process of its own; the figure is the peak resident size
less that of a process that has only imported the library and built the field. The field and the samples are those of
the full-size recipe (16 levels x 2 x 2^19, 128 samples a ray, an occupancy grid that is full: the worst case).
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from dreamtext_lib.files import write_json

CASE = """
import json, resource, sys, time, torch
from dreamtext_lib.distillation.recipe import FULL_FITFUSION as r
from dreamtext_lib.radiance.cameras import rays, turntable
from dreamtext_lib.radiance import encoding
from dreamtext_lib.radiance.encoding import HashGrid
from dreamtext_lib.radiance.field import HashField
from dreamtext_lib.radiance.rendering import render_rays
size, chunk, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
encoding.compiled = lambda: None  # a compiler is no part of the picture's memory
g = torch.Generator().manual_seed(0)
shape = r.grid.values()
del shape["hidden"]
grid = HashGrid(**shape, bound=r.ball.bound, generator=g)
field = HashField(grid, r.grid.hidden, generator=g)
began = time.perf_counter()
if size:
    camera = turntable(1, radius=1.25, fov=55.0)
    origins, directions = (v[0] for v in rays(camera.sized(size)))
    how = {"samples": r.views.samples, "radius": r.ball.bound, "generator": g, "chunk": chunk}
    out = render_rays(field, None, origins, directions, **how)
    out.rgb.square().sum().backward()
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, time.perf_counter() - began]))
"""

REFUSED = ("can't allocate memory", "Cannot allocate memory", "MemoryError", "bad_alloc")  # what PyTorch and Python say


def measure(size: int, chunk: int, threads: int, limit: float) -> tuple[float, float] | None:
    """GiB at the peak and seconds of one case; none if it does not fit into `limit` GiB of address space.

    Raises RuntimeError, with what it said, if it fails for another reason.
    """

    def capped() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(limit * 2**30), int(limit * 2**30)))

    command = [sys.executable, "-c", CASE, str(size), str(chunk), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=capped, encoding="utf-8")
    if done.returncode == 0:
        return tuple(json.loads(done.stdout.splitlines()[-1]))
    if any(words in done.stderr for words in REFUSED):
        return None
    raise RuntimeError(f"the case of {size} px failed with code {done.returncode}, not for memory:\n{done.stderr}")


def main() -> None:
    """Print GiB against the size of the picture, whole and in pieces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 96, 128, 256])
    parser.add_argument("--chunks", type=int, nargs="+", default=[1 << 40, 1 << 18])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, default=20, help="GiB of address space of a case")
    parser.add_argument("--out", type=Path)
    a, rows = parser.parse_args(), []
    base, _ = measure(0, 1, a.threads, a.limit)
    print(f"library and field alone: {base:.2f} GiB")
    for chunk in a.chunks:
        name = "whole" if chunk >= 1 << 40 else f"pieces of {chunk} samples"
        for size in a.sizes:
            found = measure(size, chunk, a.threads, a.limit)
            text = f"not within {a.limit:g} GiB" if found is None else f"{found[0] - base:6.2f} GiB, {found[1]:6.1f} s"
            gib = None if found is None else round(found[0] - base, 3)
            rows.append({"size": size, "chunk": None if chunk >= 1 << 40 else chunk, "gib": gib})
            print(f"{name:26s} {size:4d} px {size * size * 128 / 1e6:6.2f} M samples: {text}", flush=True)
    if a.out:
        write_json(a.out, {"threads": a.threads, "limit": a.limit, "rows": rows})


if __name__ == "__main__":
    main()
