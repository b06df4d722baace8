"""Building a book, for the tests of its files and the tests in a browser."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(source: Path, target: Path) -> tuple[Path, str]:
    """Build a book from nothing; returns the folder of its pages and what the build said."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(source), "--path-output", str(target), "-W", "-n", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return target / "_build" / "html", done.stdout + done.stderr


@pytest.fixture(scope="session")
def build_book():
    """`build`, for tests with a book of their own."""
    return build


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The folder of this book's pages."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("book", "notebooks"):
        shutil.copytree(ROOT / folder, source / folder)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, source / name)
    static = source / "book" / "_static"
    for program, place in (("page_parts.py", static / "dream" / "models"), ("comparisons.py", static / "compare")):
        subprocess.run([sys.executable, str(ROOT / "book" / program), str(place)], check=True)
    return build(source, tmp_path_factory.mktemp("built"))[0]
