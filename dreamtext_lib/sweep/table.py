"""What a sweep leaves: its rows as one table, CSV or Parquet, and its pictures on one sheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..files import write_bytes
from .dreams import PICTURE
from .experiment import Experiment, names_of
from .folder import Job, Row

TALLEST, WIDEST = 60_000, 65_500  # pixels of a sheet; a JPEG has at most 65,500
GAP = 6  # pixels between its pictures


def lines_of(experiment: Experiment, jobs: Sequence[Job], rows: Mapping[str, Row]) -> list[dict[str, Any]]:
    """One line a job, in the order of the jobs: recipe, prompt, seed, steps, seconds, scores, changed fields, error.

    rows: by the jobs' folders. All lines have the same columns; what a job has no value for is None.
    """
    e, first = experiment, ("recipe", experiment.about, "seed", "steps", "seconds")
    scores = dict.fromkeys(name for job in jobs for name in rows[job["folder"]] if name not in (*first, "error"))
    changed = [name for name in e.changed if name not in first and name not in scores]
    lines = []
    for job in jobs:
        row, fields = rows[job["folder"]], leaves(e.recipes[job["recipe"]])
        about = {name: job[name] for name in first[:3]} | {name: row.get(name) for name in (*first[3:], *scores)}
        lines.append(about | {name: fields[name] for name in changed} | {"error": row.get("error")})
    return lines


def leaves(settings: Any) -> dict[str, Any]:
    """All values of settings by their names (`experiment.names_of`)."""
    found = {}
    for path, own in names_of(settings).items():
        value = settings
        for name in path:
            value = getattr(value, name)
        found[own] = value
    return found


def write_csv(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a table as CSV with a head, whole or not at all; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_bytes(path, text.getvalue().encode())


def check_parquet() -> None:
    """Raise ValueError unless what writes Parquet is installed."""
    if find_spec("pyarrow") is None:
        raise ValueError("--parquet wants pyarrow, which is not installed; pip install 'dreamtext[sweep]'")


def write_parquet(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a table as Parquet, whole or not at all; seeds as whole numbers of 64 bits without a sign."""
    check_parquet()
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"seed": pa.uint64(), "error": pa.string()}
    columns = {name: pa.array([line[name] for line in lines], kinds.get(name)) for name in lines[0]}
    data = io.BytesIO()
    parquet.write_table(pa.table(columns), data)
    write_bytes(path, data.getvalue())


def write_sheet(jobs: Sequence[Job], sweep: Path, about: str, path: Path) -> bool:
    """Write the pictures that the jobs left on one sheet; whether there was any.

    A line is for the seeds of a prompt, or for as many as a JPEG is wide; of more jobs than one can show, the first.
    """
    from PIL import Image

    from ..viewing.pictures import contact_sheet, write_picture

    found = {}
    for job in jobs:
        if (file := sweep / job["folder"] / PICTURE).is_file():
            with Image.open(file) as picture:
                found[job["folder"]] = picture.convert("RGB")
    if not found:
        return False
    size = max(picture.size for picture in found.values())
    empty = Image.new("RGB", size, "white")
    pictures = [p if (p := found.get(job["folder"], empty)).size == size else p.resize(size) for job in jobs]
    labels = [f"{job['recipe']}: {job[about]}, seed {job['seed']}" for job in jobs]
    columns = len({job["seed"] for job in jobs})
    columns *= -(-len(jobs) * 2 * size[1] // (columns * TALLEST))  # a picture and its label are at most so high
    columns = min(columns, (WIDEST - GAP) // (size[0] + GAP))
    shown = columns * -(-TALLEST // (2 * size[1]))
    write_picture(contact_sheet(pictures[:shown], columns, labels[:shown], gap=GAP), path)
    return True
