"""The pages that compare the book's sweeps: what stands on them, what they weigh, and that links lead to them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from dreamtext_lib.lessons.evidence import MEASURED, measured

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
import comparisons  # noqa: E402

HERE = [name for name in comparisons.TEXTS if (MEASURED / f"{name}.csv").exists()]


@pytest.mark.parametrize("name", HERE)
def test_a_page_has_a_card_for_each_method_and_subject_and_the_tables_means(name):
    what, lines = comparisons.comparison(name), measured(name)
    first = [line for line in lines if line["seed"] == lines[0]["seed"]]
    about = list(first[0])[1]
    assert {(c.method, c.subject) for c in what.cards} == {(line["recipe"], line[about]) for line in first}
    assert len(what.cards) == len(first) and {len(c.turn) for c in what.cards} == {what.frames}
    for method in what.methods:
        shares = [float(line["class_share"]) for line in lines if line["recipe"] == method]
        assert what.means[""][method, "class_share"].mean == pytest.approx(np.mean(shares))
        assert what.means[""][method, "class_share"].count == len(shares)


def test_pages_are_written_light_and_all_links_to_them_lead_somewhere(book):
    pages = {path.name: path.stat().st_size for path in (book / "_static" / "compare").glob("*.html")}
    assert set(pages) == {f"{name}.html" for name in HERE} and max(pages.values()) < 4e6
    texts = [path.read_text(encoding="utf-8") for path in book.rglob("*.html")]
    assert {name for text in texts for name in re.findall(r'href="[^"]*_static/compare/([^"]+)"', text)} == set(pages)
