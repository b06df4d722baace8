"""`dreamtext dream`: text to 3-D, with a bar, a preview that refreshes, checkpoints, and a report at the end."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..distillation.recipe import RECIPES, Recipe
from .flags import add_fields, given
from .models import add_model, note_strange_words, prior_of
from .names import RUNS, new_folder, seed, slug

if TYPE_CHECKING:
    from ..distillation.dream import Record

PREVIEW_EVERY = 50  # steps between previews and checkpoints
FORMER = {  # names that fields had before recipes were nested
    "late": "late_from",
    "front_bias": "front_share",
    "overhead": "overhead_share",
    "albedo": "albedo_share",
    "textureless": "textureless_share",
    "occupancy": "voxels",
    "opacity": "opacity_weight",
    "entropy": "entropy_weight",
    "manifold": "manifold_weight",
}


def recipes() -> Mapping[str, Recipe]:
    """The named recipes of the profile that the environment asks for, the usual one first."""
    return RECIPES.get(os.environ.get("DREAMTEXT_PROFILE", "toy"), RECIPES["toy"])


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.usage = "%(prog)s PROMPT [flags]"
    parser.add_argument("prompt", nargs="?", help="what to dream, for example 'a red castle'")
    named = recipes()
    parser.add_argument("--recipe", choices=tuple(named), help=f"settings to begin with (default {next(iter(named))})")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    parser.add_argument("--out", type=Path, help="run folder to write (default: runs/PROMPT-SEED)")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of all randomness (default 0)")
    add_model(parser)
    add_fields(parser, named, FORMER)


def plan(a: Namespace) -> tuple[str, int, Recipe, str | None, Path]:
    """Prompt, seed, recipe, model and folder of a dream, from the flags or from the run to resume."""
    from ..distillation.dream import read_run
    from ..distillation.prompts import check_prompt
    from ..profile import profile

    named = profile().recipes
    usual = next(iter(named))
    changed = given(a, named[usual])
    if a.resume:
        others = [name for name in ("prompt", "recipe", "out", "seed", "model") if getattr(a, name) is not None]
        if others or changed:
            name = (others or list(changed))[0].replace("_", "-")
            flag = "the prompt" if name == "prompt" else f"--{name}"
            raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
        prompt, number, recipe, model = read_run(a.resume)
        return prompt, number, recipe, model, a.resume
    prompt, number = check_prompt(a.prompt or ""), a.seed or 0
    recipe = named[a.recipe or usual].with_fields(**changed)
    return prompt, number, recipe, a.model, new_folder(a.out or RUNS / f"{slug(prompt)}-{number}")


def run(a: Namespace) -> int:
    """Text to 3-D with a bar, a preview that refreshes, checkpoints, and a report at the end."""
    prompt, number, recipe, model, folder = plan(a)

    from tqdm import tqdm

    from ..distillation.dream import Dream
    from ..radiance.cameras import turntable
    from ..radiance.mesh import extract
    from ..runs import Log
    from ..viewing.pictures import contact_sheet, write_picture
    from ..viewing.report import write_report

    prior, name = prior_of(model)
    run = Dream(prompt, prior, recipe, number, name)
    note_strange_words(prompt, name)
    if a.resume:
        run.load(folder)
    else:
        run.save(folder)
    log, views, records = Log(folder / "log.jsonl", keep=run.step), turntable(4), []
    print(f"dreaming '{prompt}' with {name}, guidance s = {recipe.score.guidance:g}; preview: {folder / 'preview.png'}")
    bar = tqdm(run.run(), initial=run.step, total=recipe.steps, unit="step", dynamic_ncols=True)
    try:
        for record in bar:
            records.append(record)
            bar.set_postfix(loss=f"{record.loss:.3f}", opacity=f"{record.opacity:.2f}", view=record.view)
            if record.step % PREVIEW_EVERY == 0 or record.step == recipe.steps:
                log(summary(records))
                run.save(folder)
                sides = run.volume.pictures(views)
                write_picture(contact_sheet(sides, columns=4, scale=2), folder / "preview.png")
                records = []
    except KeyboardInterrupt:
        run.save(folder)
        print(f"\nstopped at step {run.step}; go on with: dreamtext dream --resume '{folder}'", file=sys.stderr)
        return 130
    finally:
        bar.close()
    try:
        mesh = extract(run.volume.field, radius=run.volume.radius)
    except ValueError as error:
        print(f"dreamtext: no mesh: {error}", file=sys.stderr)
        mesh = None
    around = turntable(60)
    for path in write_report(folder, run.volume.pictures(around, 128), mesh):
        print(path)
    return 0


def summary(records: "Sequence[Record]") -> dict:
    """One line of the log: means since the last one, and the share of time that each part took."""
    count, parts = len(records), [sum(r.seconds[i] for r in records) for i in range(4)]
    return {
        "step": records[-1].step,
        "loss": round(sum(r.loss for r in records) / count, 5),
        "opacity": round(sum(r.opacity for r in records) / count, 4),
        "steps a second": round(count / sum(parts), 3),
        "shares": dict(zip(("renderer", "autoencoder", "unet", "backward"), (round(p / sum(parts), 3) for p in parts))),
    }
