"""`dreamtext compare`: what sweeps made, each subject by each method, turning side by side on one page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .names import RUNS, free, new_file


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("folder", type=Path, nargs="+", help="a folder of dreamtext sweep, finished or not")
    parser.add_argument("--out", type=Path, metavar="PAGE", help="HTML file to write (default: runs/comparison.html)")
    parser.add_argument("--render", action="store_true", help="first draw the turns that jobs of earlier versions lack")


def run(a: Namespace) -> int:
    """Write the page."""
    out = a.out or free(RUNS / "comparison.html")
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--out '{out}' is a page; let its name end in .html")
    new_file(out, "--out")

    from ..evaluation.evaluate import Row
    from ..evaluation.likeness import Likeness
    from ..sweep.compare import compared
    from ..viewing.comparison import write_comparison
    from .flags import comments

    if a.render:
        render(a.folder)
    write_comparison(compared(a.folder, {**comments(Row), **comments(Likeness)}), out)
    print(out)
    return 0


def render(folders: list[Path]) -> None:
    """Draw and keep the turn of each finished job that has none."""
    from tqdm import tqdm

    from ..sweep.compare import jobs_in
    from ..sweep.dreams import TURN, write_turn
    from ..sweep.images import DREAM
    from .finished import finished

    todo = [d for folder in folders for d in jobs_in(folder) if d.row and "error" not in d.row]
    for done in tqdm([d for d in todo if not (d.home / TURN).is_file()], unit="turn", dynamic_ncols=True):
        write_turn(finished(done.home if done.job["kind"] == "dream" else done.home / DREAM).volume, done.home / TURN)
