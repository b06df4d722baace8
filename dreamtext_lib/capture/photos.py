"""From a video or a folder of photographs to a capture on the disk, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import whole_folder
from .frames import copy_upright, frames_of_video, pictures_of
from .pictures import load
from .structure import Structure, reconstruct, upright, write_capture
from .wall import cut_out


def make_capture(
    pictures: Path, out: Path, count: int = 80, *, clear_wall: bool = False, say: Callable[[str], None] = print
) -> tuple[Structure, int]:
    """Find the cameras of a video or of photographs, and write them with the pictures as a capture: `out`.

    count: frames to take from a video, at most. clear_wall: make the plain wall behind the object transparent. say:
    hears what begins. Returns the structure in the capture's world, and how many pictures there were to place.
    Raises ValueError in one sentence, FileNotFoundError, as `frames_of_video`, `pictures_of` and `reconstruct` do; then
    `out` is as it was, and what is wrong can be mended and done again.
    """
    pictures = Path(pictures)
    if not pictures.exists():
        raise FileNotFoundError(f"there is no video or folder '{pictures}'")
    if count < 3:
        raise ValueError(f"--count is {count}; three pictures are the least")
    with whole_folder(out) as folder:
        images = folder / "images"
        images.mkdir()
        if pictures.is_file():
            files = frames_of_video(pictures, images, count)
            names = {file.name: f"frame {int(file.stem) + 1} of '{pictures}'" for file in files}
        else:
            for file in pictures_of(pictures):
                copy_upright(file, images / file.name)
            names = {file.name: f"'{file}'" for file in pictures_of(pictures)}
        if clear_wall:  # a wall that is not plain ends it here, not minutes later
            for name, words in names.items():
                without_wall(images / name, words)
        say(f"placing {len(names)} pictures; this takes minutes")
        structure = upright(reconstruct(images))
        if clear_wall:
            structure = structure._replace(names=[cut(images / name, names[name]) for name in structure.names])
        write_capture(structure, folder / "transforms.json")
    return structure, len(names)


def without_wall(file: Path, words: str) -> Image.Image:
    """A picture `cut_out` of its wall. Raises ValueError, with the words for it, if the wall is not plain."""
    try:
        return Image.fromarray(cut_out(np.array(load(file).convert("RGBA"))))
    except ValueError as error:
        raise ValueError(f"{words} cannot be cut out: {error}") from error


def cut(file: Path, words: str) -> str:
    """Put a PNG with a transparent wall in the place of a picture; its name."""
    picture, to = without_wall(file, words), file.with_suffix(".png")
    if to.exists() and to != file:
        to = file.with_name(f"{file.name}.png")
    picture.save(to)
    if to != file:
        file.unlink()
    return to.name
