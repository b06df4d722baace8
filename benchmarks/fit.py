"""Fitting a capture: held-out PSNR against seconds, for our hash field, our NeRF and the hierarchical one.

Run it with `python -m benchmarks.fit`; `--capture` takes any transforms.json capture, else one of a textured toy is
rendered (90 + 10 views of 100 pixels). Fits run one after another on the same cores; seconds count the set-up (hull,
occupancy) and the steps, not the reading of pictures nor the scoring. `--out` keeps all as JSON: curves, scores
picture by picture, and the toy's shape against the truth.

`--kinds hash,kornia` adds the NeRF of kornia as a peer, on the same rays; it was taken out of kornia 0.9, so install
`kornia<0.9` for that (not `torchvision`). It paints over black alone.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from dreamtext_lib.capture.captures import Capture
from dreamtext_lib.capture.transforms import read_capture
from dreamtext_lib.evaluation.geometry import chamfer, iou
from dreamtext_lib.evaluation.images import psnr, ssim
from dreamtext_lib.files import write_json
from dreamtext_lib.fitting.fit import Fit, FitRecipe
from dreamtext_lib.radiance.cameras import sphere_interval
from dreamtext_lib.radiance.mesh import extract
from dreamtext_lib.toybox.capture import write_capture
from dreamtext_lib.toybox.objects import ToyObject

TOY = ToyObject("castle", "red", "spotted")
SMALL = {"batch": 64, "rate_nerf": 1e-3, "steps": 20_000}  # of the batches from 32 to 1024 tried, best at 75 s
RECIPES = {
    "hash": FitRecipe(),
    "vanilla": FitRecipe().with_fields(kind="vanilla", samples=64, **SMALL),
    "hierarchical": FitRecipe().with_fields(  # 24 + 40 questions a ray
        kind="hierarchical", samples=24, samples_more=16, **SMALL
    ),
}
MARKS = (24, 28, 32)  # dB
PAUSE = 25.0  # seconds between two looks at a NeRF
LOOKED = 2  # held-out pictures of such a look; one at the hash field is at ten

Curve = Sequence[Mapping[str, float]]  # looks at a fit, each with its seconds and its psnr


def reached(points: Curve, mark: float) -> tuple[float, bool] | None:
    """The seconds at which a curve is at a mark, and whether they are only an upper bound; None if it never is.

    They are read from the straight line between two looks. Where the first look is at the mark or above it, the seconds
    of that look are the bound.
    """
    for before, now in zip([None, *points], points):
        if now["psnr"] >= mark:
            if before is None:
                return now["seconds"], True
            share = (mark - before["psnr"]) / (now["psnr"] - before["psnr"])
            return before["seconds"] + share * (now["seconds"] - before["seconds"]), False
    return None


def ahead(fast: Sequence[Curve], slow: Sequence[Curve], mark: float) -> str:
    """How many times sooner the last of some curves is at a mark than the first of others; fast: all of them are."""
    own = max(reached(points, mark)[0] for points in fast)
    ends = [(found, points[-1]["seconds"]) for points in slow for found in [reached(points, mark)]]
    late, word = min((end, "more than ") if not at else (at[0], "at most " * at[1]) for at, end in ends)
    return f"{word}{late / own:.0f} times sooner"


def curve(
    train: Capture, held_out: Capture, recipe: FitRecipe, seconds: float, seed: int, device: str
) -> tuple[Fit, list[dict]]:
    """A fit of at most `seconds`, and its scores on the way, the hash field's at 2 s and after each tenth more."""
    began = time.perf_counter()
    run, points, due, few = (
        Fit(train, recipe, seed, device=device),
        [],
        2.0,
        held_out.take(range(min(len(held_out), 10))),
    )
    spent, slow = time.perf_counter() - began, recipe.kind != "hash"
    if slow:  # a NeRF's picture takes seconds: two of them, now and then
        due, few = PAUSE, few.take(range(min(len(few), LOOKED)))
    steps = run.run()
    while spent < seconds:
        began = time.perf_counter()
        record = next(steps, None)
        spent += time.perf_counter() - began
        if record is None or spent >= due or spent >= seconds:
            mean = sum(run.errors(few)) / len(few)
            points.append({"seconds": round(spent, 2), "step": run.step, "psnr": round(mean, 3)})
            print(f"  {recipe.kind:13s} {spent:7.1f} s  step {run.step:6d}  {mean:6.2f} dB", flush=True)
            due = spent + PAUSE if slow else max(spent * 1.1, spent + 1)
        if record is None:
            break
    return run, points


def kornia_curve(train: Capture, held_out: Capture, seconds: float, seed: int) -> list[dict]:
    """The same for kornia's NeRF (8 layers of 128, 64 samples), trained on the same rays as ours, over black."""
    from kornia.nerf.nerf_model import NerfModel

    torch.manual_seed(seed)
    model, ours = NerfModel(64), Fit(train, FitRecipe().with_fields(kind="vanilla", width=8, depth=2), seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=SMALL["rate_nerf"])

    def paint(origins: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        near, far, _ = sphere_interval(origins, directions, 1.0)  # kornia samples from the origin to origin + direction
        return model(origins + near[:, None] * directions, (far - near).clamp(min=1e-3)[:, None] * directions)

    points, due, spent, step, few = [], PAUSE, 0.0, 0, held_out.take(range(min(len(held_out), LOOKED)))
    while spent < seconds:
        began = time.perf_counter()
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step + 1)
        place = ours.pool[torch.randint(len(ours.pool), (SMALL["batch"],), generator=generator)]
        loss = (paint(*train.rays(place)) - train.colours(place, 0.0)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        spent, step = spent + time.perf_counter() - began, step + 1
        if spent >= due or spent >= seconds:
            with torch.no_grad():
                views = [
                    torch.cat([paint(*r) for r in zip(*(v.split(2048) for v in few.picture_rays(i)))])
                    for i in range(len(few))
                ]
            mean = sum(psnr(v.view(y.shape), y) for v, y in zip(views, few.pictures(0.0))) / len(few)
            points.append({"seconds": round(spent, 2), "step": step, "psnr": round(mean, 3)})
            print(f"  kornia        {spent:7.1f} s  step {step:6d}  {mean:6.2f} dB", flush=True)
            due = spent + PAUSE
    return points


def shape_scores(run: Fit, thing: ToyObject) -> dict[str, float | None]:
    """Chamfer distance and IoU against the true shape, in units of the world; none if the field is empty."""
    capture = run.capture
    try:
        mesh = extract(run.volume.solid, 128, sight=True)
        overlap = iou(run.volume.solid.density, thing.occupancy, capture.radius, capture.centre, 128)
    except ValueError:
        return {"chamfer": None, "iou": None}
    mesh.vertices = mesh.vertices * capture.radius + capture.centre.numpy()
    return {"chamfer": round(chamfer(mesh, thing.mesh(192)), 5), "iou": round(overlap, 4)}


def main() -> None:
    """Print the curves, the seconds to 24, 28 and 32 dB, and the last scores of each field."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capture", type=Path, help="a transforms.json capture (default: a toy's)")
    parser.add_argument("--kinds", default="hash,vanilla,hierarchical")
    parser.add_argument("--seconds", type=float, default=120, help="budget of each fit")
    parser.add_argument("--slow-seconds", type=float, help="budget of the NeRFs, if another")
    parser.add_argument("--size", type=int, default=100, help="longer side of the pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cuda: on a GPU (kornia's field stays on the CPU)")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as scratch:
        if a.capture is None:
            write_capture(Path(scratch), TOY, size=a.size)
        train, held_out = read_capture(a.capture or Path(scratch), a.size)
    height, width = train.size
    where = f"{a.threads} threads" if a.device == "cpu" else torch.cuda.get_device_name(a.device)
    print(f"{len(train)} + {len(held_out)} pictures of {width} x {height} pixels, {where}")
    rows = []
    for seed in a.seeds:
        for kind in a.kinds.split(","):
            budget = a.seconds if kind == "hash" else a.slow_seconds or a.seconds
            if kind == "kornia":
                rows.append({"kind": kind, "seed": seed, "curve": kornia_curve(train, held_out, budget, seed)})
                continue
            run, points = curve(train, held_out, RECIPES[kind], budget, seed, a.device)
            views = run.views(held_out)
            truth = held_out.pictures(run.recipe.pictures.background)
            each = [{"psnr": round(psnr(x, y), 3), "ssim": round(ssim(x, y), 4)} for x, y in zip(views, truth)]
            mean = {k: round(sum(e[k] for e in each) / len(each), 4) for k in ("psnr", "ssim")}
            shape = {} if a.capture else shape_scores(run, TOY)
            rows.append({"kind": kind, "seed": seed, **mean, **shape, "views": each, "curve": points})
            at = [(m, reached(points, m)) for m in MARKS]
            told = ", ".join(f"{m} dB at {'≤ ' * s[1]}{s[0]:.1f} s" if s else f"{m} dB never" for m, s in at)
            print(f"{kind}, seed {seed}: {told}; last {mean} {shape}", flush=True)
    if a.out:
        write_json(a.out, {"size": [height, width], "where": where, "fits": rows})
    fast, slow = ([r["curve"] for r in rows if r["kind"] == kind] for kind in ("hash", "vanilla"))
    if fast and slow and all(reached(points, MARKS[0]) for points in fast):
        print(f"{MARKS[0]} dB: the hash field is there {ahead(fast, slow, MARKS[0])} than the NeRF")


if __name__ == "__main__":
    main()
