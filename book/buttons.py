"""Buttons that run a chapter elsewhere, on Colab or Binder. They need the address of a public repository.

As a Sphinx extension: as long as `_config.yml` names no address under `repository`, no page has such a button.
As a program: `python book/buttons.py` gives each notebook the cell that Colab needs for that address, or takes it away.
"""

from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
TAG = "elsewhere"
CELL = """\
import sys
from importlib.util import find_spec

if find_spec("dreamtext_lib") is None:  # Colab opens a notebook without its repository
    !git clone -q --depth 1 --branch {branch} {url} dreamtext
    %pip install -q -e dreamtext
    sys.path.insert(0, "dreamtext")
    if "google.colab" in sys.modules:
        from google.colab import output

        output.enable_custom_widget_manager()"""


def repository() -> tuple[str, str]:
    """Address and branch of the public repository; the address is empty where none is known."""
    told = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return told["url"], told["branch"]


def fitted(notebook: nbformat.NotebookNode, url: str, branch: str) -> nbformat.NotebookNode:
    """The notebook with the cell for this address after its title, or without one if the address is empty."""
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    if url:
        source = CELL.format(url=url, branch=branch)
        metadata = {"tags": [TAG, "remove-cell"]}  # not shown in the book
        cells.insert(1, nbformat.v4.new_code_cell(source, id=TAG, metadata=metadata))
    return nbformat.NotebookNode({**notebook, "cells": cells})


def hide(app: Any, config: Any) -> None:
    """Without an address there is nowhere a button could lead."""
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options["launch_buttons"] = {}


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("config-inited", hide)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main() -> None:
    """Fit all notebooks to the address."""
    url, branch = repository()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        nbformat.write(fitted(nbformat.read(path, as_version=4), url, branch), path)
    print(f"The notebooks are fitted to {url or 'no address'}.")


if __name__ == "__main__":
    main()
