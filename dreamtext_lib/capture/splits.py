"""Which frames of a capture are learned from, and which are held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .listing import Frame, Listing

EVERY = 10  # without a list of test views, every tenth view is held out


def split(listing: Listing, test: Listing | None) -> tuple[list[Frame], list[Frame]]:
    """Frames to learn from and held-out ones: those of a second file, or those that the first names, or every tenth.

    Raises ValueError in one sentence if there is none of a kind, a name has no frame, or the sizes differ.
    """
    path, frames = listing.path, listing.frames
    if test is not None:
        if test.frames[0].shape != frames[0].shape:
            sizes = " and ".join(f"{w} x {h}" for h, w in (test.frames[0].shape, frames[0].shape))
            raise ValueError(f"the pictures of '{test.path}' and '{path}' are {sizes} pixels; give them one size")
        return frames, test.frames
    if any(listing.head.get(f"{which}_filenames") for which in ("train", "test", "val")):
        return named(listing)
    if len(frames) < 2:
        raise ValueError(f"'{path}' lists one picture; one more is needed to be held out")
    out = range(EVERY // 2 if len(frames) > EVERY // 2 else 0, len(frames), EVERY)
    return [f for i, f in enumerate(frames) if i not in out], [frames[i] for i in out]


def named(listing: Listing) -> tuple[list[Frame], list[Frame]]:
    """The frames that nerfstudio's train_filenames, test_filenames and val_filenames name."""
    frames, head = {frame.name: frame for frame in listing.frames}, listing.head

    def chosen(which: str) -> list[Frame]:
        names: Sequence[Any] = head.get(f"{which}_filenames") or []
        names = [Path(str(name).replace("\\", "/")).as_posix() for name in names]
        if missing := [name for name in names if name not in frames]:
            raise ValueError(f"{which}_filenames of '{listing.path}' has '{missing[0]}', which is no frame's file_path")
        return [frames[name] for name in names]

    held = chosen("test") or chosen("val")
    learn = chosen("train") or [frame for frame in listing.frames if not any(frame is other for other in held)]
    if not held or not learn:
        kind = "test_filenames" if not held else "train_filenames"
        raise ValueError(f"'{listing.path}' names pictures for one purpose alone; add {kind}, or name none")
    return learn, held
