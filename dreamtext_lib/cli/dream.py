"""`dreamtext dream`: text to 3-D, with a bar, a preview that refreshes, checkpoints, and a report at the end."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..distillation.recipe import RECIPES, Recipe
from ..slugs import slug
from .export import mesh_or_none, turned
from .flags import add_fields, given
from .learned import describe_first, teach, words_of
from .models import (
    add_engine,
    add_model,
    add_threads,
    check_engine,
    engine_of,
    note_strange_words,
    on_threads,
    prior_of,
)
from .names import RUNS, free, new_folder, seed
from .photo import add_photo, photo_of
from .watch import add_watch, check_watch, watch_of

if TYPE_CHECKING:
    from ..distillation.dream import Dream, Record
    from ..distillation.photo import Photo
    from .watch import Watch

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
    parser.add_argument(
        "--words", type=Path, metavar="RUN", help="words that dreamtext describe learned, and their prompt"
    )
    parser.add_argument("--image", type=Path, help="describe this image first, then dream with its words")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="with --image: light where the thing is, of its size")
    parser.add_argument("--recipe", choices=tuple(named), help=f"settings to begin with (default {next(iter(named))})")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    parser.add_argument("--out", type=Path, help="run folder to write (default: runs/PROMPT-SEED)")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of all randomness (default 0)")
    add_model(parser)
    add_engine(parser)
    add_threads(parser)
    add_watch(parser)
    add_photo(parser)
    add_fields(parser, named, FORMER)


def plan(a: Namespace) -> tuple[str, int, Recipe, str | None, str, Path, str | None]:
    """Prompt, seed, recipe, model, engine, folder and file of learned words, from the flags or the run to resume."""
    from ..distillation.prompts import check_prompt
    from ..runs import read_record

    if a.resume:
        names = "prompt recipe out seed model words image mask watch_fronts photo photo_mask photo_azimuth".split()
        names += ["photo_elevation", "threads"]
        others = [name for name in names if getattr(a, name) is not None]
        if others := others + list(given(a, next(iter(recipes().values())))):
            name = others[0].replace("_", "-")
            flag = "the prompt" if name == "prompt" else f"--{name}"
            raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
        read_record(a.resume, "dream")  # refused, if so, before the seconds that the next line takes
        from ..distillation.dream import read_run

        *run, engine = read_run(a.resume)
        return *run, a.engine or engine, a.resume, read_record(a.resume)["words"]
    sentence, model, words = words_of(a.words) if a.words else (None, None, None)
    prompt, number = check_prompt(a.prompt or sentence or ""), a.seed or 0
    usual = RUNS / f"{slug(prompt)}-{number}"
    folder = new_folder(a.out or (free(usual) if a.image else usual))  # no one foresees a prompt that is found
    return prompt, number, recipe_of(a), a.model or model, a.engine or "auto", folder, words


def recipe_of(a: Namespace) -> Recipe:
    """The recipe that the flags ask for."""
    from ..profile import profile

    named = profile().recipes
    usual = next(iter(named))
    return named[a.recipe or usual].with_fields(**given(a, named[usual]))


def begun(a: Namespace) -> "Photo | None":
    """The photograph of a new dream. Raises ValueError for flags that are wrong whatever its prompt will be."""
    from ..distillation.prompts import check_characters

    recipe = recipe_of(a)
    check_characters(recipe.score.negative, "the negative prompt")
    if a.out:
        new_folder(a.out)
    check_watch(a.watch_fronts, PREVIEW_EVERY, recipe.steps)
    check_engine(a.engine)
    photo = photo_of(a, recipe)
    if a.image:
        from ..capture.single import read_single

        read_single(a.image, a.mask)  # what is wrong with it is said before the model is loaded, which takes seconds
    if a.image and recipe.space == "latents":  # last, as it loads the model
        from ..distillation.ending import check_size

        check_size(recipe.views.size, prior_of(a.model)[0])
    return photo


def run(a: Namespace) -> int:
    """Text to 3-D with a bar, a preview that refreshes, checkpoints, and a report at the end."""
    if a.mask and not a.image:
        raise ValueError("--mask is given, but no image; name one with --image, or use --photo-mask for a photograph")
    with on_threads(a):
        photo = None if a.resume else begun(a)  # before an image is described, which takes minutes
        if a.image and not a.resume and (status := describe_first(a)):
            return status
        return dream(a, photo)


def dream(a: Namespace, photo: "Photo | None") -> int:
    """The dream itself, a new one with its photograph; its status."""
    prompt, number, recipe, model, engine, folder, words = plan(a)

    from ..distillation.dream import Dream, read_run
    from ..distillation.photo import Photo
    from ..drive import Anew, drive, stopped
    from ..radiance.cameras import turntable
    from ..viewing.pictures import contact_sheet, write_picture

    watch, photo = watch_over(a, prompt), Photo.there(folder) if a.resume else photo
    prior, name = prior_of(model)
    if words:
        teach(prior, words, prompt, recipe.score.negative)
    engine = engine_of(prior, engine)
    if a.resume and engine != (began := read_run(folder)[-1]):
        print(f"note: begun with {began}, goes on with {engine}: the bits are those of neither alone", file=sys.stderr)
    run = watch.on(Dream(prompt, prior, recipe, number, name, words=words, photo=photo))
    if not a.image or a.resume:  # the description of an image has told of them
        note_strange_words(prompt, name)
    if a.resume:
        run.load(folder)
    views = turntable(4)
    guidance = recipe.score.guidance
    print(f"dreaming '{prompt}' with {name} ({engine}), guidance s = {guidance:g}; preview: {folder / 'preview.png'}")

    def preview() -> None:
        write_picture(contact_sheet(run.pictures(views), columns=4, scale=2), folder / "preview.png")

    def spoilt() -> bool:
        return watch.look(run)

    def bar(record: "Record") -> dict:
        return {"loss": f"{record.loss:.3f}", "opacity": f"{record.opacity:.2f}", "view": record.view}

    while True:
        try:
            ended = drive(run, folder, every=PREVIEW_EVERY, line=summary, bar=bar, preview=preview, spoilt=spoilt)
            break
        except Anew:
            run = watch.anew(run, folder)
    if not ended:
        return stopped(run, "dream", folder)
    finish(run, folder)
    if watch.restarts:
        print(watch.told(run.seed))
    return 0


def watch_over(a: Namespace, prompt: str) -> "Watch":
    """The watch that the flag asks for, or the record of the run to resume."""
    from ..runs import read_record

    record = read_record(a.resume) if a.resume else {}
    most, restarts = a.watch_fronts or record.get("watch_fronts", 0), record.get("restarts", 0)
    if type(most) is not int or type(restarts) is not int:
        raise ValueError(f"the record in '{a.resume}' has watch_fronts {most!r} and restarts {restarts!r}, no numbers")
    return watch_of(prompt, most, restarts)


def finish(run: "Dream", folder: Path) -> None:
    """Turntable and mesh of a finished dream; one in latents gets its colours first, which are kept beside them."""
    from tqdm import tqdm

    from ..viewing.report import write_report

    if run.recipe.space == "latents":
        with tqdm(total=run.recipe.latents.ending_steps, desc="colours", unit="step", dynamic_ncols=True) as bar:
            volume = run.finish(folder, lambda step: bar.update())
    else:
        volume = run.finish(folder)
    for path in write_report(folder, turned(volume), mesh_or_none(volume)):
        print(path)


def summary(records: "Sequence[Record]") -> dict:
    """One line of the log: means since the last one, and the share of time that each part took."""
    count, parts = len(records), [sum(r.seconds[i] for r in records) for i in range(4)]
    return {
        "step": records[-1].step,
        "loss": round(sum(r.loss for r in records) / count, 5),
        "nonfinite": sum(r.nonfinite for r in records),
        "opacity": round(sum(r.opacity for r in records) / count, 4),
        "steps a second": round(count / sum(parts), 3),
        "shares": dict(zip(("renderer", "autoencoder", "unet", "backward"), (round(p / sum(parts), 3) for p in parts))),
    }
