"""The book builds without a warning, has its pages, and asks nothing of the network."""

import html
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
    prose = re.sub(r"<pre.*?</pre>", "", text, flags=re.S)
    assert not re.search(r"(```+|:::+)\{[\w:-]+\}", prose), "a directive was not recognised"


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


def test_the_vendored_script_is_in_the_book(book):
    assert (book / "_static" / "vendor" / "mathjax" / "tex-mml-chtml.js").stat().st_size > 200
    assert "vendor/mathjax/tex-mml-chtml.js" in (book / "book" / "notation.html").read_text(encoding="utf-8")


def test_the_first_page_has_every_chapter_once_on_the_walk_around_a_step(book):
    text = (book / "book" / "intro.html").read_text(encoding="utf-8")
    start = text.index('class="walk')
    walk = text[start : text.index("What you will build<", start)]
    named = re.findall(r'href="\.\./notebooks/(\d\d_\w+)\.html"', walk)
    chapters = [page.split("/")[1] for page in pages_of_the_toc() if page.startswith("notebooks/")]
    assert sorted(named) == sorted(chapters)[1:]  # the quickstart is the mesh above


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


def test_each_module_has_its_place_in_the_reference():
    """All but the program's own, whose help speaks, and rooms that only hold others."""
    told = [
        m
        for p in (ROOT / "book" / "api").glob("*.md")
        for m in re.findall(r"automodule:: (\S+)", p.read_text(encoding="utf-8"))
    ]
    files = (ROOT / "dreamtext_lib").rglob("*.py")
    there = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}
    wanted = {
        name
        for name, file in there.items()
        if not name.startswith("dreamtext_lib.cli")
        and (file.name != "__init__.py" or re.search(r"^def ", file.read_text(encoding="utf-8"), re.M))
    }
    assert len(told) == len(set(told)) and set(told) == wanted


def test_the_reference_shows_formulas_units_and_defaults_as_they_are_written(book):
    def shown(page):
        text = (book / "book" / "api" / f"{page}.html").read_text(encoding="utf-8")
        return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())

    radiance, runs = shown("radiance"), shown("runs")
    assert "(3.13): w_i = T_i (1 - exp(-sigma_i delta_i))." in radiance
    assert ">>> weights(torch.tensor([0.0, float(" in radiance
    assert "threshold = 0.5: density below which a voxel is empty, in 1 / unit of length (1 / radius in a fit)" in runs
    assert "Alias for field number" not in radiance and "Range(words" not in runs


def test_the_commands_of_the_thesis_have_counterparts_that_parse(monkeypatch):
    """Each command of ours in the table is taken by the parser of the full profile, and its recipe is one."""
    from dreamtext_lib.cli.main import parser

    monkeypatch.setenv("DREAMTEXT_PROFILE", "full")
    text = (ROOT / "book" / "run.md").read_text(encoding="utf-8").split("(commands-of-the-thesis)=")[1].split("## ")[1]
    rows = re.findall(r"^\| `(.+?)` \| `dreamtext (.+?)` \|$", text, re.M)
    assert [there.split()[0] for there, _ in rows] == [
        "descriptor.py",
        "main.py",
        "main.py",
        "stable_diffusion.py",
        "main.py",
    ]
    for _, here in rows:
        told = here.split()
        assert parser(told).parse_args(told).command == told[0]
