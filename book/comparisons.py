"""Pages that compare what the book's sweeps made: `python book/comparisons.py FOLDER` writes one for each sweep.

`dreamtext compare` makes such a page from the folders of runs, which are too large for the repository. These are made
from what `experiments.gather` keeps of them in book/measured: a table, and the turns of the first seed. `make book`
calls this. Nothing of it is committed.
"""

import json
import sys
from pathlib import Path

from PIL import Image

from dreamtext_lib.cli.flags import comments
from dreamtext_lib.evaluation.effect import number
from dreamtext_lib.evaluation.evaluate import Row
from dreamtext_lib.evaluation.likeness import Likeness
from dreamtext_lib.lessons.evidence import MEASURED, measured, turns
from dreamtext_lib.sweep.compare import Done, given, means, ranked, scores
from dreamtext_lib.viewing.comparison import Card, Comparison, write_comparison

PLACE = Path("book/_static/compare")  # where pages look for it, in the sources of a build
LEGEND = {**comments(Row), **comments(Likeness)}
KEYS = ("recipe", "image", "prompt", "seed")  # columns that say which run it is
TEXTS = {  # of each sweep that gets a page
    "components": ("FitFusion, taken apart", "Each recipe changes the base in one way, or is FitFusion with a change."),
    "methods": ("From one picture to a thing", "The ways from one picture, on ten pictures for development."),
    "final": (
        "From one picture to a thing",
        "The ways from one picture, on ten pictures that nothing was tried on.",
    ),
    "sheet": ("Fourteen prompts", "Fourteen prompts, three recipes, chosen by no one."),
}


def comparison(name: str) -> Comparison:
    """The page of one sweep, from book/measured. Raises ValueError if there is no table."""
    lines = measured(name)
    about = list(lines[0])[1]
    methods, subjects = (list(dict.fromkeys(line[key] for line in lines)) for key in ("recipe", about))
    seeds = list(dict.fromkeys(line["seed"] for line in lines))
    pictured = str(json.loads((MEASURED / name / "index.json").read_text(encoding="utf-8"))["fronts"]["seeds"][0])
    rows = {
        (line["recipe"], line[about], line["seed"]): {
            key: text if key == "sentence" else number(text) for key, text in line.items() if text and key not in KEYS
        }
        for line in lines
    }
    jobs = {key: Done(Path(), {"recipe": key[0], "seed": key[2]}, row) for key, row in rows.items()}
    looks = {method: dict(zip(*turns(name, method), strict=True)) for method in methods}
    cards = [
        Card(
            subject,
            method,
            "",
            row.get("sentence", ""),
            scores=scores(row),
            turn=[Image.fromarray(frame) for frame in looks[method][subject]],
        )
        for (method, subject, seed), row in rows.items()
        if seed == pictured
    ]
    first, names = ranked(about, list(dict.fromkeys(n for row in rows.values() for n in scores(row))))
    title, text = TEXTS[name]
    shown = f" Pictures are those of seed {pictured}; means are over all {len(seeds)} seeds." if len(seeds) > 1 else ""
    return Comparison(
        title,
        f"{text}{shown}",
        about,
        {subject: given(about, subject) for subject in subjects},
        methods,
        cards,
        first,
        {n: LEGEND.get(n, "") for n in names},
        means(methods, jobs, names),
        len(cards[0].turn),
    )


def write(folder: Path) -> dict[str, int]:
    """Write the page of every sweep that the book has a table of; the bytes of each."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for name in TEXTS:
        if (MEASURED / f"{name}.csv").exists():
            write_comparison(comparison(name), path := folder / f"{name}.html")
            sizes[name] = path.stat().st_size
    return sizes


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python book/comparisons.py FOLDER")
    for name, size in write(Path(sys.argv[1])).items():
        print(f"{name:12} {size / 1e6:5.2f} MB")
