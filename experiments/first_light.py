"""Fourteen prompts, one a class, dreamed with one recipe and one seed; the judge's table and a contact sheet.

`python -m experiments.first_light --out DIR` takes about ten minutes on one core. Runs that are finished are kept,
so it goes on where it was stopped.
"""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path

import torch

from dreamtext_lib.cli.dream import PREVIEW_EVERY, finish, summary
from dreamtext_lib.cli.finished import finished
from dreamtext_lib.cli.flags import add_fields, given
from dreamtext_lib.distillation.dream import Dream, read_run
from dreamtext_lib.distillation.graph import quicken
from dreamtext_lib.distillation.prior import LatentPrior, load_prior
from dreamtext_lib.distillation.recipe import Recipe
from dreamtext_lib.drive import drive
from dreamtext_lib.evaluation.views import load_judge, score_views
from dreamtext_lib.files import write_bytes, write_json
from dreamtext_lib.profile import profile
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.sweep.experiment import flat
from dreamtext_lib.toybox.prompts import words_of
from dreamtext_lib.viewing.film import write_webp
from dreamtext_lib.viewing.pictures import contact_sheet, write_picture
from dreamtext_lib.zoo import resolve

SEED, VIEWS = 0, 12
TURN, PIXELS, FPS = 30, 128, 12  # frames of a turn for the gallery, their side, frames a second
PROMPTS = (  # one a class, fixed when there were eight colours
    "a red castle", "an orange mug", "a yellow watch", "a green purse", "a blue cactus", "a purple sneaker",
    "a white bird", "a black teapot", "a red statue", "an orange donut", "a yellow fish", "a green microphone",
    "blue cherries", "a purple teddy",
)  # fmt: skip


def begun(folder: Path, prompt: str, recipe: Recipe, model: str) -> bool:
    """Whether the folder holds a run. Raises ValueError if it is another one than this."""
    if not (folder / "checkpoint.safetensors").exists() and not (folder / "mesh.glb").exists():
        return False
    asked, seed, there, name, _ = read_run(folder)
    if (asked, seed, name) != (prompt, SEED, model):
        raise ValueError(f"'{folder}' holds '{asked}' of the model {name} and the seed {seed}; choose another --out")
    now = dict(flat(asdict(recipe)))
    for field, value in flat(asdict(there)):
        if now.get(field) != value:
            raise ValueError(f"the run in '{folder}' has {field} {value!r}, not {now[field]!r}; choose another --out")
    return True


def dreamt(prompt: str, recipe: Recipe, folder: Path, prior: LatentPrior, model: str) -> bool:
    """Begin the run of a folder, or go on with it; whether it came to its end, and not to a Ctrl-C."""
    run = Dream(prompt, prior, recipe, SEED, model)
    if begun(folder, prompt, recipe, model):
        run.load(folder)
    whole = drive(run, folder, every=PREVIEW_EVERY, line=summary, bar=lambda record: {"view": record.view})
    if whole:
        finish(run, folder)
    return whole


def score_run(folder: Path, name: str, colour: str, film: Path) -> tuple[dict, torch.Tensor]:
    """The judge's row of a finished run, and four of its views; a turn around it is written to `film`."""
    volume, (prompt, seed, recipe, *_) = finished(folder).volume, read_run(folder)
    cameras = turntable(VIEWS)
    frames = volume.pictures(cameras)
    write_webp(volume.pictures(turntable(TURN), PIXELS), film, FPS)
    scores = score_views(load_judge(), frames, cameras, name, colour)
    row = {
        "prompt": prompt,
        "seed": seed,
        "steps": recipe.steps,
        "class": round(scores.class_share, 3),
        "view": round(scores.view_share, 3),
        "colour": round(scores.colour_share, 3),
        "recognised": scores.recognised,
        "misses": sorted(set(scores.named) - {name}),
    }
    return row, frames[:: VIEWS // 4]


def films(table: dict) -> str:
    """The turns as HTML, for the book; `book.js` gives each a button that stops it."""
    figures = []
    for row in table["runs"]:
        source, alt = f"../_static/gallery/{words_of(row['prompt']).name}.webp", f"One turn around {row['prompt']}"
        picture = f'<img class="film" src="{source}" alt="{alt}" width="{PIXELS}" height="{PIXELS}">'
        figures.append(f"<figure>{picture}<figcaption>{row['prompt']}</figcaption></figure>")
    return '<div class="gallery">\n' + "\n".join(figures) + "\n</div>\n"


def page(table: dict) -> str:
    """The table as Markdown, for the book."""
    lines = ["| prompt | class | view | colour | recognised | also named |", "|---|---|---|---|---|---|"]
    for row in table["runs"]:
        cells = [f"{row[key]:.0%}" for key in ("class", "view", "colour")]
        seen = "yes" if row["recognised"] else "**no**"
        lines.append(f"| {row['prompt']} | {' | '.join(cells)} | {seen} | {', '.join(row['misses'])} |")
    means = " | ".join(f"{table[key]:.0%}" for key in ("class", "view", "colour"))
    lines.append(f"| all | {means} | {table['recognised']} of {len(table['runs'])} | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Dream what is missing, score all, write the table and the sheet."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/first_light"))
    parser.add_argument("--table", type=Path, default=Path("experiments/first_light.json"))
    parser.add_argument("--page", type=Path, default=Path("book/first_light_table.md"))
    parser.add_argument("--sheet", type=Path, default=Path("book/_static/contact_sheet.png"))
    parser.add_argument("--films", type=Path, default=Path("book/_static/gallery"))
    chosen, rows, pictures = profile(), [], []
    add_fields(parser, chosen.recipes)
    a = parser.parse_args()
    usual = next(iter(chosen.recipes.values()))
    recipe = usual.with_fields(**given(a, usual))
    try:
        for prompt in PROMPTS:
            begun(a.out / words_of(prompt).name, prompt, recipe, chosen.model)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(1)  # as `dreamtext dream` has it
    prior = load_prior(resolve(chosen.model), chosen.device, chosen.dtype)
    quicken(prior)
    a.films.mkdir(parents=True, exist_ok=True)
    for prompt in PROMPTS:
        words = words_of(prompt)
        name, colour = words.name, words.colour
        folder = a.out / name
        if not (folder / "mesh.glb").exists() and not dreamt(prompt, recipe, folder, prior, chosen.model):
            sys.exit(130)
        row, views = score_run(folder, name, colour, a.films / f"{name}.webp")
        rows.append(row)
        pictures.append(views)
        print(json.dumps(row), flush=True)
    recognised = sum(row["recognised"] for row in rows)
    table = {
        "recipe": json.loads((folder / "recipe.json").read_text(encoding="utf-8")),
        "recognised": recognised,
        "runs": rows,
    }
    table |= {key: round(sum(row[key] for row in rows) / len(rows), 3) for key in ("class", "view", "colour")}
    write_json(a.table, table)
    write_bytes(a.page, f"{films(table)}\n{page(table)}".encode())
    labels = [f"{row['prompt']}, {word}" for row in rows for word in ("front", "left", "back", "right")]
    write_picture(contact_sheet(torch.cat(pictures), columns=8, labels=labels), a.sheet)
    print(f"{recognised} of {len(rows)} recognised; class {table['class']}, view {table['view']}")


if __name__ == "__main__":
    main()
