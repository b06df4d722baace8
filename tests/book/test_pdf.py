"""The book on paper: links lead to their places within it, what is left out is no link, the rest of the world stays."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = {
    "one": '<h1>One</h1><p id="here">here</p><p style="break-before: page" id="far">far</p>'
    '<a href="two.html">two</a> <a href="two.html#deep">deep</a> <a href="#here">here</a>'
    '<a href="gone.html">gone</a> <a href="https://example.org/">out</a>',
    "two": '<h1>Two</h1><p style="break-before: page">next</p><p id="deep">deep</p><a href="one.html#far">far</a>',
}


@pytest.fixture
def pdf(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "book"))
    import pdf

    for name, text in PAGES.items():
        (tmp_path / f"{name}.html").write_text(f'<article class="bd-article">{text}</article>', encoding="utf-8")
    monkeypatch.setattr(pdf, "HTML", tmp_path)
    monkeypatch.setattr(pdf, "PDF", tmp_path / "book.pdf")
    monkeypatch.setattr(pdf, "contents", lambda: [("", ["one"]), ("A part", ["two"])])
    yield pdf
    sys.modules.pop("pdf")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: nothing was printed")
def test_links_lead_within_the_book(pdf, tmp_path, capsys):
    from pypdf import PdfReader

    (tmp_path / "index.html").touch()
    assert pdf.main() == 0 and "4 sheets" in capsys.readouterr().out
    book = PdfReader(pdf.PDF)
    inside, outside = [], []
    for i, sheet in enumerate(book.pages):
        for link in sheet["/Annots"]:
            link = link.get_object()
            if "/Dest" in link:
                inside.append((i, book.get_page_number(link["/Dest"][0].get_object())))
            else:
                outside.append(link["/A"]["/URI"])
    assert sorted(inside) == [(1, 0), (1, 2), (1, 3), (3, 1)]  # here; two; deep; far
    assert outside == ["https://example.org/"]
    assert [o.title for o in book.outline if not isinstance(o, list)] == ["One", "A part"]


def test_without_a_built_book_it_says_what_to_do(pdf, capsys):
    assert pdf.main() == 1
    said = capsys.readouterr().err
    assert ("make book" if CHROMIUM else "apt-get install chromium") in said


def test_the_sheets_are_those_of_the_contents_without_the_reference(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book"))
    import pdf

    names = [name for _, names in pdf.contents() for name in names]
    assert names[0] == "book/intro" and "notebooks/00_quickstart" in names
    assert not [name for name in names if name.startswith("book/api/")]
    sys.modules.pop("pdf")
