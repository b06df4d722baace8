"""Runs are driven to their end, stopped between steps, refused twice in a folder, and ended where numbers break."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from dreamtext_lib import drive as driving
from dreamtext_lib.drive import PATIENCE, Anew, alone, drive


class Record(NamedTuple):
    step: int
    nonfinite: int
    culprit: str = "the answer"


class Lost(NamedTuple):
    """A record whose loss is gone."""

    step: int
    nonfinite: int = 1
    culprit: str = "the answer"
    loss: float = float("nan")


class Count:
    """A run that counts, breaks at some steps and presses Ctrl-C at others."""

    def __init__(self, steps=10, broken=(), pressed=()):
        self.recipe, self.step, self.saved = SimpleNamespace(steps=steps), 0, []
        self.broken, self.pressed = broken, pressed

    def run(self):
        while self.step < self.recipe.steps:
            self.step += 1
            if self.step in self.pressed:
                signal.raise_signal(signal.SIGINT)
            yield Record(self.step, 3 * (self.step in self.broken))

    def save(self, folder):
        self.saved.append(self.step)


def driven(run, folder, every=4, spoilt=lambda: False):
    drawn = []
    whole = drive(
        run,
        folder,
        every=every,
        line=lambda records: {"step": records[-1].step, "count": len(records)},
        bar=lambda record: {"step": str(record.step)},
        preview=lambda: drawn.append(run.step),
        spoilt=spoilt,
    )
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return whole, drawn, [(line["step"], line["count"]) for line in lines]


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C is heard here, even where the tests were begun in the background by a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_program_that_ignores_ctrl_c_goes_on_so(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert driven(Count(pressed=[6]), tmp_path)[0]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_run_comes_to_its_end(tmp_path):
    run = Count()
    assert driven(run, tmp_path) == (True, [4, 8, 10], [(4, 4), (8, 4), (10, 2)])
    assert run.saved == [4, 8, 10] and [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]


def test_ctrl_c_waits_for_the_step_in_hand_and_the_log_goes_on(tmp_path):
    before, run = signal.getsignal(signal.SIGINT), Count(pressed=[6])
    assert driven(run, tmp_path) == (False, [4, 6], [(4, 4), (6, 2)])
    assert run.saved == [4, 6] and signal.getsignal(signal.SIGINT) is before
    assert driven(run, tmp_path)[2] == [(4, 4), (6, 2), (8, 2), (10, 2)]


def test_a_run_that_is_spoilt_ends_unless_ctrl_c_came_before_or_meanwhile(tmp_path):
    asked = []

    def spoilt(of, press=False):
        asked.append(run.step)
        if press:
            signal.raise_signal(signal.SIGINT)
        return run.step in of

    run = Count()
    with pytest.raises(Anew):
        driven(run, tmp_path, spoilt=lambda: spoilt([8]))
    assert (run.step, asked) == (8, [4, 8])
    for pressed, of, press, step, looks in (
        ([6], [6], False, 6, [4]),
        ([4], [4], False, 4, []),
        ([], [4], True, 4, [4]),
    ):
        run, asked = Count(pressed=pressed), []
        assert not driven(run, tmp_path, spoilt=lambda of=of, press=press: spoilt(of, press))[0]
        assert (run.step, run.saved[-1], asked) == (step, step, looks), "what was saved stays, and is told"


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    run = Count(pressed=[6, 7])
    run.run = lambda: iter_twice(run)
    with pytest.raises(KeyboardInterrupt):
        driven(run, tmp_path)
    assert run.saved == [4]


def iter_twice(run, at=6):
    for step in range(1, 11):
        run.step = step
        if step == at:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        yield Record(step, 0)


def test_a_gradient_that_stays_broken_ends_the_run_and_one_that_heals_does_not(tmp_path):
    assert driven(Count(20, broken=[2, 3, 4, 5, 7, 8, 9, 10]), tmp_path / "a")[0]
    run = Count(20, broken=range(6, 21))
    with pytest.raises(ValueError, match=f"stopped at step {5 + PATIENCE}: the answer was not finite .* .3 entries"):
        driven(run, tmp_path / "b")
    assert run.saved == [4, 8] and [p.name for p in (tmp_path / "b").iterdir()] == ["log.jsonl"]


def test_a_run_that_ends_broken_is_no_success(tmp_path):
    run = Count(2)
    run.run = lambda: (Lost(step) for step in (1, 2))
    with pytest.raises(ValueError, match=r"stopped at step 2: the answer was not finite for 2 steps in a row .*saved"):
        driven(run, tmp_path)
    assert run.saved == []


@pytest.mark.parametrize("made", [True, False])
def test_what_ends_before_its_first_checkpoint_leaves_nothing_and_what_was_there_stays(made, tmp_path):
    folder = tmp_path / "runs" / "run"
    if made:
        folder.mkdir(parents=True)
        (folder / "mine.txt").touch()
    left = sorted(tmp_path.rglob("*"))

    class Full(Count):
        def save(self, folder):
            (folder / "recipe.json").touch()  # and then the disk is full
            raise OSError("the disk is full")

    twice = Count()
    twice.run = lambda: iter_twice(twice, at=2)
    for run, error, words in (
        (Count(20, broken=range(1, 20)), ValueError, "stopped at step 5: .* nothing was saved before$"),
        (Full(), OSError, "full"),
        (twice, KeyboardInterrupt, "^$"),
    ):
        with pytest.raises(error, match=words):
            driven(run, folder, every=6)
        assert sorted(tmp_path.rglob("*")) == left


def test_a_resumed_run_that_ends_in_an_error_loses_nothing(tmp_path):
    run = Count(20, broken=range(6, 20))
    driven(Count(4), tmp_path)
    run.step = 4
    with pytest.raises(ValueError, match="what was learned up to step 4 is in"):
        driven(run, tmp_path, every=20)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 10]


def test_two_runs_in_one_folder_are_refused_and_a_killed_one_holds_nothing(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from dreamtext_lib.drive import alone
with alone(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="another run is at work"):
            driven(Count(), tmp_path)
    finally:
        other.kill()
        other.wait()
    with alone(tmp_path):
        pass
    assert driven(Count(), tmp_path)[0]


def test_a_folder_is_held_though_its_former_run_removed_the_file_before_it_was_locked(tmp_path, monkeypatch):
    lock, calls = driving.hold, []

    def late(file):
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / ".running").unlink()
        lock(file)

    monkeypatch.setattr(driving, "hold", late)
    with alone(tmp_path):
        assert len(calls) == 2 and (tmp_path / ".running").exists()
        with pytest.raises(ValueError, match="another run is at work"), alone(tmp_path):
            pass
    assert not list(tmp_path.iterdir())
