"""The folder of a sweep: one folder a job, in which `job.json` says what it is and `row.json` that it is done.

SWEEP/experiment.toml  table.csv  sheet.jpg
SWEEP/RECIPE/PROMPT-SEED/  job.json  recipe.json  log.jsonl  checkpoint.safetensors  views.webp  turn.webp  row.json
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..drive import alone
from ..files import write_json

Job, Row = dict[str, Any], dict[str, Any]
WAIT = 120.0  # seconds after which a job's folder that another worker holds is given up
SPARE = 16 << 20  # bytes that stay free on the disk, for tables and sheets


def work(
    job: Job, sweep: Path, run: Callable[[Job, Path], Row], words: Callable[[BaseException], str], wait: float = WAIT
) -> Row:
    """Do a job in its folder, unless its row is there already; its row, whose `error` says in `words` what went wrong.

    A worker that was given up for lost may still hold the folder: that is waited for, at most `wait` seconds.
    """
    home = sweep / job["folder"]
    if (row := row_there(job, sweep)) is not None:
        return row
    write_json(home / "job.json", job)
    try:
        until_free(home, wait)
        row = run(job, home)
    except Exception as error:
        row = {"error": words(error)}
    write_row(job, sweep, row)
    return row


def write_row(job: Job, sweep: Path, row: Row) -> None:
    """Write the row of a job into its folder, with what it was scored by."""
    write_json(sweep / job["folder"] / "row.json", {"score": job["score"], "row": row})


def row_there(job: Job, sweep: Path) -> Row | None:
    """The row of a job that came to its end and was scored as the job asks; None if there is none yet.

    Raises ValueError if the folder holds another job than this, which `rows_there` tells before any work.
    """
    home = sweep / job["folder"]
    there = read_json(home / "job.json")
    if there is None:
        if any(home.glob("**/recipe.json")):  # a job may keep its runs in folders of their own
            raise ValueError(f"the folder '{home}' holds a run of its own and no job of a sweep; choose another --out")
        return None
    check_same(there, job, [name for name in job if name != "score"], home)
    found = read_json(home / "row.json")
    if found is None or "error" in found.get("row", {"error": ""}) or found.get("score") != job["score"]:
        return None
    return found["row"]


def check_same(there: Mapping[str, Any], job: Job, names: Sequence[str], home: Path) -> None:
    """Raise ValueError unless the job that stands in a folder is this one in all that is named."""
    if differs := [name for name in names if there.get(name) != job[name]]:
        raise ValueError(
            f"the folder '{home}' holds a job that was another: {gap(there, job, differs[0])}; give the experiment"
            " another name, or choose another --out"
        )


def gap(there: Mapping[str, Any], job: Job, name: str) -> str:
    """Where two jobs differ."""
    was, now = there.get(name), job[name]
    while isinstance(was, dict) and isinstance(now, dict):
        name = next(key for key in {**now, **was} if was.get(key) != now.get(key))
        was, now = was.get(name), now.get(name)
    return f"its {name} was {was!r} and is to be {now!r}"


def rows_there(jobs: Sequence[Job], sweep: Path) -> dict[str, Row]:
    """The rows that are there already, by the jobs' folders.

    Raises ValueError as `row_there` does, and if a recipe's folder holds jobs of other seeds or subjects that were made
    with other settings: one name would stand for two.
    """
    found = {job["folder"]: row_there(job, sweep) for job in jobs}
    for home, job in {str(Path(job["folder"]).parent): job for job in jobs}.items():
        for path in sorted((sweep / home).glob("*/job.json")):
            if f"{home}/{path.parent.name}" not in found:
                check_same(read_json(path), job, ("kind", "model", "settings"), path.parent)
    return {folder: row for folder, row in found.items() if row is not None}


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, None if there is no file. Raises ValueError, naming the file, if it holds none."""
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(
            f"'{path}' is not valid JSON ({error}); remove its folder, and the job is done anew"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(f"'{path}' holds no JSON object; remove its folder, and the job is done anew")
    return value


def check_room(sweep: Path, need: int) -> None:
    """Raise ValueError if the disk has less free than the bytes that jobs need and `SPARE`."""
    home = sweep.absolute()
    while not home.exists():
        home = home.parent
    if (free := shutil.disk_usage(home).free) < need + SPARE:
        raise ValueError(
            f"the disk of '{sweep}' has {free >> 20:,} MiB free, and the jobs may need {(need + SPARE) >> 20:,};"
            " free some space, or choose another --out"
        )


def until_free(home: Path, wait: float) -> None:
    """Wait until no run holds a folder. Raises ValueError after so many seconds."""
    end = time.monotonic() + wait
    while True:
        try:
            with alone(home):
                return
        except ValueError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
