"""Takes what a sweep has done so far into the book: its table, and small pictures of its first seed.

`python -m experiments.gather FOLDER...` reads the jobs that came to their end in each folder of `dreamtext sweep` and
writes, NAME being the sweep's name,

book/measured/NAME.csv           a line for each job: recipe, subject, seed, steps, its scores; in the sweep's order
book/measured/NAME/RECIPE.webp   a row for each prompt, first seed: twelve views, every 30 degrees from the front
book/measured/NAME/fronts.webp   a row for each recipe: the front of every prompt and seed
book/measured/NAME/images.webp   the same, of the images that the model drew first, where runs went through one

Seconds are left out: the runs of a sweep share their machine, so their times say little about a recipe. With `--keep`,
jobs that the book has and the folder lacks stay as the book has them: for a sweep that was run in parts.
"""

import hashlib
import json
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from dreamtext_lib.cli.finished import finished
from dreamtext_lib.evaluation.effect import read_table
from dreamtext_lib.files import write_json
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.sweep.compare import jobs_in
from dreamtext_lib.sweep.experiment import jobs, read_experiment
from dreamtext_lib.sweep.folder import Job, gap, read_json
from dreamtext_lib.sweep.images import DREAM
from dreamtext_lib.sweep.table import write_csv
from dreamtext_lib.viewing.pictures import pixels, write_picture

MEASURED = Path("book/measured")
VIEWS, SIZE, SMALL = 12, 64, 48  # views of a turn; pixels of a view, and of one on a sheet

Key = tuple[str, str, int]  # recipe, subject, seed
Done = dict[Key, tuple[Path, dict[str, Any]]]  # the folder and the row of a job


def done(folder: Path) -> Done:
    """All jobs of a sweep's folder that have a row without an error. Raises ValueError as `jobs_in` does."""
    return {
        (job.job["recipe"], job.subject, job.job["seed"]): (job.home, job.row)
        for job in jobs_in(folder)
        if job.row and "error" not in job.row
    }


def check_asked(home: Path, asked: Job, usual: Mapping[str, Any], file: Path) -> None:
    """Raise ValueError unless the job in a folder is the one that the file asks for.

    usual: what a field is in a job that an earlier version wrote without it.
    """
    there = read_json(home / "job.json")
    there |= {"settings": filled(there["settings"], usual)}
    if differs := [name for name in ("kind", "model", "settings") if there.get(name) != asked[name]]:
        raise ValueError(
            f"'{home}' holds another job than '{file}' asks for: {gap(there, asked, differs[0])}; gather it with the"
            " file that it was run from"
        )


def filled(values: Any, usual: Any) -> Any:
    """Settings with what they lack; what is no table of settings stays as it is."""
    if not isinstance(values, Mapping) or not isinstance(usual, Mapping):
        return values
    return {**usual, **{name: filled(value, usual.get(name)) for name, value in values.items()}}


def lines(rows: Done, about: str, kept: Mapping[Key, Mapping[str, Any]] = {}) -> dict[Key, dict[str, Any]]:
    """One line a job, all with the same columns; kept: lines of further jobs, as a table has them."""
    found = [row for _, row in rows.values()] + [dict(list(line.items())[3:]) for line in kept.values()]
    names = dict.fromkeys(name for row in found for name in row if not name.endswith("seconds"))
    return {
        (recipe, subject, seed): {"recipe": recipe, about: subject, "seed": seed} | {n: row.get(n) for n in names}
        for (recipe, subject, seed), row in zip([*rows, *kept], found)
    }


def table(path: Path, about: str) -> dict[Key, dict[str, str]]:
    """The lines of a table that was written before; none if there is no such table."""
    found = read_table(path) if path.exists() else []
    return {(line["recipe"], line[about], int(line["seed"])): line for line in found}


def turn(run: Path) -> np.ndarray:
    """Twelve views of a run side by side: (SIZE, VIEWS * SIZE, 3), whole numbers to 255."""
    home = run / DREAM if (run / DREAM).is_dir() else run
    return np.concatenate(pixels(finished(home).volume.pictures(turntable(VIEWS), SIZE)), 1)


def view(run: Path, place: int) -> Image.Image | None:
    """One of the pictures that a job left, counted from the last: -4 is the front; None if there are fewer.

    Before the front there stands the image from which the job went out, if it was one.
    """
    with Image.open(run / "views.webp") as picture:
        gap = (picture.height - SIZE) // 2
        left = picture.width + place * (SIZE + gap)
        if left < gap:
            return None
        cut = picture.convert("RGB").crop((left, gap, left + SIZE, gap + SIZE))
    return cut.resize((SMALL, SMALL), Image.Resampling.LANCZOS)


def mark(rows: Sequence[Any]) -> str:
    """Ten digits that tell these rows from those of the same jobs done again; their seconds differ at the least."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:10]


def read_index(home: Path) -> dict[str, Any]:
    """What stands on the sheets of a sweep, and under `marks` of which rows they are."""
    path = home / "index.json"
    index = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    index.setdefault("marks", {})
    return index


def put(sheet: Image.Image, home: Path, name: str, stands: Any, now: str) -> None:
    """Write a sheet, and into the index what stands on it; after a stop in between the index says nothing of it."""
    index = read_index(home)
    write_json(home / "index.json", {key: value for key, value in index.items() if key != name})
    write_picture(sheet, home / f"{name}.webp")
    index[name], index["marks"][name] = stands, now
    write_json(home / "index.json", index)


def turns(
    rows: Done,
    recipes: Sequence[str],
    subjects: Sequence[str],
    seeds: Sequence[int],
    home: Path,
    *,
    kept: Collection[Key] = (),
) -> None:
    """Write the turns of the recipes that are not there yet, or whose jobs were done again since.

    kept: jobs that are not among the rows, and whose turns stay as the sheet has them.
    """
    home.mkdir(exist_ok=True)
    index = read_index(home)
    for recipe in tqdm(recipes, file=sys.stderr, disable=not sys.stderr.isatty()):
        sheet = home / f"{recipe}.webp"
        there = index.get(recipe, []) if sheet.exists() else []
        stay = {s: y for y, s in enumerate(there) if (recipe, s, seeds[0]) in kept}
        new = {s: rows[recipe, s, seeds[0]] for s in subjects if (recipe, s, seeds[0]) in rows}
        have, now = [s for s in subjects if s in new or s in stay], mark([row for _, row in new.values()])
        if new and (there != have or index["marks"].get(recipe) != now):
            before = np.asarray(Image.open(sheet).convert("RGB")) if stay else None
            strips = [turn(new[s][0]) if s in new else before[stay[s] * SIZE :][:SIZE] for s in have]
            put(Image.fromarray(np.concatenate(strips)), home, recipe, have, now)


def views(
    rows: Done,
    recipes: Sequence[str],
    subjects: Sequence[str],
    seeds: Sequence[int],
    home: Path,
    *,
    places: Mapping[str, int],
    kept: Collection[Key] = (),
) -> None:
    """Write a sheet of each of the named places, unless it is there, and into the index what stands on it.

    kept: jobs that are not among the rows, and whose pictures stay as the sheet has them.
    """
    index = read_index(home)
    now = mark([[*key, row] for key, (_, row) in rows.items()] + sorted(kept))
    keys = [(subject, seed) for subject in subjects for seed in seeds]
    for name, place in places.items():
        found = {r: {key: view(rows[r, *key][0], place) for key in keys if (r, *key) in rows} for r in recipes}
        sheet_there = name in index and (home / f"{name}.webp").exists()
        if kept and sheet_there:
            before = stood(home / f"{name}.webp", index[name])
            for recipe, *key in sorted(kept & before.keys()):
                found[recipe][tuple(key)] = before[recipe, *key]
        found = {r: seen for r, seen in found.items() if any(seen.values())}
        stands = {"recipes": list(found), "subjects": list(subjects), "seeds": list(seeds)}
        if not found or (sheet_there and index[name] == stands and index["marks"].get(name) == now):
            continue
        sheet = Image.new("RGB", (SMALL * len(keys), SMALL * len(found)), "white")
        for y, seen in enumerate(found.values()):
            for x, key in enumerate(keys):
                if seen.get(key):
                    sheet.paste(seen[key], (x * SMALL, y * SMALL))
        put(sheet, home, name, stands, now)


def stood(path: Path, index: Mapping[str, Sequence[Any]]) -> dict[Key, Image.Image]:
    """The pictures on a sheet that was written before."""
    keys = [(subject, seed) for subject in index["subjects"] for seed in index["seeds"]]
    with Image.open(path) as file:
        sheet = file.convert("RGB")
    return {
        (recipe, *key): sheet.crop((x * SMALL, y * SMALL, (x + 1) * SMALL, (y + 1) * SMALL))
        for y, recipe in enumerate(index["recipes"])
        for x, key in enumerate(keys)
    }


def gather(
    folder: Path, file: Path, measured: Path = MEASURED, *, looks: bool = True, keep: bool = False
) -> Mapping[str, int]:
    """Write the table of a sweep, and its pictures if `looks`; how many jobs of each recipe it has.

    keep: jobs that stand in the table and not in the folder stay there. Raises ValueError if the folder has none,
    or has one of another kind, model or settings than the file asks for.
    """
    experiment = read_experiment(file)
    rows = done(folder)
    order = {(job["recipe"], job[experiment.about], job["seed"]): job for job in jobs(experiment)}
    rows = {key: rows[key] for key in order if key in rows}
    if not rows:
        raise ValueError(f"'{folder}' holds no finished job of '{experiment.name}'")
    for key, (home, _) in rows.items():
        check_asked(home, order[key], type(experiment.recipes[key[0]])().values(), file)
    measured.mkdir(parents=True, exist_ok=True)
    there = table(measured / f"{experiment.name}.csv", experiment.about) if keep else {}
    kept = {key: there[key] for key in order if key in there and key not in rows}
    found = lines(rows, experiment.about, kept)
    write_csv([found[key] for key in order if key in found], measured / f"{experiment.name}.csv")
    recipes = [r for r in experiment.recipes if any(key[0] == r for key in found)]
    if looks:
        about = rows, recipes, experiment.subjects, experiment.seeds, measured / experiment.name
        turns(*about, kept=set(kept))
        views(*about, places={"fronts": -4} | ({"images": -5} if experiment.kind == "sample" else {}), kept=set(kept))
    return {r: sum(key[0] == r for key in found) for r in recipes}


def main() -> None:
    """Take the named folders in; the file of each is experiments/sweeps/NAME.toml."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--keep", action="store_true", help="let jobs stay that the book has and the folder lacks")
    args = parser.parse_args()
    for folder in args.folders:
        file = Path("experiments/sweeps") / f"{folder.name}.toml"
        try:
            counts = gather(folder, file, keep=args.keep)
        except ValueError as error:
            parser.error(str(error))
        for recipe, count in counts.items():
            print(f"{folder.name}: {recipe}: {count}")


if __name__ == "__main__":
    main()
