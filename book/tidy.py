"""Takes progress bars and libraries' notes out of executed notebooks: `python -m book.tidy NOTEBOOK...`."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from dreamtext_lib.files import write_bytes

BAR = re.compile(r"\d+%\|.*/s")  # what tqdm says of itself, also where it is a widget


def tidied(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs without stderr and bars; what a cell printed in several pieces is one."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if output.get("name") == "stderr" or BAR.search("".join(output.get("data", {}).get("text/plain", ""))):
            continue
        if output["output_type"] == "stream" and kept and kept[-1]["output_type"] == "stream":
            whole = "".join(kept[-1]["text"]) + "".join(output["text"])
            kept[-1] = {**kept[-1], "text": whole.splitlines(keepends=True)}
        else:
            kept.append(output)
    return kept


def tidy(text: str) -> str:
    """A notebook's JSON with its outputs `tidied`; one that is clean comes back as it was.

    A bar writes a piece of output each time it moves, a thousand in some chapters, and the book never shows them.
    What is printed in pieces stands in several boxes of the page.
    """
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = tidied(cell["outputs"])
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        write_bytes(path, tidy(path.read_text(encoding="utf-8")).encode())
