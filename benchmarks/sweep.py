"""Jobs a minute: short dreams one after another, with one thread and with all, against one-thread dreams side by side.

`python -m benchmarks.sweep` takes some ten minutes on two cores, which should have nothing else to do. The ways take
turns, so that all see the same machine, and each is begun anew with no run to go on with. Loading the models and, side
by side, starting Ray are told apart: a sweep does them once, however long it is.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dreamtext_lib.files import write_json
from dreamtext_lib.sweep.cluster import Share, connected, results
from dreamtext_lib.sweep.dreams import Scoring, dream
from dreamtext_lib.sweep.experiment import Experiment, jobs
from dreamtext_lib.sweep.kinds import recipes

PROMPTS = ("a red castle", "a blue mug", "a green cactus", "a yellow bird")


def experiment(recipe: str, steps: int, count: int) -> Experiment:
    """So many short dreams of a recipe, without scores."""
    made = {recipe: recipes()[recipe].with_fields(steps=steps)}
    seeds = tuple(range(-(-count // len(PROMPTS))))
    return Experiment("benchmark", "dream", None, made, (), "prompt", PROMPTS, seeds, Scoring(by="none"))


def side_by_side(made: list[dict], sweep: Path, threads: int, at_once: int) -> tuple[float, float]:
    """Seconds of these jobs on Ray, so many at once with so many threads each, and those before the first was at work.

    Each worker does a job before, of one step, so that its models are loaded.
    """
    cores, began = len(os.sched_getaffinity(0)), time.perf_counter()
    share = Share(cpus=max(cores // at_once, 1))
    run = threaded(threads)
    with connected() as ray:
        first = [short(job, i) for i, job in enumerate(made[:at_once])]
        for _, row in results(ray, first, sweep / "first", run, words=str, share=share):
            assert "error" not in row, row
        ready = time.perf_counter()
        for _, row in results(ray, made, sweep / "jobs", run, words=str, share=share):
            assert "error" not in row, row
        return time.perf_counter() - ready, ready - began


def short(job: dict, number: int) -> dict:
    """The same job with one step, in a folder of its own."""
    return job | {"settings": job["settings"] | {"steps": 1}, "folder": f"first/{number}"}


def threaded(threads: int) -> Callable[[dict, Path], dict]:
    """A dream with so many threads, whatever share of the machine it was given."""

    def run(job: dict, home: Path) -> dict:
        import torch

        torch.set_num_threads(threads)
        return dream(job, home)

    return run


def main() -> None:
    """Print, for each way, the median of jobs a minute over the rounds and its range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="fitfusion")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=4, help="a round; a multiple of four is used")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    made = jobs(experiment(a.recipe, a.steps, a.jobs))
    ways = {  # threads a run, runs at once
        "one after another, one thread": (1, 1),
        f"one after another, {cores} threads": (cores, 1),
        f"{cores} side by side, one thread each": (1, cores),
    }
    rates, starts = {way: [] for way in ways}, {way: [] for way in ways}
    for _ in range(a.rounds):
        for way, (threads, at_once) in ways.items():
            with tempfile.TemporaryDirectory() as scratch:
                spent, before = side_by_side(made, Path(scratch), threads, at_once)
            rates[way].append(60 * len(made) / spent)
            starts[way].append(before)
    print(f"{a.rounds} rounds of {len(made)} dreams ({a.recipe}, {a.steps} steps) on {cores} cores")
    for way, found in rates.items():
        middle, low, high = statistics.median(found), min(found), max(found)
        start = statistics.median(starts[way])
        print(f"{way}: {middle:.2f} jobs a minute ({low:.2f} to {high:.2f}); {start:.0f} s to start and load")
    if a.out:
        write_json(a.out, {"cores": cores, "recipe": a.recipe, "steps": a.steps, "jobs": len(made), "rates": rates})


if __name__ == "__main__":
    main()
