"""`dreamtext sweep`: recipes x prompts x seeds of a small file, side by side on Ray, and one table at the end."""

import math
import os
import sys
from argparse import ArgumentParser, Namespace
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

from ..slugs import slug
from .failures import explain
from .models import check_texts, note_strange_words
from .names import RUNS, check_writable

if TYPE_CHECKING:
    from ..sweep.cluster import Share
    from ..sweep.experiment import Experiment
    from ..sweep.folder import Job, Row
    from ..sweep.kinds import Kind


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", type=Path, help="the experiment, TOML; experiments/sweeps/example.toml shows all keys")
    parser.add_argument("--out", type=Path, help="folder of the sweep (default: runs/NAME of the experiment)")
    parser.add_argument("--address", help="of a Ray cluster, HOST:PORT or auto (default: Ray on this machine alone)")
    parser.add_argument("--cpus-per-run", type=int, default=1, metavar="N", help="cores and threads a run (default 1)")
    parser.add_argument(
        "--gpus-per-run",
        type=float,
        metavar="X",
        help="GPUs a run, 0.5 for two runs on one (default 0, full profile 1)",
    )
    parser.add_argument(
        "--retries", type=int, default=3, metavar="N", help="tries more for a run whose machine dies (default 3)"
    )
    parser.add_argument("--parquet", action="store_true", help="write the table as Parquet too")


def run(a: Namespace) -> int:
    """Do what is missing of a sweep; 1 if a job failed, 130 if Ctrl-C stopped it."""
    share = share_of(a)

    from ..drive import alone
    from ..profile import PROFILES
    from ..radiance.cameras import VIEW_WORDS
    from ..sweep.cluster import check_address, check_ray
    from ..sweep.experiment import jobs, read_experiment
    from ..sweep.folder import check_room, rows_there
    from ..sweep.kinds import KINDS, profile_of
    from ..sweep.table import check_parquet

    experiment = read_experiment(a.file)
    kind, all_jobs = KINDS[experiment.kind], jobs(experiment)
    model = experiment.model or PROFILES[profile_of()].model
    sweep = a.out or RUNS / slug(experiment.name)
    if sweep.exists() and not sweep.is_dir():
        raise ValueError(f"'{sweep}' is a file; name a folder by --out")
    check_writable(sweep / "table.csv")
    rows = rows_there(all_jobs, sweep)
    todo = [job for job in all_jobs if job["folder"] not in rows]
    if a.parquet:
        check_parquet()
    if todo:
        check_ray()
    if todo and a.address is None:  # on other machines a model may lie elsewhere
        worded = experiment.kind != "dream" or any(r.views.view_words for r in experiment.recipes.values())
        said = f", {max(VIEW_WORDS, key=len)} view" if worded else ""
        texts = [f"{about}{said}" for about in experiment.subjects] if kind.about == "prompt" else []
        check_texts(texts, experiment.model)
    if todo and a.address is not None:
        check_address(a.address)
    check_room(sweep, sum(kind.room(experiment.recipes[job["recipe"]], model) for job in todo))
    if kind.about == "prompt":
        for prompt in experiment.subjects:
            note_strange_words(prompt, model)
    try:
        with alone(sweep):
            if todo and not do(todo, rows, sweep, kind, share, a.address):
                print(
                    f"stopped with {len(rows)} of {len(all_jobs)} jobs done; the same command goes on", file=sys.stderr
                )
                return 130
            return finish(a, experiment, all_jobs, rows, sweep)
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        raise ValueError(f"the disk of '{sweep}' is full; free some space, and the same command goes on") from error


def share_of(a: Namespace) -> "Share":
    """What a run is given. Raises ValueError for what no run can be given."""
    gpus = a.gpus_per_run
    if gpus is None:
        gpus = float(os.environ.get("DREAMTEXT_PROFILE") == "full")
    if a.cpus_per_run < 1:
        raise ValueError(f"--cpus-per-run is {a.cpus_per_run}; it must be a whole number, at least 1")
    if not math.isfinite(gpus) or gpus < 0 or (gpus > 1 and gpus % 1):
        raise ValueError(f"--gpus-per-run is {gpus:g}; it must be a share from 0 to 1, or a whole number")
    if a.retries < 0:
        raise ValueError(f"--retries is {a.retries}; it must be a whole number, 0 or more")

    from ..sweep.cluster import Share

    return Share(a.cpus_per_run, gpus, a.retries)


def words(error: BaseException) -> str:
    """What a row says of an error."""
    return explain(error)[1]


def do(
    todo: "list[Job]", rows: "dict[str, Row]", sweep: Path, kind: "Kind", share: "Share", address: str | None
) -> bool:
    """Do these jobs under one bar and add their rows to those that are there; False if a Ctrl-C came first."""
    from tqdm import tqdm

    from ..drive import interruptible
    from ..sweep.cluster import check_share, connected, results

    total, failed = len(todo) + len(rows), 0
    print(f"{total} jobs, {len(rows)} of them done before, into '{sweep}'", flush=True)
    with interruptible() as asked, connected(address) as ray:
        check_share(ray, share)
        with tqdm(initial=len(rows), total=total, unit="job", dynamic_ncols=True) as bar:
            bar.set_postfix(failed=failed)
            for job, row in results(ray, todo, sweep, kind.run, words=words, share=share, asked=asked):
                rows[job["folder"]] = row
                failed += "error" in row
                bar.set_postfix(failed=failed, refresh=False)
                bar.update()
    return len(rows) == total


def finish(a: Namespace, experiment: "Experiment", jobs: "list[Job]", rows: "dict[str, Row]", sweep: Path) -> int:
    """Write the table, the sheet and a copy of the experiment, and say where they are; 1 if a job failed."""
    from ..files import write_bytes
    from ..sweep.table import lines_of, write_csv, write_parquet, write_sheet

    lines = lines_of(experiment, jobs, rows)
    write_csv(lines, sweep / "table.csv")
    write_bytes(sweep / "experiment.toml", experiment.source)  # as it was run: the file may have changed meanwhile
    print(sweep / "table.csv")
    if a.parquet:
        write_parquet(lines, sweep / "table.parquet")
        print(sweep / "table.parquet")
    if write_sheet(jobs, sweep, experiment.about, sweep / "sheet.jpg"):
        print(sweep / "sheet.jpg")
    if failed := sum("error" in row for row in rows.values()):
        print(
            f"dreamtext: {failed} of {len(jobs)} jobs failed; the column 'error' of '{sweep / 'table.csv'}' says why,"
            " and the same command tries them again",
            file=sys.stderr,
        )
    return int(failed > 0)
