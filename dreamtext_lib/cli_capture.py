"""The commands for captures and for finished runs: `dreamtext reconstruct`, `fit`, `view` and `export`."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from .fitting.fit import Fit, FitRecipe, read_fit

if TYPE_CHECKING:
    import trimesh

    from .loaded import Loaded

PREVIEW_EVERY = 200  # steps between previews and checkpoints
FIELDS = {f.name: f for f in fields(FitRecipe)}


def add_commands(commands: "ArgumentParser") -> None:
    """The flags of these commands."""
    fit = commands.add_parser("fit", help="fit a radiance field to pictures with cameras (transforms.json)")
    fit.add_argument("capture", nargs="?", type=Path, help="folder with transforms.json, or a JSON file")
    fit.add_argument("--out", type=Path, help="run folder to write (default: in runs/, named after the capture)")
    fit.add_argument("--seed", type=int, help="seed of all randomness (default 0)")
    fit.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    group = fit.add_argument_group("fields of the recipe")
    for name, field in FIELDS.items():
        if isinstance(field.default, bool):
            group.add_argument(f"--{name.replace('_', '-')}", action="store_const", const=True)
        else:
            group.add_argument(f"--{name.replace('_', '-')}", type=type(field.default), metavar="VALUE")

    view = commands.add_parser("view", help="look at a run from all sides, in a browser on this machine")
    view.add_argument("run", type=Path, help="the folder of a fit or a dream")
    view.add_argument("--page", type=Path, metavar="FILE", help="write one HTML file instead of opening a server")
    view.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1 (default 8080, or the next free one)")

    export = commands.add_parser("export", help="write the mesh of a run")
    export.add_argument("run", type=Path, help="the folder of a fit or a dream")
    export.add_argument("--out", type=Path, required=True, help="file to write: .glb, .obj or .ply")
    export.add_argument("--resolution", type=int, default=96, help="samples a side (default 96)")

    reconstruct = commands.add_parser("reconstruct", help="find the cameras of a video or of photographs (COLMAP)")
    reconstruct.add_argument("pictures", type=Path, help="a video, or a folder of photographs")
    reconstruct.add_argument("--out", type=Path, required=True, help="capture folder to write, for dreamtext fit")
    reconstruct.add_argument("--count", type=int, default=80, help="frames to take from a video (default 80)")
    reconstruct.add_argument("--cut-out", action="store_true", help="make the plain wall behind the object transparent")


def plan(a: Namespace) -> tuple[Path, int, FitRecipe, Path]:
    """Capture, seed, recipe and folder of a fit, from the flags or from the run to resume."""
    changed = {name: getattr(a, name) for name in FIELDS if getattr(a, name) is not None}
    if a.resume:
        given = [name for name in ("capture", "out", "seed") if getattr(a, name) is not None] + list(changed)
        if given:
            flag = "the capture" if given[0] == "capture" else f"--{given[0].replace('_', '-')}"
            raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
        about, recipe = read_fit(a.resume)
        return Path(about["capture"]), about["seed"], recipe, a.resume
    if a.capture is None:
        raise ValueError("name a capture: a folder that holds transforms.json, or a JSON file")
    seed, path = a.seed or 0, a.capture.resolve()
    out = a.out or Path("runs") / f"{path.stem if path.is_file() else path.name}-{seed}"
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out '{out}' is a file; name a folder")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"the folder '{out}' is not empty; choose another --out, or go on with --resume '{out}'")
    return path, seed, FitRecipe(**changed), out


def fit(a: Namespace) -> int:
    """A field from pictures with a bar, a preview that refreshes, checkpoints, and a report at the end."""
    path, seed, recipe, folder = plan(a)

    import torch
    from tqdm import tqdm

    from .capture.transforms import read_capture
    from .profile import profile
    from .runs import Log
    from .viewing.pictures import contact_sheet, write_picture

    capture, held_out = read_capture(path, recipe.size, cut_out=recipe.cut_out, up=recipe.up)
    height, width = capture.size
    print(f"{len(capture)} pictures of {width} x {height} pixels to learn from, {len(held_out)} held out")
    for note in (*capture.notes, *note_on_wall(capture, recipe.background)):
        print(f"note: {note}", file=sys.stderr)
    run = Fit(capture, recipe, seed, device=profile().device)
    if a.resume:
        run.load(folder)
    else:
        run.save(folder, path)
    log, few = Log(folder / "log.jsonl", keep=run.step), held_out.take(range(min(len(held_out), 4)))
    bar = tqdm(run.run(), initial=run.step, total=recipe.steps, unit="step", dynamic_ncols=True)
    print(f"preview, truth above and the field below: {folder / 'preview.png'}")
    try:
        for record in bar:
            bar.set_postfix(psnr=f"{record.psnr:.1f}", samples=f"{record.samples:.1f}")
            if record.step % PREVIEW_EVERY == 0 or record.step == recipe.steps:
                log({k: round(v, 5) for k, v in record._asdict().items()})
                run.save(folder, path)
                both = torch.cat([few.pictures(recipe.background), run.views(few)])
                write_picture(contact_sheet(both, columns=len(few), scale=max(200 // width, 1)), folder / "preview.png")
    except KeyboardInterrupt:
        run.save(folder, path)
        print(f"\nstopped at step {run.step}; go on with: dreamtext fit --resume '{folder}'", file=sys.stderr)
        return 130
    finally:
        bar.close()
    finish(run, held_out, folder)
    return 0


def finish(run: Fit, held_out: "Capture", folder: Path) -> None:  # noqa: F821
    """Turntable, mesh and metrics.json of a finished fit; the metrics are the last line that is printed."""
    import numpy as np

    from .evaluation.images import psnr, ssim
    from .loaded import of_fit
    from .runs import write_json
    from .viewing.report import write_report

    loaded = of_fit(run)
    for path in write_report(folder, loaded.turntable(), mesh_or_none(loaded)):
        print(path)
    scores = {}
    views, true = run.views(held_out), held_out.pictures(run.recipe.background)
    for name, image, truth, counts in zip(held_out.names, views, true, held_out.counts):
        scores[name] = {"psnr": round(psnr(image, truth, counts), 3), "ssim": round(ssim(image, truth, counts), 4)}
    mean = {k: float(np.mean([s[k] for s in scores.values()])) for k in ("psnr", "ssim")}
    rounded = {k: round(v, 4) for k, v in mean.items()}
    write_json(folder / "metrics.json", rounded | {"steps": run.step, "views": scores})
    print(f"held out: PSNR {mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f} (mean of {len(scores)} views)")


def mesh_or_none(loaded: "Loaded", resolution: int = 96) -> "trimesh.Trimesh | None":
    """The mesh of a run, or none, with a word about why."""
    try:
        return loaded.mesh(resolution)
    except ValueError as error:
        print(f"dreamtext: no mesh: {error}", file=sys.stderr)
        return None


def view(a: Namespace) -> int:
    """Serve a run on this machine alone until Ctrl-C, or write one page."""
    from .loaded import load_run

    loaded = load_run(a.run)
    if a.page:
        from .viewing.page import write_page

        frames, elevations = loaded.around()
        write_page(frames, elevations, a.page, loaded.title, loaded.text)
        print(a.page)
        return 0
    from .viewing.server import serve

    server = serve(loaded, mesh_or_none(loaded), a.port)
    print(f"{loaded.title}: http://127.0.0.1:{server.get_port()} (Ctrl-C ends it)", flush=True)
    try:
        server.sleep_forever()
    except KeyboardInterrupt:
        server.stop()
    return 0


def export(a: Namespace) -> int:
    """Write the mesh of a run as GLB, OBJ or PLY."""
    from .loaded import load_run
    from .radiance.mesh import write_mesh

    if a.out.suffix.lower() not in (".glb", ".obj", ".ply"):
        raise ValueError(f"a mesh is written as .glb, .obj or .ply, not as '{a.out.name}'")
    if a.resolution < 8:
        raise ValueError(f"--resolution is {a.resolution}; it must be at least 8")
    mesh = load_run(a.run).mesh(a.resolution)
    write_mesh(mesh, a.out)
    print(f"{len(mesh.vertices)} vertices, {len(mesh.faces)} faces: {a.out}")
    return 0


def note_on_wall(capture: "Capture", background: float) -> list[str]:  # noqa: F821
    """What to say of pictures without a transparent pixel: all that is not the object is part of the world."""
    from .capture.wall import plain_wall

    if capture.has_alpha:
        return []
    if colour := plain_wall(capture.rgba.numpy()):
        return [f"a plain wall of colour {colour} is learned as fog around the object; --cut-out makes it transparent"]
    grey = f"taken for a wall of grey {background:g}"
    return [f"no pixel is transparent, so all that is not the object is {grey}; cut it out, or set --background"]


def reconstruct(a: Namespace) -> int:
    """The cameras of a video or of photographs, as a capture for `fit`."""
    from .capture.photos import make_capture

    structure, taken = make_capture(
        a.pictures, a.out, a.count, clear_wall=a.cut_out, say=lambda text: print(text, flush=True)
    )
    error = structure.errors.median().item()
    print(f"{len(structure.names)} of {taken} pictures placed, {len(structure.points)} points, {error:.2f} pixels off")
    print(f"go on with: dreamtext fit '{a.out}'")
    return 0
