"""The course of a dream, claim C2: do early steps make the outline, and late steps the colour and the detail?

`python -m experiments.course` dreams each prompt of experiments/sweeps/components.toml with its seeds and its recipe
'base', looks from eight sides at eight moments, and writes book/measured/course.json. Dreams that the file has already
are not dreamed again, so it goes on where it was stopped. Twenty dreams take about ten minutes on one idle core.

Each moment is compared with the last one. *Outline*: the intersection over the union of the silhouettes. *Colour*: the
distance of rgb, meaned over the pixels that both silhouettes hold. *Detail*: sharpness over that of the end. Each goes
from its value at the start (step 0) to that at the end; its half-way is the first moment at which half of the way is
behind it. Fixed before the first run: C2 holds if the half-way of the outline is earlier than that of colour and than
that of detail, in the mean over dreams, each by an interval of paired differences that leaves out 0.
"""

import json
import math
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.prior import Prior
from dreamtext_lib.distillation.recipe import Recipe
from dreamtext_lib.evaluation.effect import Effect, interval
from dreamtext_lib.evaluation.fronts import Looks, look_at, turn
from dreamtext_lib.evaluation.geometry import silhouette_iou
from dreamtext_lib.evaluation.images import sharpness
from dreamtext_lib.files import write_json
from dreamtext_lib.sweep.dreams import prior_of
from dreamtext_lib.sweep.experiment import flat, read_experiment

SWEEP = Path("experiments/sweeps/components.toml")
MOMENTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)  # shares of the run
LEAST = 20  # steps, so that each moment is another step
EVERY = 3  # of the cameras of a turn
NAMES = ("outline", "colour", "detail")


def moment(now: Looks, last: Looks, sharp: float) -> dict[str, float]:
    """How near a moment is to the last one; `sharp` is the sharpness of the last."""
    both = (now.opacity > 0.5) & (last.opacity > 0.5)
    apart = (now.frames - last.frames)[both].norm(dim=-1)
    return {
        "outline": silhouette_iou(now.opacity, last.opacity),
        "colour": float(apart.mean()) if len(apart) else float("nan"),
        "detail": sharpness(now.frames) / sharp if sharp > 0 else float("nan"),
    }


def course(prompt: str, seed: int, prior: Prior, recipe: Recipe) -> list[dict[str, float]]:
    """The start and each of the `MOMENTS` of one dream, beside its end."""
    dream, cameras = Dream(prompt, prior, recipe, seed), turn()[::EVERY]
    when, looks = {round(share * recipe.steps) for share in MOMENTS}, [look_at(dream.volume, cameras)]
    for record in dream.run():
        if record.step in when:
            looks.append(look_at(dream.volume, cameras))
    sharp = sharpness(looks[-1].frames)
    return [{k: round(v, 4) for k, v in moment(now, looks[-1], sharp).items()} for now in looks]


def half_way(values: Sequence[float]) -> float:
    """The share of the run at the first moment at which half of the way from the first value to the last is done.

    Not a number where there is none: the first value or the last is no number, as the colour of an empty object.

    >>> half_way([0.0, 0.1, 0.2, 0.6, 0.5, 0.9, 1.0, 1.0, 1.0])
    0.2
    """
    start, end = values[0], values[-1]
    done = [(value - start) / (end - start) if end != start else 1.0 for value in values[1:]]
    return next((share for share, part in zip(MOMENTS, done, strict=True) if part >= 0.5), float("nan"))


def rounded(value: float) -> float | None:
    """Three digits; None for what is no number, which JSON has not."""
    return round(value, 3) if math.isfinite(value) else None


def over(values: Sequence[float]) -> Effect | None:
    """Mean and 95 % interval of those values that are numbers; None if none is."""
    there = [value for value in values if math.isfinite(value)]
    return interval(there) if there else None


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over dreams, half-ways, and their paired differences with 95 % intervals.

    A dream without a half-way of a number is left out of that number's pairs; how many were is told if there are any.
    """
    at = {name: [[m[name] for m in row["moments"]] for row in rows] for name in NAMES}
    half = {name: [half_way(values) for values in at[name]] for name in NAMES}
    later = {name: over([b - a for a, b in zip(half["outline"], half[name])]) for name in NAMES[1:]}
    mean = {name: over(values) for name, values in half.items()}
    lost = {name: len(rows) - (effect.count if effect else 0) for name, effect in mean.items()}
    found = {
        "dreams": len(rows),
        "means": {name: [rounded(float(torch.tensor(v).nanmean())) for v in zip(*at[name])] for name in NAMES},
        "half-way": {name: effect and round(effect.mean, 3) for name, effect in mean.items()},
        "half-way after the outline's": {
            name: effect and {end: round(getattr(effect, end), 3) for end in ("mean", "low", "high")}
            for name, effect in later.items()
        },
        "holds": all(effect is not None and effect.there and effect.low > 0 for effect in later.values()),
    }
    return found | ({"without a half-way": lost} if any(lost.values()) else {})


def kept(file: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """The dreams that a file has already. Raises ValueError if a field of their recipe is now another."""
    if not file.exists():
        return []
    there, now = json.loads(file.read_text(encoding="utf-8")), dict(flat(asdict(recipe)))
    for name, value in flat(there["recipe"]):
        if now.get(name) != value:
            raise ValueError(
                f"the dreams in '{file}' have {name} {value!r}, not {now.get(name)!r}; choose another --out"
            )
    return there["rows"]


def main() -> None:
    """Dream what is missing, and write after each dream."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("book/measured/course.json"))
    parser.add_argument("--steps", type=int, metavar="N", help="steps of a dream (default: the recipe's)")
    a = parser.parse_args()
    if a.steps is not None and a.steps < LEAST:
        parser.error(f"--steps is {a.steps}, but {len(MOMENTS)} moments of a run need at least {LEAST} steps")
    sweep = read_experiment(SWEEP)
    recipe = sweep.recipes["base"].with_fields(**({"steps": a.steps} if a.steps else {}))
    try:
        rows = kept(a.out, recipe)
    except ValueError as error:
        parser.error(str(error))
    done = {(row["prompt"], row["seed"]) for row in rows}
    wanted = [(prompt, seed) for prompt in sweep.subjects for seed in sweep.seeds]
    torch.manual_seed(0)
    for prompt, seed in tqdm([pair for pair in wanted if pair not in done], file=sys.stderr):
        rows.append({"prompt": prompt, "seed": seed, "moments": course(prompt, seed, prior_of(sweep.model)[0], recipe)})
        about = {"command": "python -m experiments.course", "shares": [0.0, *MOMENTS], "recipe": asdict(recipe)}
        write_json(a.out, about | {"summary": summary(rows), "rows": rows})


if __name__ == "__main__":
    main()
