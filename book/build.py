"""`make book`: run the quickstart for real, then build the book with that run in it.

The sources are copied to _build/source and the quickstart runs there, so the committed notebook stays as it is.
"""

import html
import shutil
import subprocess
import sys
import time
from pathlib import Path

import comparisons
import nbformat
import page_parts
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
SOURCE, QUICKSTART = BUILD / "source", Path("notebooks/00_quickstart.ipynb")


class Runner(NotebookClient):
    """Executes a notebook and shows on the terminal which cell runs and what its progress bar says."""

    cell_number, started, shown = 0, 0.0, 0.0

    def say(self, text: str = "", last: bool = False) -> None:
        """Rewrite the line of the current cell; on a pipe, write a line at most every 10 seconds."""
        now, total = time.monotonic(), len(self.nb.cells)
        line = f"  cell {self.cell_number:2d} of {total}  {now - self.started:5.0f} s  {text}".rstrip()
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r{line[:width]:<{width}}" + "\n" * last)
        elif last or now - self.shown > 10:
            self.shown = now
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def process_message(self, msg: dict, cell: dict, cell_index: int) -> dict | None:
        """Keep the message as always, and show it if it is a progress bar's: text on stderr, or a widget's label."""
        content = msg["content"]
        if msg["msg_type"] == "stream" and content["name"] == "stderr":
            lines = [part for part in content["text"].replace("\n", "\r").split("\r") if part.strip()]
            if lines:
                self.say(lines[-1].strip())
        elif msg["msg_type"] == "comm_msg":
            label = content["data"].get("state", {}).get("value")
            if isinstance(label, str) and "/" in label:
                self.say(html.unescape(label).strip())
        return super().process_message(msg, cell, cell_index)


def run_quickstart(path: Path) -> None:
    """Execute a notebook in place. Raises CellExecutionError when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    runner = Runner(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not a word about transports between the bars
    )
    runner.started = time.monotonic()

    def begin(cell: dict, cell_index: int) -> None:
        runner.cell_number = cell_index + 1
        if cell["cell_type"] == "code":
            runner.say()

    runner.on_cell_start = begin
    runner.execute()
    runner.say("done", last=True)
    nbformat.write(notebook, path)


def copy_sources() -> None:
    """Put what the book is made of into _build/source, afresh."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for folder in ("book", "notebooks"):
        shutil.copytree(ROOT / folder, SOURCE / folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, SOURCE / name)


def build(source: Path, target: Path) -> int:
    """Build the pages of `source` into `target`/_build/html, from nothing; warnings count as errors."""
    shutil.rmtree(target / "_build", ignore_errors=True)
    program = Path(sys.executable).with_name("jupyter-book")
    options = ["--path-output", str(target), "-W", "-n", "--keep-going"]
    done = subprocess.run(
        [str(program), "build", str(source), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    return done.returncode


def main() -> int:
    """Run the quickstart, build the book, say where it is."""
    if not (ROOT / QUICKSTART).exists():
        print(f"{QUICKSTART} is missing", file=sys.stderr)
        return 1
    copy_sources()
    print(f"Running {QUICKSTART}: a copy, on this machine's CPU.", flush=True)
    try:
        run_quickstart(SOURCE / QUICKSTART)
    except CellExecutionError as error:
        print(f"\nThe quickstart stopped with an error:\n{error}", file=sys.stderr)
        return 1
    print("Exporting the models for the page that dreams ...", flush=True)
    page_parts.write(SOURCE / page_parts.PLACE)
    print("Setting what the sweeps made side by side ...", flush=True)
    comparisons.write(SOURCE / comparisons.PLACE)
    print("Building the pages ...", flush=True)
    if build(SOURCE, BUILD / "book"):
        print("The book did not build; the warnings are above.", file=sys.stderr)
        return 1
    shutil.rmtree(BUILD / "html", ignore_errors=True)
    shutil.move(BUILD / "book" / "_build" / "html", BUILD / "html")
    print(f"The book is built. Open\n  {BUILD / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
