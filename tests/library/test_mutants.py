"""The mutants are what they claim, all were caught, and the machinery that says so is to be trusted."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import mutants  # noqa: E402
from ledger import equations  # noqa: E402

ALL = mutants.load()

TRIAL = """
import json, sys
sys.path.insert(0, "tests")
import mutants
real = next(m for m in mutants.load() if m["equation"] == "4.30")
harmless = real | {"new": "(" + real["old"] + ")"}
nonsense = real | {"new": real["old"] + ")"}
mutants.warm_up()
json.dump([result for result, _ in mutants.run_all([real, harmless, nonsense])], sys.stdout)
"""


def test_each_mutant_changes_one_place_of_the_package():
    for m in ALL:
        assert set(m) == {"equation", "file", "old", "new"} and m["old"] != m["new"]
        assert (ROOT / mutants.PACKAGE / m["file"]).read_text(encoding="utf-8").count(m["old"]) == 1, m
    assert len({tuple(m.values()) for m in ALL}) == len(ALL)


@pytest.mark.parametrize("entry", [e for e in equations() if e["function"]], ids=lambda e: e["id"])
def test_each_built_equation_has_two_mutants(entry):
    assert Counter(m["equation"] for m in ALL)[entry["id"]] >= 2


def test_the_committed_results_are_of_these_mutants_and_all_were_caught():
    results = json.loads(mutants.RESULTS.read_text(encoding="utf-8"))
    assert [{k: r[k] for k in m} for m, r in zip(ALL, results, strict=True)] == ALL, "run `make mutants`"
    assert {r["result"] for r in results} == {"caught"}


def test_a_mutant_is_caught_an_unbroken_copy_passes_and_a_syntax_error_is_no_catch():
    done = subprocess.run(
        [sys.executable, "-c", TRIAL], cwd=ROOT, capture_output=True, text=True, timeout=300, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["caught", "survived", "broken"]
