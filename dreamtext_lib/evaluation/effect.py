"""What a change does: differences of paired runs, with an interval that says how far chance alone could have gone."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student


class Effect(NamedTuple):
    """A mean of N numbers with its interval."""

    mean: float
    low: float  # the interval's ends; both the mean where N is 1 or all numbers are equal
    high: float
    count: int

    @property
    def there(self) -> bool:
        """Whether the interval leaves out 0; never of one number, which has no interval."""
        return self.count > 1 and (self.low > 0 or self.high < 0)

    def __format__(self, spec: str) -> str:
        """Mean and interval, each in the format that is asked for."""
        return f"{self.mean:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def interval(values: Sequence[float], level: float = 0.95) -> Effect:
    """Mean of N numbers and Student's interval: mean +- t_(N-1) s / sqrt(N), s with N - 1 below.

    Raises ValueError for no numbers, for one that is not finite, and for a level outside 0..1.

    >>> f"{interval([1.0, 2.0, 3.0]):.2f}"
    '2.00 (-0.48 to 4.48)'
    """
    x = np.asarray(values, float)
    if not len(x) or not np.isfinite(x).all():
        raise ValueError(f"an interval wants finite numbers, at least one; these are {list(values)}")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be between 0 and 1")
    mean = float(x.mean())
    if len(x) == 1:
        return Effect(mean, mean, mean, 1)
    half = float(student.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5)
    return Effect(mean, mean - half, mean + half, len(x))


Line = Mapping[str, str]


def read_table(path: Path) -> list[dict[str, str]]:
    """The lines of a sweep's table (`sweep.table.write_csv`), values as text, '' where there is none."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float:
    """A value of a table as a number: True is 1, False 0. Raises ValueError for text and for an empty one."""
    return {"True": 1.0, "False": 0.0}[text] if text in ("True", "False") else float(text)


def column(lines: Iterable[Line], recipe: str, name: str) -> dict[tuple[str, str], float]:
    """The numbers of a recipe by prompt and seed; runs that failed, or have no such number, are left out.

    The column after 'recipe' is what a run is about: a prompt or an image. Raises ValueError for a recipe or a number
    that the table has not, and for two runs of one prompt and seed that differ.
    """
    mine = [line for line in lines if line["recipe"] == recipe]
    if not mine:
        raise ValueError(f"the table has no runs of '{recipe}'")
    about, runs = list(mine[0])[1], {}
    for line in mine:
        if name not in line:
            raise ValueError(f"the runs of '{recipe}' have no '{name}'; what they have is {', '.join(list(line)[3:])}")
        if line != runs.setdefault(key := (line[about], line["seed"]), line):
            raise ValueError(f"the table has two runs of '{recipe}' on '{key[0]}' with seed {key[1]}; keep one of them")
    return {key: number(line[name]) for key, line in runs.items() if line[name] != ""}


def effect(lines: Sequence[Line], before: str, after: str, name: str, level: float = 0.95) -> Effect:
    """What a number of `after` is above that of `before`, over pairs of the same prompt and seed (`interval`).

    Raises ValueError as `column` does, and if the recipes have no such pair.
    """
    a, b = column(lines, before, name), column(lines, after, name)
    if not (pairs := sorted(a.keys() & b.keys())):
        raise ValueError(f"'{before}' and '{after}' have no run of the same prompt and seed with a {name}")
    return interval([b[pair] - a[pair] for pair in pairs], level)
