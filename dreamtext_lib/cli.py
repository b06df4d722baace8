"""The command line: `dreamtext sample` and `dreamtext dream`; `cli_capture` has the commands for captures and runs."""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from errno import ENOSPC
from functools import reduce
from pathlib import Path
from typing import NoReturn

from . import cli_capture
from .distillation.recipe import Recipe
from .settings import paths

PREVIEW_EVERY = 50  # steps between previews and checkpoints
RECIPE_FIELDS = {path[-1]: type(reduce(getattr, path, Recipe())) for path in paths(Recipe())}


class Parser(ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and leave with status 2."""
        self.exit(2, f"dreamtext: {message}; see '{self.prog} --help'\n")


def parser() -> Parser:
    """All commands with their flags; the same flag has the same name in every command."""
    top = Parser(prog="dreamtext", description="Text to pictures, text to 3-D, pictures to 3-D.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sample = commands.add_parser("sample", help="draw pictures for a prompt")
    sample.add_argument("prompt", help="what to draw, for example 'a red castle, front view'")
    sample.add_argument("--count", type=int, default=8, help="pictures (default 8)")
    sample.add_argument("--guidance", type=float, default=4.0, help="s of eps(y) + s (eps(y) - eps(none)) (default 4)")
    sample.add_argument("--steps", type=int, default=25, help="DDIM steps (default 25)")

    dream = commands.add_parser("dream", help="turn a prompt into a 3-D object")
    dream.add_argument("prompt", nargs="?", help="what to dream, for example 'a red castle'")
    dream.add_argument("--recipe", choices=("stable-dreamfusion", "fitfusion"), help="settings (default fitfusion)")
    dream.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder, as it was")
    group = dream.add_argument_group("fields of the recipe")
    for name, kind in RECIPE_FIELDS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="VALUE")

    for command, out in ((sample, "PNG file"), (dream, "run folder")):
        command.add_argument("--out", type=Path, help=f"{out} to write (default: in runs/, named after the prompt)")
        command.add_argument("--seed", type=int, help="seed of all randomness (default 0)")
        command.add_argument("--model", help="tiny, tiny-front, a folder, or a name on the model hub (default tiny)")
    cli_capture.add_commands(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake or a full disk ends in one sentence and a status that is not 0."""
    arguments = parser().parse_args(argv)
    try:
        of_captures = {name: getattr(cli_capture, name) for name in ("fit", "view", "export", "reconstruct")}
        return ({"sample": sample, "dream": dream} | of_captures)[arguments.command](arguments)
    except ValueError as error:
        print(f"dreamtext: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno == ENOSPC:
            text = "the disk is full; free some space, then go on with --resume"
        else:
            text = f"{error.strerror or error}: '{error.filename}'" if error.filename else str(error)
        print(f"dreamtext: {text}", file=sys.stderr)
    return 1


def slug(prompt: str) -> str:
    """A folder's name made of a prompt."""
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60] or "run"


def prior_of(model: str | None) -> tuple["LatentPrior", str]:  # noqa: F821
    """The prior and its name, on the device of the profile."""
    from .distillation.prior import load_prior
    from .profile import profile
    from .zoo import resolve

    chosen = profile()
    name = model or chosen.model
    return load_prior(resolve(name), chosen.device, chosen.dtype), name


def note_strange_words(prompt: str, model: str) -> None:
    """Say which words of the prompt a tiny model has never seen."""
    from .toybox.objects import CLASS_NAMES, vocabulary
    from .zoo import PIPELINES

    strange = [w for w in re.findall(r"\w+", prompt.lower()) if w not in vocabulary()]
    if model in PIPELINES and strange:
        strange, known = ", ".join(map(repr, strange)), ", ".join(CLASS_NAMES)
        print(f"note: the {model} model has never seen {strange}; it knows {known}", file=sys.stderr)


def sample(a: Namespace) -> int:
    """Draw pictures with the model's pipeline and write one contact sheet."""
    import torch

    from .distillation.prompts import check_prompt
    from .viewing.pictures import contact_sheet, write_picture

    prompt = check_prompt(a.prompt)
    for name in ("count", "steps"):
        if getattr(a, name) < 1:
            raise ValueError(f"--{name} is {getattr(a, name)}; it must be at least 1")
    seed = a.seed or 0
    out = a.out or Path("runs") / f"{slug(prompt)}-{seed}.png"
    prior, name = prior_of(a.model)
    prior.encode_text([prompt])  # a prompt that is too long fails here, before any work
    note_strange_words(prompt, name)
    pipe = prior.pipeline
    generator = torch.Generator(prior.device).manual_seed(seed)
    pictures = pipe(
        [prompt] * a.count,
        guidance_scale=a.guidance + 1,  # diffusers' g
        num_inference_steps=a.steps,
        generator=generator,
        output_type="np",
    ).images
    write_picture(contact_sheet(pictures, columns=min(a.count, 8), scale=max(128 // pictures.shape[1], 1)), out)
    print(f"{a.count} pictures, guidance s = {a.guidance:g} (diffusers' g = {a.guidance + 1:g}): {out}")
    return 0


def plan(a: Namespace) -> tuple[str, int, Recipe, str | None, Path]:
    """Prompt, seed, recipe, model and folder of a dream, from the flags or from the run to resume."""
    from .distillation.dream import read_run
    from .distillation.prompts import check_prompt
    from .profile import profile

    changed = {name: getattr(a, name) for name in RECIPE_FIELDS if getattr(a, name) is not None}
    if a.resume:
        given = [name for name in ("prompt", "recipe", "out", "seed", "model") if getattr(a, name) is not None]
        if given or changed:
            name = (given or list(changed))[0].replace("_", "-")
            flag = "the prompt" if name == "prompt" else f"--{name}"
            raise ValueError(f"--resume goes on with a run as it was; drop {flag}")
        prompt, seed, recipe, model = read_run(a.resume)
        return prompt, seed, recipe, model, a.resume
    prompt, seed = check_prompt(a.prompt or ""), a.seed or 0
    recipe = profile().recipes[a.recipe or "fitfusion"].with_fields(**changed)
    out = a.out or Path("runs") / f"{slug(prompt)}-{seed}"
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out '{out}' is a file; name a folder")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"the folder '{out}' is not empty; choose another --out, or go on with --resume '{out}'")
    return prompt, seed, recipe, a.model, out


def dream(a: Namespace) -> int:
    """Text to 3-D with a bar, a preview that refreshes, checkpoints, and a report at the end."""
    prompt, seed, recipe, model, folder = plan(a)

    from tqdm import tqdm

    from .distillation.dream import Dream
    from .radiance.cameras import turntable
    from .radiance.mesh import extract
    from .runs import Log
    from .viewing.pictures import contact_sheet, write_picture
    from .viewing.report import write_report

    prior, name = prior_of(model)
    run = Dream(prompt, prior, recipe, seed, name)
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
                sides = run.volume.pictures(views.pose, views.fov)
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
    for path in write_report(folder, run.volume.pictures(around.pose, around.fov, 128), mesh):
        print(path)
    return 0


def summary(records: Sequence["Record"]) -> dict:  # noqa: F821
    """One line of the log: means since the last one, and the share of time that each part took."""
    count, parts = len(records), [sum(r.seconds[i] for r in records) for i in range(4)]
    return {
        "step": records[-1].step,
        "loss": round(sum(r.loss for r in records) / count, 5),
        "opacity": round(sum(r.opacity for r in records) / count, 4),
        "steps a second": round(count / sum(parts), 3),
        "shares": dict(zip(("renderer", "autoencoder", "unet", "backward"), (round(p / sum(parts), 3) for p in parts))),
    }


if __name__ == "__main__":
    sys.exit(main())
