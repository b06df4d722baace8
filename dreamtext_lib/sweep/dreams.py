"""A dream as a job of a sweep: it goes on from its checkpoint, draws itself from four sides and is scored."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..settings import Settings

if TYPE_CHECKING:
    from ..distillation.dream import Record
    from ..distillation.prior import LatentPrior
    from ..radiance.volume import Volume
    from ..zoo.zeroshot import ZeroShot

EVERY = 50  # steps between checkpoints
PICTURE = "views.webp"  # in a job's folder: four views, for the sheet of the sweep
TURN = "turn.webp"  # in a job's folder: a turn, for pages that compare jobs
AROUND, SIDE, LARGEST = 24, 96, 60_000  # views of a turn, pixels a side of each, bytes of the file
ARRAYS = {"adam": 3, "adan": 5}  # of numbers for each parameter in a checkpoint: itself, and what an optimiser keeps
STABLE_DIFFUSION = 866_000_000  # parameters of its U-Net


@dataclass(frozen=True)
class Scoring(Settings):
    """How the rows of dreams are scored."""

    by: Literal["truth", "none"] = "truth"  # truth: all numbers of `evaluation.evaluate`, where a prompt has a truth


def dream(job: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Dream what a job asks for, or what is left of it, in its folder; its row: steps, seconds and scores.

    The seconds are those of the steps alone, however often the run was stopped. Raises ValueError as `drive` does, and
    KeyboardInterrupt once the run is saved if it was asked to stop.
    """
    from ..distillation.dream import Dream
    from ..distillation.recipe import Recipe
    from ..drive import drive
    from ..radiance.cameras import turntable
    from ..viewing.pictures import contact_sheet, write_picture

    prior, name = prior_of(job["model"])
    run = Dream(job["prompt"], prior, Recipe.from_values(job["settings"]), job["seed"], name)
    if (home / "checkpoint.safetensors").exists():
        run.load(home)
    if not drive(run, home, every=EVERY, line=line, bar=lambda record: {}, quiet=True):
        raise KeyboardInterrupt
    volume = run.finish(home)
    write_picture(contact_sheet(volume.pictures(turntable(4)), columns=4), home / PICTURE)
    write_turn(volume, home / TURN)
    return {"steps": run.step, "seconds": seconds(home), **row_of(run.prompt, volume, Scoring(**job["score"]))}


def write_turn(volume: "Volume", path: Path) -> None:
    """Write a turn around a volume, once in two seconds, as an animated WebP; more coarsely if it would be large."""
    from ..radiance.cameras import turntable
    from ..viewing.film import write_webp

    frames = volume.pictures(turntable(AROUND), SIDE)
    for quality in (75, 50, 25, 5, 0):
        write_webp(frames, path, fps=AROUND / 2, quality=quality)
        if path.stat().st_size <= LARGEST:
            return


def row_of(prompt: str, volume: "Volume", scoring: Scoring) -> dict[str, float | bool | None]:
    """The scores of a finished dream by name; none of a prompt that is not one of the toybox."""
    from ..evaluation.evaluate import evaluate
    from ..toybox.prompts import words_of

    if scoring.by == "none" or words_of(prompt) is None:
        return {}
    scores = asdict(evaluate(volume, prompt, judge()))
    rounded = {name: round(v, 4) if isinstance(v, float) else v for name, v in scores.items()}
    return rounded | {"recognised": scores["class_share"] > 0.5}


def line(records: "Sequence[Record]") -> dict[str, Any]:
    """One line of the log: means since the last one, and the seconds of all these steps together."""
    count = len(records)
    return {
        "step": records[-1].step,
        "loss": round(sum(r.loss for r in records) / count, 5),
        "opacity": round(sum(r.opacity for r in records) / count, 4),
        "nonfinite": sum(r.nonfinite for r in records),
        "seconds": round(sum(sum(r.seconds) for r in records), 3),
    }


def seconds(home: Path) -> float:
    """Seconds that the steps of a run took, by its log."""
    lines = (home / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return round(sum(json.loads(text).get("seconds", 0) for text in lines), 2)


def check(prompt: str) -> str:
    """The prompt without surrounding space. Raises ValueError if it is empty."""
    from ..distillation.prompts import check_prompt

    return check_prompt(prompt)


def room(recipe: Settings, model: str = "tiny") -> int:
    """Bytes that a dream may need: a checkpoint of weights and what its optimisers keep, twice while it is written.

    One of latents has a density and four latents at each point of its lattice, and beside them the colours of its
    ending, of 2 MiB. The student of the arrow vsd is a copy of the model's U-Net, with AdamW's two moments.
    """
    arrays, grid = ARRAYS[recipe.descent.optimiser], recipe.grid
    student = 2 * 3 * 4 * parameters(model) if recipe.score.arrow == "vsd" else 0
    if recipe.space == "latents":
        return 2 * arrays * 4 * 5 * recipe.latents.lattice**3 + (3 << 20) + student
    return 2 * arrays * 4 * grid.levels * grid.features * 2**grid.log2_table + (1 << 20) + student


@cache
def parameters(model: str) -> int:
    """How many parameters the U-Net of a model has; as many as Stable Diffusion's if its files are not here."""
    from safetensors import safe_open

    from ..zoo import resolve

    sizes = {}
    for path in (Path(resolve(model)) / "unet").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            sizes |= {name: math.prod(file.get_slice(name).get_shape()) for name in file.keys()}
    return sum(sizes.values()) or STABLE_DIFFUSION


@cache
def prior_of(model: str | None) -> tuple["LatentPrior", str]:
    """The prior and its name, on the device of the profile, with PyTorch's threads; a process loads it once."""
    import torch

    from ..distillation.graph import quicken
    from ..distillation.prior import load_prior
    from ..profile import profile
    from ..zoo import resolve

    chosen = profile()
    name = model or chosen.model
    prior = load_prior(resolve(name), chosen.device, chosen.dtype)
    quicken(prior, torch.get_num_threads())
    return prior, name


@cache
def judge() -> "ZeroShot":
    """The judge; a process loads it once."""
    from ..evaluation.views import load_judge

    return load_judge()
