"""`dreamtext fit`: a radiance field from pictures with cameras, and how well it shows those held out."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .export import mesh_or_none, turned
from .flags import add_fields, given
from .names import RUNS, new_folder, recorded, seed

if TYPE_CHECKING:
    from ..capture.captures import Capture
    from ..fitting.fit import Fit, Record
    from ..fitting.recipe import FitRecipe

PREVIEW_EVERY = 200  # steps between previews and checkpoints
FORMER = {  # names that fields had before recipes were nested
    "few": "samples_early",
    "early": "early_until",
    "extra": "samples_more",
    "occupancy": "voxels",
    "every": "renew_every",
}


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    from ..fitting.recipe import FitRecipe

    parser.usage = "%(prog)s CAPTURE [flags]"
    parser.add_argument("capture", nargs="?", type=Path, help="folder with transforms.json, or a JSON file")
    parser.add_argument("--out", type=Path, help="run folder to write (default: in runs/, named after the capture)")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of all randomness (default 0)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    add_fields(parser, {"fit": FitRecipe()}, FORMER)


def name_of(capture: Path) -> str:
    """What a run is called after its capture: the folder's name, and the file's where that says more."""
    if not capture.is_file():
        return capture.name or "capture"
    home = capture.parent.name or "capture"
    return home if capture.stem == "transforms" else f"{home}-{capture.stem}"


def plan(a: Namespace) -> tuple[Path, int, "FitRecipe", Path]:
    """Capture, seed, recipe and folder of a fit, from the flags or from the run to resume."""
    from ..fitting.fit import FitRecipe, read_fit

    changed = given(a, FitRecipe())
    if a.resume:
        others = [name for name in ("capture", "out", "seed") if getattr(a, name) is not None] + list(changed)
        if others:
            flag = "the capture" if others[0] == "capture" else f"--{others[0].replace('_', '-')}"
            raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
        about, recipe = read_fit(a.resume)
        return Path(about["capture"]), about["seed"], recipe, a.resume
    if a.capture is None:
        raise ValueError("name a capture: a folder that holds transforms.json, or a JSON file")
    number, path = a.seed or 0, Path(recorded(a.capture))
    return path, number, FitRecipe().with_fields(**changed), new_folder(a.out or RUNS / f"{name_of(path)}-{number}")


def run(a: Namespace) -> int:
    """A field from pictures with a bar, a preview that refreshes, checkpoints, and a report at the end."""
    path, number, recipe, folder = plan(a)

    import torch

    from ..capture.transforms import read_capture
    from ..capture.wall import note_on_wall
    from ..drive import drive, stopped
    from ..fitting.fit import Fit
    from ..profile import profile
    from ..viewing.pictures import contact_sheet, write_picture

    how = recipe.pictures
    capture, held_out = read_capture(path, how.size, cut_out=how.cut_out, up=how.up)
    height, width = capture.size
    if min(height, width) < 11:  # SSIM's window, at the end
        raise ValueError(
            f"the pictures are {width} x {height} pixels to learn from; give larger ones, or a larger --size"
        )
    print(f"{len(capture)} pictures of {width} x {height} pixels to learn from, {len(held_out)} held out")
    for note in (*capture.notes, *note_on_wall(capture.rgba.numpy(), how.background)):
        print(f"note: {note}", file=sys.stderr)
    run = Fit(capture, recipe, number, device=profile().device, source=str(path))
    if a.resume:
        run.load(folder)
    few = held_out.take(range(min(len(held_out), 4)))
    print(f"preview, truth above and the field below: {folder / 'preview.png'}")

    def preview() -> None:
        both = torch.cat([few.pictures(how.background), run.views(few)])
        write_picture(contact_sheet(both, columns=len(few), scale=max(200 // width, 1)), folder / "preview.png")

    def bar(record: "Record") -> dict:
        return {"psnr": f"{record.psnr:.1f}", "samples": f"{record.samples:.1f}"}

    if not drive(run, folder, every=PREVIEW_EVERY, line=summary, bar=bar, preview=preview):
        return stopped(run, "fit", folder)
    finish(run, held_out, folder)
    return 0


def summary(records: "Sequence[Record]") -> dict:
    """One line of the log: the last record, and how many entries of gradients were not finite since the last line."""
    last = {k: round(v, 5) if isinstance(v, float) else v for k, v in records[-1]._asdict().items()}
    return last | {"nonfinite": sum(r.nonfinite for r in records)}


def finish(run: "Fit", held_out: "Capture", folder: Path) -> None:
    """Turntable, mesh and metrics.json of a finished fit; the metrics are the last line that is printed."""
    import numpy as np

    from ..evaluation.images import psnr, ssim
    from ..files import write_json
    from ..viewing.report import write_report

    for path in write_report(folder, turned(run.volume), mesh_or_none(run.volume)):
        print(path)
    scores = {}
    views, true = run.views(held_out), held_out.pictures(run.recipe.pictures.background)
    for name, image, truth, counts in zip(held_out.names, views, true, held_out.counts):
        scores[name] = {"psnr": round(psnr(image, truth, counts), 3), "ssim": round(ssim(image, truth, counts), 4)}
    mean = {k: float(np.mean([s[k] for s in scores.values()])) for k in ("psnr", "ssim")}
    rounded = {k: round(v, 4) for k, v in mean.items()}
    write_json(folder / "metrics.json", rounded | {"steps": run.step, "views": scores})
    print(f"held out: PSNR {mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f} (mean of {len(scores)} views)")
