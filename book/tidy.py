"""Takes progress bars and libraries' notes out of executed notebooks: `python -m book.tidy NOTEBOOK...`."""

import json
import sys
from pathlib import Path

from dreamtext_lib.runs import write_bytes


def tidy(text: str) -> str:
    """A notebook's JSON without what its cells wrote to stderr; one that is clean comes back as it was.

    A bar writes a piece of output each time it moves, a thousand in some chapters. The book never shows them.
    """
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        write_bytes(path, tidy(path.read_text(encoding="utf-8")).encode())
