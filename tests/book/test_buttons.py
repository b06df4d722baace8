"""The buttons that run a chapter elsewhere: none without an address, and with one they lead to what is there."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ADDRESS, BRANCH = "https://github.com/someone/dreams", "main"
HOSTS = re.compile(r'href="(https://(?:colab\.research\.google\.com|mybinder\.org)[^"]*)"')


@pytest.fixture(scope="module")
def buttons():
    sys.path.insert(0, str(ROOT / "book"))
    try:
        import buttons
    finally:
        sys.path.pop(0)
    return buttons


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_buttons_lead_to_the_notebook_in_the_repository(build_book, tmp_path, address):
    source, name = tmp_path / "source", NOTEBOOKS[0].relative_to(ROOT)
    (source / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("*.md"))
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    told = re.sub(r"^repository: .*$", f'repository: {{url: "{address}", branch: {BRANCH}}}', config, flags=re.M)
    (source / "_config.yml").write_text(told, encoding="utf-8")
    (source / "_toc.yml").write_text(f"format: jb-book\nroot: {name.with_suffix('')}\n", encoding="utf-8")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page")])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, source / name)
    html, _ = build_book(source, tmp_path / "built")
    page = (html / name.with_suffix(".html")).read_text(encoding="utf-8")
    assert "thebe" not in page.lower() and f'href="../_sources/{name}"' in page  # what can be downloaded is there
    assert (html / "_sources" / name).exists()
    assert set(HOSTS.findall(page)) == (
        {
            f"https://colab.research.google.com/github/someone/dreams/blob/{BRANCH}/{name}",
            f"https://mybinder.org/v2/gh/someone/dreams/{BRANCH}?urlpath=lab/tree/{name}",
        }
        if address
        else set()
    )


def test_no_page_of_ours_has_a_button_to_an_unknown_address(book, buttons):
    address, _ = buttons.repository()
    for path in NOTEBOOKS:
        found = HOSTS.findall((book / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8"))
        assert len(found) == (2 if address else 0)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cell_for_the_address_and_no_other(path, buttons):
    notebook = nbformat.read(path, as_version=4)
    assert buttons.fitted(notebook, *buttons.repository()) == notebook, "run `python book/buttons.py`"


def test_the_cell_stands_after_the_title_once_and_can_be_taken_away(buttons):
    plain = nbformat.read(NOTEBOOKS[0], as_version=4)
    there = buttons.fitted(plain, ADDRESS, BRANCH)
    assert there == buttons.fitted(there, ADDRESS, BRANCH) and plain == buttons.fitted(there, "", BRANCH)
    cell = there.cells[1]
    assert there.cells[0] == plain.cells[0] and there.cells[2:] == plain.cells[1:]
    assert f"--branch {BRANCH} {ADDRESS} dreamtext" in cell.source and "remove-cell" in cell.metadata.tags
    nbformat.validate(there)


def test_the_cell_does_nothing_where_the_library_is_there(buttons, tmp_path):
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(buttons.CELL.format(url=ADDRESS, branch=BRANCH))
    path = list(sys.path)
    exec(compile(code, "the cell", "exec"), {})  # a shell command would ask for get_ipython, which is not here
    assert sys.path == path


def test_binder_builds_with_the_versions_of_the_repository():
    told = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {"-c ../requirements.txt", "-e ."} <= set(told)
    python = re.fullmatch(r"python-3\.(\d+)\n", (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8"))[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert int(python) >= int(project["requires-python"].removeprefix(">=3."))
