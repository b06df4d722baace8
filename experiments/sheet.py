"""The contact sheet of the sweep `sheet`: every object from the front, with its scores under it.

`python -m experiments.sheet` reads book/measured/sheet.csv and the fronts that `experiments.gather` keeps beside it. It
writes the pictures, book/_static/sheet.webp, and the grid as HTML for the book, book/sheet_table.md.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamtext_lib.lessons.evidence import MEASURED, measured

SIDE = 72  # pixels of a picture on the page
TITLES = {"latent": "the usual recipe", "fitfusion": "FitFusion", "stable-dreamfusion": "the base"}
STATIC, PAGE = Path("book/_static/sheet.webp"), Path("book/sheet_table.md")


def grid(lines: Sequence[Mapping[str, str]], index: Mapping[str, Sequence[Any]]) -> str:
    """The objects as HTML: a block for each prompt, in it a row for each recipe with all of its seeds.

    index: what stands on the sheet of which each picture is a part: its rows are recipes, its columns prompts, seed by
    seed (`experiments.gather`).
    """
    recipes, prompts, seeds = (index[key] for key in ("recipes", "subjects", "seeds"))
    found = {(line["recipe"], line["prompt"], line["seed"]): line for line in lines}
    size = f"background-size:{SIDE * len(prompts) * len(seeds)}px {SIDE * len(recipes)}px"
    blocks = []
    for i, prompt in enumerate(prompts):
        rows = []
        for y, recipe in enumerate(recipes):
            figures = []
            for k, seed in enumerate(seeds):
                if (line := found.get((recipe, prompt, str(seed)))) is None:
                    continue
                named, side = (float(line[key]) for key in ("class_share", "view_share"))
                words = f"{prompt}, {TITLES[recipe]}, seed {seed}, from the front"
                place = f"background-position:-{SIDE * (i * len(seeds) + k)}px -{SIDE * y}px"
                lost = "" if line["recognised"] == "True" else ' class="lost"'
                figures.append(
                    f'<figure{lost}><span role="img" aria-label="{words}" style="{size};{place}"></span>'
                    f"<figcaption>class {named:.0%}<br>side {side:.0%}</figcaption></figure>"
                )
            rows.append(f"<div><p>{TITLES[recipe]}</p>{''.join(figures)}</div>")
        blocks.append(f'<section><p class="prompt">{prompt}</p>\n{chr(10).join(rows)}\n</section>')
    return '<div class="sheet">\n' + "\n".join(blocks) + "\n</div>\n"


def means(lines: Sequence[Mapping[str, str]]) -> str:
    """A table of each recipe's means, in Markdown; detail is that of the objects that are not empty."""
    table = ["| recipe | recognised | class | view | colour | detail |", "|---|---|---|---|---|---|"]
    for recipe in dict.fromkeys(line["recipe"] for line in lines):
        own = [line for line in lines if line["recipe"] == recipe]
        known = sum(line["recognised"] == "True" for line in own)

        def mean(number: str, own: Sequence[Mapping[str, str]] = own) -> float:
            return float(np.mean([float(line[number]) for line in own]))

        there = [line for line in own if line["empty"] != "True"]
        shares = " | ".join(f"{mean(name):.0%}" for name in ("class_share", "view_share", "colour_share"))
        table.append(f"| {TITLES[recipe]} | {known} of {len(own)} | {shares} | {mean('sharpness', there):.2f} |")
    return "\n".join(table) + "\n"


def main() -> None:
    """Write the sheet and its grid."""
    lines = measured("sheet")
    index = json.loads((MEASURED / "sheet" / "index.json").read_text(encoding="utf-8"))["fronts"]
    shutil.copy(MEASURED / "sheet" / "fronts.webp", STATIC)
    PAGE.write_text(f"{means(lines)}\n{grid(lines, index)}", encoding="utf-8")
    print(f"{PAGE}: {len(lines)} objects")


if __name__ == "__main__":
    main()
