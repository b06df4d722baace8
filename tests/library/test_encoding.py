"""Every text file is read and written as UTF-8, whatever the machine's encoding is, in all code of the repository."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("dreamtext_lib", "book", "benchmarks", "experiments", "tests")
OTHERS = ("Image", "os", "iio", "webbrowser")  # modules whose `open` is of another kind


def unnamed(source: str) -> list[int]:
    """The lines that open, read or write text, or run a program for its text, and leave the encoding to the machine."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        words, method = {k.arg: k.value for k in node.keywords}, isinstance(node.func, ast.Attribute)
        name = node.func.attr if method else getattr(node.func, "id", "")
        if "encoding" in words:
            continue
        if method and name in ("read_text", "write_text"):
            lines.append(node.lineno)
        elif name == "open" and not (method and ast.unparse(node.func.value) in OTHERS):
            mode = words.get("mode", node.args[1 - method] if len(node.args) > 1 - method else None)
            if not (isinstance(mode, ast.Constant) and "b" in str(mode.value)):
                lines.append(node.lineno)
        elif name in ("run", "Popen", "check_output") and ast.unparse(words.get("text", ast.Constant(0))) == "True":
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_encoding_is_named(folder):
    assert not {str(p): u for p in (ROOT / folder).rglob("*.py") if (u := unnamed(p.read_text(encoding="utf-8")))}


def test_the_encoding_is_named_in_notebooks():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and not source.lstrip().startswith(("%", "!")):
                assert not unnamed(source), f"{path.name}: {source}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("p.read_text()", 1),
        ("(a / b).write_text(t)", 1),
        ("open(p)", 1),
        ("p.open('w')", 1),
        ("run(c, text=True)", 1),
        ("p.read_text(encoding='utf-8')", 0),
        ("open(p, 'rb')", 0),
        ("p.open(mode='wb')", 0),
        ("Image.open(p)", 0),
        ("run(c)", 0),
    ],
)
def test_the_search_finds_what_it_is_for(source, found):
    assert len(unnamed(source)) == found
