"""`dreamtext reconstruct`: the cameras of a video or of photographs, as a capture for `fit`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .names import new_folder


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("pictures", type=Path, help="a video, or a folder of photographs")
    parser.add_argument("--out", type=Path, required=True, help="capture folder to write, for dreamtext fit")
    parser.add_argument("--count", type=int, default=80, metavar="N", help="frames to take from a video (default 80)")
    parser.add_argument("--cut-out", action="store_true", help="make the plain wall behind the object transparent")


def run(a: Namespace) -> int:
    """The cameras of a video or of photographs, as a capture for `fit`."""
    if not a.pictures.exists():
        raise ValueError(f"there is no video or folder '{a.pictures}'")
    new_folder(a.out, resume=False)

    from ..capture.photos import make_capture

    structure, taken = make_capture(
        a.pictures, a.out, a.count, clear_wall=a.cut_out, say=lambda text: print(text, flush=True)
    )
    error = structure.errors.median().item()
    print(f"{len(structure.names)} of {taken} pictures placed, {len(structure.points)} points, {error:.2f} pixels off")
    print(f"go on with: dreamtext fit '{a.out}'")
    return 0
