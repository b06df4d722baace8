"""The pages that compare the book's sweeps: what stands on them, what they weigh, and that links lead to them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamtext_lib.lessons import evidence
from dreamtext_lib.lessons.evidence import MEASURED, measured
from experiments import sheet

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


def test_pictures_stand_with_the_scores_of_their_own_seed(tmp_path, monkeypatch):
    """Where the first job failed, the table begins with another seed than that of the pictures."""
    for module in (comparisons, evidence):
        monkeypatch.setattr(module, "MEASURED", tmp_path)
    monkeypatch.setitem(comparisons.TEXTS, "trial", ("Trial", "One method."))
    rows = ("recipe,prompt,seed,class_share", "base,a mug,3,0.1", "base,a fish,0,0.2", "base,a fish,3,0.3")
    (tmp_path / "trial.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "trial").mkdir()
    Image.new("RGB", (12 * 64, 64)).save(tmp_path / "trial" / "base.webp")
    seen = {"base": ["a fish"], "fronts": {"recipes": ["base"], "subjects": ["a mug", "a fish"], "seeds": [0, 3]}}
    (tmp_path / "trial" / "index.json").write_text(json.dumps(seen), encoding="utf-8")
    what = comparisons.comparison("trial")
    assert [(c.subject, c.scores) for c in what.cards] == [("a fish", {"class_share": 0.2})]
    assert "Pictures are those of seed 0; means are over all 2 seeds." in what.text
    assert what.means[""]["base", "class_share"].count == 3


def test_pages_are_written_light_and_all_links_to_them_lead_somewhere(book):
    pages = {path.name: path.stat().st_size for path in (book / "_static" / "compare").glob("*.html")}
    assert set(pages) == {f"{name}.html" for name in HERE} and max(pages.values()) < 4e6
    texts = [path.read_text(encoding="utf-8") for path in book.rglob("*.html")]
    assert {name for text in texts for name in re.findall(r'href="[^"]*_static/compare/([^"]+)"', text)} == set(pages)


def test_the_contact_sheet_on_the_page_is_that_of_the_table(book):
    lines = measured("sheet")
    index = json.loads((MEASURED / "sheet" / "index.json").read_text(encoding="utf-8"))["fronts"]
    assert (ROOT / sheet.PAGE).read_text(encoding="utf-8") == f"{sheet.means(lines)}\n{sheet.grid(lines, index)}"
    assert (ROOT / sheet.STATIC).read_bytes() == (MEASURED / "sheet" / "fronts.webp").read_bytes()
    page = (book / "book" / "gallery.html").read_text(encoding="utf-8")
    assert page.count('<span role="img"') == len(lines) == 14 * 3 * 3
