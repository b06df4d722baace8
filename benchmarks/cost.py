"""What a step of a fit costs, against rays, samples a ray and the size of a picture, and where its time goes.

Run it with `python -m benchmarks.cost`. A hash field is trained for a while first, so that its occupancy grid skips
what it would skip; a NeRF skips nothing, so it is taken as it starts. Each figure is the median of repetitions, in
milliseconds. `--out` keeps them as JSON.

The share is that of the profiler's own time in kernels: matrix products; gathers and scatters (reading rows of a table
or of a list of samples, and adding to them); all else is elementwise work, copies, sums and the optimiser. The compiled
loops of the hash encoding, which the profiler would not see, are left out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.fit import RECIPES, TOY
from dreamtext_lib.capture.captures import Capture
from dreamtext_lib.capture.transforms import read_capture
from dreamtext_lib.files import write_json
from dreamtext_lib.fitting.fit import Fit
from dreamtext_lib.radiance import encoding
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.toybox.capture import write_capture

WARM = {"hash": 400, "vanilla": 0}  # steps before anything is measured
SWEEPS = {
    "hash": {"rays": [256, 512, 1024, 2048, 4096, 8192], "samples": [16, 32, 64, 128, 256]},
    "vanilla": {"rays": [32, 64, 128, 256, 512], "samples": [16, 32, 64, 128]},
}
BASE = {"hash": {"rays": 2048, "samples": 128}, "vanilla": {"rays": 128, "samples": 64}}
PICTURES = {"hash": [25, 50, 100, 200, 400], "vanilla": [25, 50, 100]}
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "mkldnn_convolution", "linear")
GATHERS = ("index", "index_select", "gather", "take", "embedding", "embedding_dense_backward", "_embedding_bag")
SCATTERS = ("index_add", "index_add_", "index_put_", "_index_put_impl_", "scatter", "scatter_", "scatter_add_")


def timed(work: Callable[[], object], repeat: int) -> float:
    """Median milliseconds of a call, after one that is not counted."""
    work()
    spent = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        spent.append(1e3 * (time.perf_counter() - began))
    return round(median(spent), 2)


def group(name: str) -> str:
    """The group of a kernel of torch."""
    kernel = name.removeprefix("aten::")
    if kernel in PRODUCTS:
        return "products"
    return "gathers" if kernel in GATHERS + SCATTERS else "else"


def shares(run: Fit, steps: int) -> dict[str, float]:
    """Shares of the time of `steps` steps: products, gathers, else; of the last the largest kernels by name."""
    with profile(activities=[ProfilerActivity.CPU]) as record:
        for _, _ in zip(range(steps), run.run()):
            pass
    spent = {e.key: e.self_cpu_time_total for e in record.key_averages()}
    whole = sum(spent.values())
    table = {name: 0.0 for name in ("products", "gathers", "else")}
    for name, value in spent.items():
        table[group(name)] += value / whole
    rest = sorted((n for n in spent if group(n) == "else"), key=spent.get, reverse=True)[:6]
    table = {name: round(value, 3) for name, value in table.items()}
    return table | {"largest": {n.removeprefix("aten::"): round(spent[n] / whole, 3) for n in rest}}


def measure(train: Capture, kind: str, repeat: int) -> dict:
    """All figures of one kind of field."""
    base = BASE[kind]
    recipe = replace(RECIPES[kind], batch=base["rays"], samples=base["samples"])
    run = Fit(train, recipe, 0)
    for _, _ in zip(range(WARM[kind]), run.run()):
        pass
    found = {"parameters": sum(p.numel() for p in run.volume.field.parameters()), "base": base}
    for name, values in SWEEPS[kind].items():
        found[name] = []
        for value in values:
            run.recipe = replace(recipe, **{"batch" if name == "rays" else name: value})
            walk = run.run()
            found[name].append([value, timed(lambda walk=walk: next(walk), repeat)])
            print(f"  {kind:8s} a step with {value:5d} {name:8s} {found[name][-1][1]:9.1f} ms", flush=True)
    run.recipe = recipe
    camera = turntable(1, elevation=20.0).within(torch.zeros(3), train.radius)  # a fit counts in radii of the ball
    found["pictures"] = []
    for size in PICTURES[kind]:
        cost = timed(lambda size=size: run.volume.pictures(camera, size), max(repeat // 2, 1))
        found["pictures"].append([size, cost])
        print(f"  {kind:8s} a picture of {size:4d} px         {cost:9.1f} ms", flush=True)
    found["shares"] = shares(run, repeat)
    print(f"  {kind:8s} share of the time: {found['shares']}", flush=True)
    return found


def main() -> None:
    """Print and keep the figures of the hash field and of the NeRF."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="hash,vanilla")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    encoding.compiled = lambda: None
    with tempfile.TemporaryDirectory() as scratch:
        write_capture(Path(scratch), TOY, size=100)
        train, _ = read_capture(Path(scratch), 100)
    fields = {kind: measure(train, kind, a.repeat) for kind in a.kinds.split(",")}
    if a.out:
        write_json(a.out, {"threads": a.threads, "fields": fields})


if __name__ == "__main__":
    main()
