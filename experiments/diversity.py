"""How much the seeds of a text differ, by way of images and plainly, claim C24.

`python -m experiments.diversity FOLDER` takes the runs of experiments/sweeps/diversity.toml, where the rule stands, and
writes book/measured/diversity.json: for each prompt the mean distance 1 - cos of the judge's vectors between two
results seen from one camera (`evaluation.diversity`) over the dreams of each recipe, over pictures that the model draws
for each camera's view word, and over as many true objects that the prompt may mean. Eight cameras, every 45 degrees.
"""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from dreamtext_lib.cli.finished import finished
from dreamtext_lib.evaluation.diversity import diversity, sampled_frames, true_frames
from dreamtext_lib.evaluation.effect import Effect, interval
from dreamtext_lib.evaluation.fronts import look_at, turn
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.files import write_json
from dreamtext_lib.sweep.compare import jobs_in
from dreamtext_lib.sweep.images import DREAM
from dreamtext_lib.toybox.prompts import words_of
from dreamtext_lib.zoo import resolve
from experiments.gather import MEASURED, Done, done

EVERY = 3  # of the cameras of a turn
RECOGNISED = "class_share"


def measured(runs: Done, prompt: str, recipes: Sequence[str], model: str = "tiny") -> dict[str, float]:
    """The distances of one prompt: of each recipe that has two runs or more, of drawn pictures, of true objects."""
    judge, cameras = load_judge(), turn()[::EVERY]
    homes = {
        r: [home for (recipe, about, _), (home, _) in runs.items() if (recipe, about) == (r, prompt)] for r in recipes
    }
    count = max(map(len, homes.values()))
    frames = {
        recipe: torch.stack([look_at(finished(home / DREAM).volume, cameras).frames for home in own])
        for recipe, own in homes.items()
        if len(own) > 1
    }
    frames["drawn"] = sampled_frames(resolve(model), prompt, cameras, count)
    frames["true"] = true_frames(words_of(prompt), cameras, count)
    return {name: round(diversity(judge, shown), 4) for name, shown in frames.items()}


def gaps(found: dict[str, dict[str, float]], after: str, before: str) -> Effect | None:
    """By how much the one is above the other, over the prompts that have both."""
    pairs = [d[after] - d[before] for d in found.values() if after in d and before in d]
    return interval(pairs) if pairs else None


def main() -> None:
    """Measure the distances of all prompts, write them, and say the differences."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=MEASURED / "diversity.json")
    a = parser.parse_args()
    try:
        runs, jobs = done(a.folder), jobs_in(a.folder)
    except ValueError as error:
        parser.error(str(error))
    if not runs:
        parser.error(f"'{a.folder}' holds no finished job of a sweep")
    recipes = list(dict.fromkeys(job.job["recipe"] for job in jobs))  # finished or not
    prompts = list(dict.fromkeys(job.subject for job in jobs))
    count = Counter((recipe, prompt) for recipe, prompt, _ in runs)
    if lacking := [(recipe, prompt) for recipe in recipes for prompt in prompts if count[recipe, prompt] < 2]:
        recipe, prompt = lacking[0]
        parser.error(f"'{a.folder}' lacks two finished jobs of {recipe} on {prompt!r}; run the sweep to its end")
    found = {
        prompt: measured(runs, prompt, recipes)
        for prompt in tqdm(prompts, file=sys.stderr, disable=not sys.stderr.isatty())
    }
    shares = {r: [row[RECOGNISED] for (recipe, *_), (_, row) in runs.items() if recipe == r] for r in recipes}
    write_json(a.out, {"distances": found, "recognised": {r: round(sum(s) / len(s), 4) for r, s in shares.items()}})
    for after, before in [(r, "plain") for r in recipes if r != "plain"] + [("drawn", "plain"), ("true", "plain")]:
        if (gap := gaps(found, after, before)) is not None:
            print(f"{after} - {before}: {gap:+.3f}")


if __name__ == "__main__":
    main()
