"""One way to drive a run to its end: bar, log, checkpoints, previews, Ctrl-C, and a stop where numbers break."""

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from .runs import Log

PATIENCE = 5  # steps in a row that may have entries that are not finite


class Anew(Exception):
    """What ends a run that is to be begun anew."""


class Record(Protocol):
    """What one step did, at least."""

    step: int  # which one it was, from 1
    nonfinite: int  # entries of its gradients that were not finite
    culprit: str  # the first quantity that was not


class Run(Protocol):
    """What is driven: a dream, a fit."""

    step: int  # steps done
    recipe: Any  # its `steps` are those of the whole run

    def run(self) -> Iterator[Record]:
        """The remaining steps, a record each; what a record tells is done."""

    def save(self, folder: Path) -> None:
        """Write the record and the checkpoint, from which the run goes on bit for bit."""


def drive(
    run: Run,
    folder: Path,
    *,
    every: int,
    line: Callable[[Sequence[Any]], Mapping[str, Any]],
    bar: Callable[[Any], Mapping[str, str]],
    preview: Callable[[], None] = lambda: None,
    spoilt: Callable[[], bool] = lambda: False,
    quiet: bool = False,
) -> bool:
    """Take the remaining steps of a run; whether it came to its end, and not to a Ctrl-C.

    After each `every` steps, at the end and at a Ctrl-C: `line` of the records since goes to log.jsonl, the run is
    saved, `preview` draws. `bar` says what the bar shows of a record; `quiet` draws none. A Ctrl-C waits for the step
    in hand, so that the checkpoint is true; a second one does not, and leaves the last checkpoint. `spoilt` is asked
    after each `every` steps, but not once a Ctrl-C came: where it is true, Anew ends the run. A run that ends in an
    error before its first checkpoint leaves nothing: what it wrote is removed, and the folder if it made it. Raises
    ValueError, in one sentence, if another run is at work in the folder, or if gradients are not finite in `PATIENCE`
    steps in a row.
    """
    recent, broken, last, kept = [], 0, run.recipe.steps, run.step
    with alone(folder), interruptible() as asked, nothing_left(folder, unless=lambda: kept):
        log = Log(folder / "log.jsonl", keep=run.step)
        with tqdm(run.run(), initial=run.step, total=last, unit="step", dynamic_ncols=True, disable=quiet) as shown:
            for record in shown:
                recent.append(record)
                shown.set_postfix(bar(record))
                broken = broken + 1 if record.nonfinite else 0
                lost = broken and record.step == last and not math.isfinite(getattr(record, "loss", 0.0))
                if broken == PATIENCE or lost:
                    log(line(recent))
                    raise ValueError(nonfinite(record, folder, kept, broken))
                if record.step % every == 0 or record.step == last or asked():
                    log(line(recent))
                    run.save(folder)
                    recent, kept = [], record.step
                    preview()
                begins_anew = record.step % every == 0 and not asked() and spoilt()
                if asked() and record.step < last:  # also where it came meanwhile
                    return False
                if begins_anew:
                    raise Anew
    return True


def nonfinite(record: Record, folder: Path, kept: int, broken: int) -> str:
    """The sentence for a run whose gradients broke in its last `broken` steps; `kept`: the step of its checkpoint."""
    when = f"for {broken} steps in a row" if broken > 1 else "in the last step"
    left = f"what was learned up to step {kept} is in '{folder}'" if kept else "nothing was saved before"
    return (
        f"stopped at step {record.step}: {record.culprit} was not finite {when}"
        f" ({record.nonfinite} entries of a slope were lost in the last); check the model's weights and precision,"
        f" or begin anew with smaller rates; {left}"
    )


def stopped(run: Run, command: str, folder: Path) -> int:
    """Say that a run was stopped and how it goes on; the status of a command that a Ctrl-C ended."""
    print(f"\nstopped at step {run.step}; go on with: dreamtext {command} --resume '{folder}'", file=sys.stderr)
    return 130


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, to be asked between steps; the second time it interrupts at once.

    A program that was begun so that it ignores Ctrl-C, as a shell's script begins one in the background, goes on so.
    """
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or former is signal.SIG_IGN:
        yield lambda: False
        return
    pressed = threading.Event()

    def press(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, former)

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, former)


@contextmanager
def nothing_left(folder: Path, unless: Callable[[], object]) -> Iterator[None]:
    """Where the block fails, remove the files that came into a folder meanwhile, unless there is something to keep."""
    there = set(folder.iterdir())
    try:
        yield
    except BaseException:
        if not unless():
            for path in set(folder.iterdir()) - there:
                path.unlink()
        raise


@contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it; what was made and holds nothing at the end goes again."""
    made = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]  # the deepest first
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # what holds something stays
            for path in made:
                path.rmdir()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for one run; the hold ends with the program, however it ends. ValueError if another one has it."""
    path = Path(folder) / ".running"
    with no_empty_folder(path.parent), held(path) as file:
        if file is None:
            raise ValueError(f"another run is at work in '{folder}'; wait for it, or choose another folder")
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file: there it stays, and is held by no one
                path.unlink()


@contextmanager
def held(path: Path) -> Iterator[TextIO | None]:
    """A file that this program alone has locked, made if need be; None if another one has it.

    A file that its holder removed before this program had locked it excludes no one who comes later: it is made again,
    some times, as there are disks that do not tell files apart.
    """
    for last in (*[False] * 20, True):
        with open(path, "w", encoding="utf-8") as file:
            try:
                hold(file.fileno())
            except OSError:
                yield None
                return
            try:
                mine = last or os.path.samestat(os.fstat(file.fileno()), os.stat(path))
            except FileNotFoundError:
                mine = False
            except OSError:  # this disk has no numbers of files
                mine = True
            if mine:
                yield file
                return


def hold(file: int) -> None:
    """Lock an open file for this program alone. Raises OSError if another one has it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
