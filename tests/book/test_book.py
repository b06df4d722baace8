"""The book builds without a warning, has its pages, and asks nothing of the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pages_of_the_toc():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]


@pytest.mark.parametrize("page", pages_of_the_toc())
def test_each_page_of_the_contents_exists(book, page):
    text = (book / f"{page}.html").read_text(encoding="utf-8")
    assert len(text) > 5000 and "<h1>" in text
    assert not re.search(r"<p>[^<]*\$\$", text), "a formula was not recognised"


def test_no_page_asks_the_network_for_anything(book):
    """Links may lead out; scripts, styles, fonts, pictures and frames may not."""
    asks = re.compile(
        r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["'](?:https?:)?//[^"']+"""
        r"""|<link\b[^>]*\brel=["'](?:stylesheet|preload|preconnect|icon)["'][^>]*\bhref=["'](?:https?:)?//[^"']+"""
        r"""|@import\s+(?:url\()?["'](?:https?:)?//""",
        re.I,
    )
    found = {
        str(p.relative_to(book)): asks.findall(p.read_text(errors="ignore", encoding="utf-8"))
        for p in book.rglob("*.html")
    }
    assert not {page: hits for page, hits in found.items() if hits}
    for style in (book / "_static").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text(errors="ignore", encoding="utf-8")), style


def test_the_vendored_scripts_are_in_the_book(book):
    for name in ("require.js", "embed-amd.js", "anywidget.js", "require-config.js", "mathjax/tex-mml-chtml.js"):
        assert (book / "_static" / "vendor" / name).stat().st_size > 200
    assert "vendor/mathjax/tex-mml-chtml.js" in (book / "book" / "notation.html").read_text(encoding="utf-8")


def test_make_book_leaves_the_committed_notebook_alone():
    sys.path.insert(0, str(ROOT / "book"))
    try:
        import build as builder
    finally:
        sys.path.pop(0)
    assert builder.SOURCE != ROOT and (builder.SOURCE / builder.QUICKSTART).resolve() != (ROOT / builder.QUICKSTART)


def test_the_plain_commands_are_those_of_the_makefile():
    """What `make setup book test` would run from nothing, without checks, words and options that quieten pip."""
    text = (ROOT / "book" / "run.md").read_text(encoding="utf-8").split("(without-make)=")[1]
    posix, windows = (
        re.search(rf"```{shell}\n(.*?)```", text, re.S)[1].splitlines() for shell in ("bash", "powershell")
    )
    asked = ["make", "-n", "-B", "--no-print-directory", "setup", "book", "test", "PYTHON=python3"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    told = [line.removeprefix("test -x .venv/bin/python || ") for line in done.stdout.splitlines()]
    run = [line for line in told if not line.startswith(("python3 -c", "echo", "touch"))]
    assert posix == [line.replace(" -q --disable-pip-version-check", "") for line in run]
    there = {"python3": "py", ".venv/bin/": ".venv\\Scripts\\", "book/": "book\\"}
    assert windows == [re.sub("|".join(there), lambda found: there[found[0]], line) for line in posix]


def test_the_makefile_says_what_it_can_do():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0
    for target in ("book", "test", "lab", "demo", "help"):
        assert f"make {target}" in done.stdout
