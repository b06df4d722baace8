"""The examples in docstrings (`>>>`) are true, with their module's names and `torch` at hand."""

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "dreamtext_lib").rglob("*.py"))
    if "    >>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    module = import_module(name)
    found = doctest.testmod(module, extraglobs={"torch": torch})
    assert found.attempted >= inspect.getsource(module).count("    >>> ") and not found.failed


def test_there_are_examples():
    assert len(MODULES) >= 18


def test_a_false_example_is_found():
    broken = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "broken", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(broken, out=lambda text: None).failed == 1
