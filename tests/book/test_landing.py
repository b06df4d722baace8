"""The mesh on the first page (book/landing.py): found in a notebook that ran, and left out where none did."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
import landing  # noqa: E402


def notebook(path, kinds):
    state = {f"id-{kind}": {"state": {"kind": kind, "alt": "a </script> in words"}} for kind in kinds}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": state}} if kinds else {}
    path.write_text(json.dumps({"metadata": {"widgets": widgets}, "cells": []}), encoding="utf-8")
    return path


def test_the_mesh_is_found_among_the_widgets_of_a_notebook(tmp_path):
    assert landing.saved(notebook(tmp_path / "a.ipynb", ["frames", "mesh"]))[0] == "id-mesh"
    assert landing.saved(notebook(tmp_path / "b.ipynb", ["frames"])) is None
    assert landing.saved(notebook(tmp_path / "c.ipynb", [])) is None
    assert landing.saved(ROOT / landing.NOTEBOOK)[1]["state"]["count"][0] > 1000


def test_its_words_cannot_end_the_script_that_holds_them(tmp_path):
    mesh = landing.saved(notebook(tmp_path / "a.ipynb", ["mesh"]))
    body = landing.with_mesh(f"<p>before</p>{landing.PLACE}</div>", mesh, "../_static/widgets.js")
    assert body.count("</script>") == body.count("<script") == 3
    assert body.index('state+json">') < body.index('view+json">') < body.index('src="../_static/widgets.js"')
    held = body.split('state+json">')[1].split("</script>")[0]
    assert json.loads(held)["state"]["id-mesh"] == mesh[1]
