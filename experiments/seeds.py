"""How much the seeds differ, claim C16: dreams beside pictures of the same model, and beside true toys.

`python -m experiments.seeds FOLDER` takes the runs of a sweep's folder (experiments/sweeps/components.toml), and writes
book/measured/seeds.json: for each prompt, the mean distance 1 - cos of the judge's vectors between two results seen
from one camera (`evaluation.diversity`), over five dreams of each recipe, five pictures that the flat model
draws for each camera's view word, and five members of the true family. Eight cameras, every 45 degrees.

The rule stands in experiments/rules.md: C16 holds if dreams differ less than pictures and less than the true family.
Each is a mean of differences over the prompts, and holds by itself if its interval leaves out 0. Recipes of another
sweep are named by `--recipes`, and want another `--out`; each is compared with the first of them too.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

import torch
from tqdm import tqdm

from dreamtext_lib.cli.finished import finished
from dreamtext_lib.evaluation.diversity import diversity, sampled_frames, true_frames
from dreamtext_lib.evaluation.effect import interval
from dreamtext_lib.evaluation.fronts import look_at, turn
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.files import write_json
from dreamtext_lib.sweep.compare import jobs_in
from dreamtext_lib.toybox.prompts import words_of
from dreamtext_lib.zoo import resolve
from experiments.gather import MEASURED, done

EVERY, SEEDS = 3, 5  # of the cameras of a turn; results of each kind


def main() -> None:
    """Measure the distances of all prompts and write them."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--recipes", nargs="+", default=["base", "fitfusion"], help="recipes of the sweep; without it those of C16"
    )
    parser.add_argument("--out", type=Path, default=MEASURED / "seeds.json")
    a = parser.parse_args()
    try:
        runs, jobs = done(a.folder), jobs_in(a.folder)
    except ValueError as error:
        parser.error(str(error))
    judge, cameras, found = load_judge(), turn()[::EVERY], {}
    prompts = list(dict.fromkeys(job.subject for job in jobs if job.job["recipe"] in a.recipes))  # finished or not
    wanted = [(recipe, prompt, seed) for recipe in a.recipes for prompt in prompts for seed in range(SEEDS)]
    if lacking := [key for key in wanted if key not in runs]:
        parser.error(f"'{a.folder}' lacks {len(lacking)} finished jobs, {lacking[0]} first; run the sweep to its end")
    if not prompts:
        parser.error(f"'{a.folder}' holds no finished job of {' or '.join(a.recipes)}")
    for prompt in tqdm(prompts, file=sys.stderr, disable=not sys.stderr.isatty()):
        frames = {
            "drawn": sampled_frames(resolve("tiny"), prompt, cameras, SEEDS),
            "true": true_frames(words_of(prompt), cameras, SEEDS),
        }
        for recipe in a.recipes:
            volumes = [finished(runs[recipe, prompt, seed][0]).volume for seed in range(SEEDS)]
            frames[recipe] = torch.stack([look_at(volume, cameras).frames for volume in volumes])
        found[prompt] = {name: round(diversity(judge, f), 4) for name, f in frames.items()}
    write_json(a.out, found)
    for recipe in a.recipes:
        for other in ("drawn", "true", *(r for r in a.recipes[:1] if r != recipe)):
            print(f"{recipe} - {other}: {interval([d[recipe] - d[other] for d in found.values()]):+.3f}")


if __name__ == "__main__":
    main()
