"""The ledger is complete and true: each equation once, functions and checks that exist, pages as written."""

import importlib
import re
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))

import ledger  # noqa: E402

COUNTS = {2: 10, 3: 21, 4: 30, 5: 4, 6: 1}
ENTRIES = ledger.equations()
BUILT = [e for e in ENTRIES if e["function"]]


def resolve(dotted):
    """The object behind a dotted path: a module, then attributes of it."""
    parts = dotted.split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            found = getattr(found, name)
        return found
    raise AssertionError(f"no module in {dotted}")


def test_all_66_equations_are_there_once_and_in_order():
    expected = [f"{chapter}.{i}" for chapter, count in COUNTS.items() for i in range(1, count + 1)]
    assert [e["id"] for e in ENTRIES] == expected and len(expected) == 66
    assert all(e["chapter"] == int(e["id"][0]) and e["subject"] for e in ENTRIES)


@pytest.mark.parametrize("entry", BUILT, ids=lambda e: e["id"])
def test_each_function_exists_and_says_what_it_does(entry):
    for dotted in entry["function"]:
        assert resolve(dotted).__doc__, dotted


def test_each_built_equation_has_a_check_and_each_check_an_equation():
    checks, ids = ledger.checks(), {e["id"] for e in ENTRIES}
    assert set(checks) <= ids
    assert {e["id"] for e in BUILT} <= set(checks)


def test_what_the_book_derives_is_built():
    needed = [f"2.{i}" for i in range(1, 11)] + [f"3.{i}" for i in range(1, 10)] + [f"4.{i}" for i in range(1, 26)]
    assert {*needed, "4.30"} <= {e["id"] for e in BUILT}


def test_formulas_fit_into_tables_and_errata_say_why():
    for e in ENTRIES:
        for line in e["formula"] if isinstance(e["formula"], list) else [e["formula"]]:
            assert "|" not in line and line.count("{") == line.count("}"), e["id"]
        if e["erratum"]:
            assert set(e["erratum"]) <= {"printed", "right", "why"} and e["erratum"]["why"], e["id"]
            assert all(text.count("$") % 2 == 0 for text in e["erratum"].values()), e["id"]


@pytest.mark.parametrize("path", ledger.pages(), ids=lambda p: p.name)
def test_the_committed_pages_are_what_the_generator_writes(path):
    assert path.read_text(encoding="utf-8") == ledger.pages()[path], "run `python -m book.ledger`"


def test_each_pattern_of_a_claim_finds_its_lines():
    for claim in yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8")):
        lines = ledger.printed(claim["notebook"])
        for pattern in claim["lines"]:
            assert any(re.search(pattern, line) for line in lines), (claim["id"], pattern)


def test_links_to_errata_lead_somewhere():
    targets = set(re.findall(r"^\((erratum-[\d-]+)\)=", ledger.errata_list(), re.M))
    text = (ROOT / "book" / "errata.md").read_text(encoding="utf-8") + ledger.equations_page()
    assert set(re.findall(r"\(#(erratum-[\d-]+)\)", text)) <= targets and len(targets) > 30


def test_the_ledger_of_figures_has_each_of_the_62_once():
    counts = {2: 3, 3: 9, 4: 9, 5: 3, 6: 12, 8: 26}
    text = (ROOT / "book" / "figures.md").read_text(encoding="utf-8")
    first = [line.split("|")[1] for line in text.splitlines() if re.match(r"\| [\d,. ]+(, table 5.1)? \|", line)]
    found = re.findall(r"\d+\.\d+", ",".join(first).replace("table 5.1", ""))
    assert sorted(found) == sorted(f"{c}.{i}" for c, n in counts.items() for i in range(1, n + 1))
    for name, heading in re.findall(r"notebooks/(\w+)`, \*(.+?)\*", text):
        cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        assert any(f"# {heading}\n" in c.source + "\n" for c in cells), f"{name} has no section '{heading}'"


def test_each_paper_is_listed_once():
    keys = re.findall(r"^@\w+\{(.+),$", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(keys) > 50 and len(keys) == len(set(keys))
