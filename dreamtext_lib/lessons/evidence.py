"""Tables of sweeps as a chapter shows them: every run as a dot, effects with their intervals, and pictures of runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

import dreamtext_lib

from ..evaluation.effect import Line, column, effect, interval, read_table
from ..viewing.style import COLOURS, INK

MEASURED = Path(dreamtext_lib.__file__).parents[1] / "book" / "measured"
MARKS = ("o", "s", "^", "D", "v", "P")  # one for each prompt, with the colour of the same place


def measured(*names: str) -> list[dict[str, str]]:
    """The lines of one or several tables of sweeps in book/measured, one after another.

    Raises ValueError for a table that is not there.
    """
    lines = []
    for name in names:
        if not (path := MEASURED / f"{name}.csv").is_file():
            raise ValueError(f"there is no table '{name}' in book/measured; dreamtext sweep makes one")
        lines += read_table(path)
    return lines


def dots(axis: Axes, lines: Sequence[Line], recipes: Mapping[str, str], name: str, *, legend: bool = False) -> None:
    """Draw every run of some recipes as a dot, and beside them their mean with its 95 % interval.

    recipes: name -> what is written below its column. A prompt has a colour and a mark of its own, the same in all
    columns, and its seeds stand side by side; the mark of an empty run is hollow. Raises ValueError for a recipe or a
    number that the table has not.
    """
    mine = [line for recipe in recipes for line in lines if line["recipe"] == recipe]
    prompts, told = list(dict.fromkeys(line[list(line)[1]] for line in mine)), set()
    for place, recipe in enumerate(recipes):
        found = column(lines, recipe, name)
        empty = column(lines, recipe, "empty") if "empty" in lines[0] else {}
        before = 0  # dots of the prompts on the left
        for prompt in dict.fromkeys(prompt for prompt, _ in found):
            values, gone = np.array([(v, empty.get(pair, 0)) for pair, v in found.items() if pair[0] == prompt]).T
            x = place + (np.arange(len(values)) + before) / max(1, len(found)) * 0.5 - 0.35
            before, k = before + len(values), prompts.index(prompt)
            colour = list(COLOURS.values())[k % len(COLOURS)]
            look = {"s": 15, "alpha": 0.8, "color": colour, "marker": MARKS[k % len(MARKS)]}
            there = gone == 0
            axis.scatter(x[there], values[there], **look, linewidths=0, label=None if prompt in told else prompt)
            told.add(prompt)
            if not there.all():
                axis.scatter(x[~there], values[~there], **look, linewidths=0.8, facecolors="none")
        mean = interval(list(found.values()))
        ends = [[mean.mean - mean.low], [mean.high - mean.mean]]
        axis.errorbar(place + 0.3, mean.mean, ends, fmt="_", color=INK, capsize=3, markersize=9)
    axis.set_xticks(range(len(recipes)), list(recipes.values()))
    axis.set_xlim(-0.6, len(recipes) - 0.4)
    axis.grid(axis="x", visible=False)
    if legend:
        axis.legend(fontsize=9, loc="best", handletextpad=0.2)


def effects(
    lines: Sequence[Line], pairs: Sequence[tuple[str, str, str]], numbers: Mapping[str, str]
) -> list[list[object]]:
    """Rows of a table: for each (words, before, after), the effect on each number as 'mean (low to high)'.

    numbers: name -> format, as '+.2f'. An effect that is there, its interval leaving out 0, carries a star. Raises
    ValueError as `evaluation.effect.effect` does.
    """
    rows = []
    for words, before, after in pairs:
        found = [(effect(lines, before, after, name), spec) for name, spec in numbers.items()]
        rows.append([words, *(f"{e:{spec}}{' *' if e.there else ''}" for e, spec in found)])
    return rows


def turns(sweep: str, recipe: str) -> tuple[list[str], NDArray[np.uint8]]:
    """Turns of a recipe's runs of the first seed, as `experiments.gather` keeps them: prompts, (P, 12, 64, 64, 3).

    Raises ValueError for a sweep or a recipe of which there are none.
    """
    home = MEASURED / sweep
    index = json.loads((home / "index.json").read_text(encoding="utf-8")) if (home / "index.json").exists() else {}
    if recipe not in index:
        raise ValueError(f"there are no pictures of '{recipe}' in book/measured/{sweep}")
    with Image.open(home / f"{recipe}.webp") as picture:
        sheet = np.asarray(picture.convert("RGB"))
    side = sheet.shape[0] // len(index[recipe])
    rows = sheet.reshape(len(index[recipe]), side, -1, side, 3)
    return index[recipe], rows.transpose(0, 2, 1, 3, 4)


def fronts(sweep: str, kind: Literal["fronts", "images", "drawn"] = "fronts") -> dict[str, NDArray[np.uint8]]:
    """Pictures of all recipes of a sweep, by recipe: (N, S, S, 3).

    fronts: those of all runs, 48 pixels, prompt by prompt and seed by seed, white if there is none
    (`experiments.gather`). images: the same, of what the model drew before a run that went through an image. drawn:
    what it draws of the first image's sentence, 64 pixels (`experiments.redraw`).
    Raises ValueError for a sweep of which there are none.
    """
    home = MEASURED / sweep
    if not (home / f"{kind}.webp").exists():
        raise ValueError(f"there are no pictures of {kind} in book/measured/{sweep}")
    recipes = json.loads((home / "index.json").read_text(encoding="utf-8"))[kind]["recipes"]
    with Image.open(home / f"{kind}.webp") as picture:
        sheet = np.asarray(picture.convert("RGB"))
    side = sheet.shape[0] // len(recipes)
    rows = sheet.reshape(len(recipes), side, -1, side, 3).transpose(0, 2, 1, 3, 4)
    return dict(zip(recipes, rows, strict=True))
