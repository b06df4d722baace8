"""One picture of one thing: read from any file, cut out, and put before a grey wall as the toybox shows its things."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .pictures import check_mode, load
from .wall import cut_out

SMALLEST, LARGEST = 16, 1024  # pixels: of the shorter side at least; the longer one is made no longer than this
SEEN = 128  # alpha, of 255, from which a pixel is the thing's
USUAL = (0.45, 0.92)  # the longer side of a thing over that of its picture, in which a toybox picture's lies
MIDDLE = 0.1  # how far a thing's middle may be from its picture's, as a share of the picture
SHARE = 0.66  # that longer side where a picture is framed anew: the median of toybox pictures


class Single(NamedTuple):
    """A picture of one thing."""

    rgba: np.ndarray  # (H, W, 4) bytes, alpha not multiplied in
    notes: list[str]  # what is to be said of it


def read_single(file: Path, mask: Path | None = None) -> Single:
    """The thing in a picture file, turned as it was held, cut out by its alpha, a mask, or the plain wall behind it.

    mask: a picture of the same size that is light where the thing is. Raises ValueError in one sentence if the file is
    not there, is no picture, holds several, is too small, or shows nothing.
    """
    image = upright(file)
    if min(image.size) < SMALLEST:
        raise ValueError(
            f"the picture '{file}' is {image.width} x {image.height} pixels; it must be {SMALLEST} at least each way"
        )
    if mask is not None:
        over = upright(mask)
        if over.size != image.size:
            sizes = f"{over.width} x {over.height} pixels, its picture '{file}' {image.width} x {image.height}"
            raise ValueError(f"the mask '{mask}' is {sizes}")
        image = image.convert("RGB")
        image.putalpha(over.convert("L"))
    image = image.convert("RGBA")
    opaque, notes = image.getextrema()[3][0] == 255, []
    if max(image.size) > LARGEST:
        image = image.convert("RGBa")
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    rgba = np.array(image.convert("RGBA"))
    if opaque and mask is None:
        try:
            rgba = cut_out(rgba[..., :3])
        except ValueError:
            notes.append(
                f"the background of '{file}' is not plain, so all of the picture is taken for the thing; cut it out, or"
                " give a --mask"
            )
    if not (rgba[..., 3] >= SEEN).any():
        if mask is not None:
            raise ValueError(f"the mask '{mask}' leaves nothing of '{file}': it is nowhere light; mask the thing")
        what = "nothing but a plain wall" if opaque else "no pixel to be seen"
        raise ValueError(f"the picture '{file}' shows {what}; give one of a thing before its background")
    return Single(rgba, notes)


def upright(file: Path) -> Image.Image:
    """One still picture as it was held. Raises ValueError in one sentence for all that is none."""
    try:
        size = file.stat().st_size
    except FileNotFoundError as error:
        raise ValueError(f"there is no picture '{file}'") from error
    except OSError as error:
        raise ValueError(f"the picture '{file}' cannot be read: {error.strerror or error}") from error
    if file.is_dir():
        raise ValueError(f"'{file}' is a folder; name a picture")
    if size == 0:
        raise ValueError(f"the picture '{file}' is empty: it has 0 bytes")
    image = load(file)
    with Image.open(file) as opened:
        count = getattr(opened, "n_frames", 1) if opened.format != "MPO" else 1  # a telephone's, with its preview
    if count > 1:
        raise ValueError(f"the picture '{file}' is a film of {count} frames; save the one that you mean as a picture")
    check_mode(file, image)
    return ImageOps.exif_transpose(image)


def framed(rgba: np.ndarray, size: int, wall: float = 0.9) -> Tensor:
    """The thing of a picture (H, W, 4) of bytes before a grey wall, (3, size, size) in 0..1, square and in the middle.

    A square picture with the thing about in its middle and a usual margin stays as it is; any other is framed anew.
    """
    height, width = rgba.shape[:2]
    rows, columns = np.nonzero(rgba[..., 3] >= SEEN)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    longer, x, y = max(bottom - top, right - left), (left + right) / 2, (top + bottom) / 2
    off = max(abs(x / width - 0.5), abs(y / height - 0.5))
    if height == width and USUAL[0] <= longer / width <= USUAL[1] and off <= MIDDLE:
        side, x, y = width, width / 2, height / 2
    else:
        side = longer / SHARE
    pad = int(np.ceil(max(0, side / 2 - x, side / 2 - y, x + side / 2 - width, y + side / 2 - height)))
    colours = np.rint(255 * over_wall(rgba, wall)).astype(np.uint8)
    colours = np.pad(colours, ((pad, pad), (pad, pad), (0, 0)), constant_values=round(255 * wall))
    box = (x - side / 2 + pad, y - side / 2 + pad, x + side / 2 + pad, y + side / 2 + pad)
    how = Image.Resampling.BOX if side > size else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(colours).resize((size, size), how, box=box)) / np.float32(255)
    return torch.from_numpy(small).permute(2, 0, 1).contiguous()  # (3, size, size)


def outline(rgba: np.ndarray, size: int) -> Tensor:
    """How much of each pixel of the `framed` picture is the thing: (size, size) in 0..1."""
    dark, light = (framed(rgba, size, wall) for wall in (0.0, 1.0))
    return (1 - (light - dark).mean(0)).clamp(0, 1)


def as_png(picture: Tensor) -> bytes:
    """A picture (3, S, S) in 0..1 as a file."""
    data = io.BytesIO()
    Image.fromarray((255 * picture.cpu()).round().byte().permute(1, 2, 0).numpy()).save(data, "PNG")
    return data.getvalue()


def of_png(file: Path) -> Tensor:
    """The picture (3, S, S) in 0..1 of a file that `as_png` made. Raises ValueError in one sentence if it is broken."""
    rgb = np.array(upright(file).convert("RGB")) / np.float32(255)
    return torch.from_numpy(rgb).permute(2, 0, 1).contiguous()


def over_wall(rgba: np.ndarray, wall: float) -> np.ndarray:
    """Colours (H, W, 3) in 0..1 of a picture (H, W, 4) of bytes before a grey wall."""
    alpha = rgba[..., 3:] / 255.0
    return rgba[..., :3] / 255.0 * alpha + wall * (1 - alpha)
