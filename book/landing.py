"""Sphinx extension: the mesh of the quickstart on the first page, taken from the run that the book is built with.

A page that holds PLACE gets there what the notebook saved of its mesh, and `widgets.js`, which shows it. If the
notebook was not run, the place stays empty.
"""

import html
import json
from pathlib import Path
from typing import Any

PLACE = '<div class="first-mesh">'
NOTEBOOK, VIEW = "notebooks/00_quickstart.ipynb", "application/vnd.jupyter.widget-{}+json"


def saved(notebook: Path) -> tuple[str, dict[str, Any]] | None:
    """The id and the state of the mesh that a notebook saved, or None."""
    widgets = json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("widgets", {})
    for name, widget in widgets.get(VIEW.format("state"), {}).get("state", {}).items():
        if widget["state"].get("kind") == "mesh":
            return name, widget
    return None


def with_mesh(body: str, mesh: tuple[str, dict[str, Any]], script: str) -> str:
    """The HTML of a page with the mesh in its place.

    >>> with_mesh('<div class="first-mesh"></div>', ("a", {"state": {}}), "w.js").count("<script")
    3
    """
    name, widget = mesh

    def part(kind: str, value: dict[str, Any]) -> str:
        text = json.dumps(value).replace("</", "<\\/")
        return f'<script type="{VIEW.format(kind)}">{text}</script>'

    parts = part("state", {"state": {name: widget}}), part("view", {"model_id": name})
    return body.replace(PLACE, f'{PLACE}{"".join(parts)}<script src="{html.escape(script)}"></script>', 1)


def show(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the mesh into a page that has a place for it."""
    if PLACE in context.get("body", "") and (mesh := saved(Path(app.srcdir) / NOTEBOOK)):
        context["body"] = with_mesh(context["body"], mesh, context["pathto"]("_static/widgets.js", 1))


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("html-page-context", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
