"""`--watch-fronts`: a dream that grows a second front in its first quarter is begun anew with the next seed (5.1.3)."""

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..distillation.dream import Dream

MOST, UNTIL = 3, 0.25  # restarts unless told; the share of the steps in which a run is watched
WRITTEN = ("recipe.json", "checkpoint.safetensors", "log.jsonl", "preview.png", "photo.safetensors")  # before its end


@dataclass
class Watch:
    """Looks at a run after each preview until it was begun anew `most` times."""

    rule: "Callable[[Tensor], bool]"  # whether pictures of a turn (N, 64, 64, 3) show a second front
    most: int
    restarts: int = 0

    def look(self, run: "Dream") -> bool:
        """Whether the run is in its first quarter and shows a second front."""
        from ..evaluation.fronts import turn

        watched = self.restarts < self.most and run.step <= UNTIL * run.recipe.steps
        return watched and self.rule(run.pictures(turn()))

    def anew(self, run: "Dream", folder: Path) -> "Dream":
        """The same dream with the next seed, and nothing left in the folder of the one before; says so."""
        from ..distillation.dream import Dream

        for name in WRITTEN:
            (folder / name).unlink(missing_ok=True)
        self.restarts += 1
        number = (run.seed + 1) % 2**64
        count = f"restart {self.restarts} of at most {self.most}"
        print(f"\na second front at step {run.step}: begun anew with seed {number} ({count})", file=sys.stderr)
        return self.on(Dream(run.prompt, run.prior, run.recipe, number, run.model, words=run.words, photo=run.photo))

    def on(self, run: "Dream") -> "Dream":
        """The run, whose record says that it is watched."""
        if self.most:
            run.notes = {"watch_fronts": self.most, "restarts": self.restarts}
        return run

    def told(self, seed: int) -> str:
        """What the end of the run says of it."""
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        return f"begun anew {times} because of a second front; the seed that was kept is {seed}"


def add_watch(parser: ArgumentParser) -> None:
    """The flag, with a number or without."""
    words = f"begin anew with the next seed when the first quarter shows a second front, at most MOST times ({MOST})"
    parser.add_argument("--watch-fronts", nargs="?", type=most, const=MOST, metavar="MOST", help=words)


def most(text: str) -> int:
    """How often a run may be begun anew, as argparse takes a type."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no whole number from 1 on; a prompt stands before the flag")
    return int(text)


def check_watch(most: int | None, every: int, steps: int) -> None:
    """Raise ValueError if a run that is to be watched is so short that no look comes in its first quarter."""
    if most and every > UNTIL * steps:
        least = math.ceil(every / UNTIL)
        raise ValueError(
            f"--watch-fronts looks after each {every} steps of the first quarter, of which {steps} steps have none"
            f" there; give --steps {least} or more, or drop the flag"
        )


def watch_of(prompt: str, most: int, restarts: int = 0) -> Watch:
    """The watch over dreams of a prompt, none where `most` is 0. Raises ValueError for a prompt of other words."""
    if most == 0:
        return Watch(lambda frames: False, 0)
    from ..evaluation.fronts import FrontWatch
    from ..evaluation.views import load_judge
    from ..toybox.objects import CLASS_NAMES
    from ..toybox.prompts import words_of

    if (words := words_of(prompt)) is None:
        raise ValueError(
            f"--watch-fronts asks a judge who knows no '{prompt}'; drop the flag, or dream one of "
            f"{', '.join(CLASS_NAMES)} with a colour, a pattern, tall or wide"
        )
    return Watch(FrontWatch(load_judge(), words.name).sees_two, most, restarts)
