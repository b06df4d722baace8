"""Every notebook was executed, is small and clean, and runs to its end in the quick mode with its asserts true."""

import ast
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pytest
import yaml

from book.tidy import tidied, tidy

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SEEN = [pytest.param(path, id=path.stem) for path in NOTEBOOKS]


def cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]


def test_there_are_notebooks_and_the_book_has_them_all():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {c["file"] for part in toc["parts"] for c in part["chapters"]}
    assert NOTEBOOKS and {f"notebooks/{path.stem}" for path in NOTEBOOKS} <= listed


@pytest.mark.parametrize("path", SEEN)
def test_a_notebook_is_committed_as_it_ran(path):
    counts = [c.execution_count for c in cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run it from top to bottom and save it"
    assert not [o for c in cells(path) for o in c.outputs if o.output_type == "error"]
    assert any(c.outputs for c in cells(path)), "nothing was printed or drawn"
    assert tidy(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8"), "run book.tidy on it"
    assert path.stat().st_size < 3e6


@pytest.mark.parametrize("path", SEEN)
def test_what_a_chapter_shows_is_of_one_run(path):
    stamps = [c.metadata.get("execution", {}).get("iopub.execute_input") for c in cells(path)]
    stamps = [stamp for stamp in stamps if stamp]  # a cell that was split afterwards has none
    assert len(stamps) > 0.8 * len(cells(path)), "nobody can tell when it ran: execute all of it by nbconvert"
    began, ended = (datetime.fromisoformat(of(stamps).replace("Z", "+00:00")) for of in (min, max))
    assert ended - began < timedelta(minutes=10)


@pytest.mark.parametrize("path", SEEN)
def test_a_table_that_a_cell_makes_is_shown(path):
    if not any("lessons.tables import" in c.source for c in cells(path)):
        return
    for c in cells(path):
        lost = [s for s in ast.parse(c.source).body[:-1] if ast.unparse(s).startswith("table(")]
        assert not lost, f"only a cell's last expression is shown: {ast.unparse(lost[0])[:60]}"


def test_bars_are_taken_out_and_what_is_printed_in_pieces_is_one():
    def said(text, name="stdout"):
        return {"name": name, "output_type": "stream", "text": [text]}

    picture = {"output_type": "display_data", "data": {}, "metadata": {}}
    bar = {**picture, "data": {"text/plain": ["Loading: 60%|######    | 3/5 [00:00<?, ?it/s]"]}}
    found = tidied([said("1\n"), said("50%", "stderr"), bar, said("2\n"), picture, said("3\n")])
    assert found == [{**said(""), "text": ["1\n", "2\n"]}, picture, said("3\n")]


@pytest.mark.parametrize("path", SEEN)
def test_a_chapter_begins_with_its_number(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    assert first.startswith(f"# {int(path.stem[:2])}. "), first.splitlines()[0]


@pytest.mark.parametrize("path", SEEN)
def test_a_chapter_says_how_long_it_took_and_keeps_to_its_time(path):
    printed = "".join(o.get("text", "") for c in cells(path) for o in c.outputs)
    minutes, seconds = re.search(r"the whole chapter ran in (\d+) min (\d\d) s on \d thread", printed).groups()
    assert 60 * int(minutes) + int(seconds) <= 300


@pytest.mark.parametrize("path", SEEN)
def test_a_notebook_can_fail_and_speaks_to_all_readers(path):
    assert sum("assert " in c.source for c in cells(path)) >= 2, "a wrong picture passes without asserts"
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|work|Users|tmp)/\w", text), "a path of one machine"
    for cell in cells(path):
        figures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        if figures:
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), f"no alternative text: {cell.source}"


CHAPTERS = [p for p in SEEN if p.id[:2] != "00"]


@pytest.mark.parametrize("path", CHAPTERS)
def test_a_chapter_has_exercises_with_stubs_checks_and_solutions(path):
    """Each stub raises NotImplementedError, is attempted, and is followed by a folded solution that passes its check.

    That stubs fail and solutions pass is shown by running them: DREAMTEXT_STUBS below.
    """
    code = cells(path)
    stubs = [c.source for c in code if "exercise" in c.metadata.get("tags", [])]
    solutions = "\n".join(c.source for c in code if {"solution", "hide-cell"} <= set(c.metadata.get("tags", [])))
    attempts = re.findall(r"^attempt\((check_\w+), (\w+)\)$", "\n".join(c.source for c in code), re.M)
    assert len(stubs) >= 3 and all("raise NotImplementedError" in s for s in stubs)
    assert len(attempts) == len(stubs)
    for (check, name), stub in zip(attempts, stubs):
        assert re.search(rf"^(def|class) {name}\b", stub, re.M), f"{name} is no stub of the exercise before it"
        assert re.search(rf"^{check}\({name}_solution\)$", solutions, re.M), (
            f"{check} has no solution that it is run on"
        )


@pytest.mark.parametrize("path", SEEN)
def test_a_notebook_runs(path, tmp_path):
    """nbval in its lax form: every cell runs, asserts hold; outputs are compared only where a cell asks for it."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--nbval-lax",
        "--nbval-cell-timeout=300",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(path)],
        cwd=ROOT,
        env={
            **os.environ,
            "DREAMTEXT_QUICK": "1",
            "DREAMTEXT_STUBS": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", SEEN)
def test_only_the_quickstart_asks_for_the_profile(path):
    """The recipes of the full one are others; a chapter of the tiny models that asked for it would fail on a GPU."""
    asks = [c.source for c in cells(path) if "dreamtext_lib.profile" in c.source]
    assert bool(asks) == (path.stem == "00_quickstart")
