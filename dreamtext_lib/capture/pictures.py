"""A picture file as bytes with alpha, and which of its pixels count.

Files that instant-ngp and nerfstudio keep beside a picture are read as they read them: `NAME.alpha.png` holds its
alpha, `dynamic_mask_NAME.png` is not black where something moved. `mask_path` names a file that is light where the
picture counts: above half of its own brightest pixel.
"""

import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from PIL.ExifTags import Base
from torch import Tensor

from .wall import cut_out

MOST = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)  # pixels; Pillow opens nothing larger
BROKEN = (OSError, SyntaxError, EOFError, ValueError, struct.error)  # what Pillow raises for files that are no pictures
MODES = ("RGB", "RGBA", "L", "LA", "P", "PA", "1")


class Picture(NamedTuple):
    """One picture, perhaps made smaller."""

    rgba: Tensor  # (H, W, 4) bytes, alpha not multiplied in
    counts: Tensor  # (H, W) whether a pixel says anything; where it does not, nothing is learned or judged


class Clear(NamedTuple):
    """What of a picture is to be made transparent."""

    wall: bool = False  # the plain wall that touches its border, if nothing is transparent yet (`cut_out`)
    white: bool = False  # each pixel that is exactly white
    black: bool = False


def load(file: Path) -> Image.Image:
    """A picture file with its pixels. Raises ValueError in one sentence if it is broken, no picture, or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, and still read
            with Image.open(file) as image:
                image.load()
        return image
    except Image.DecompressionBombError as error:
        raise ValueError(too_large(file)) from error
    except BROKEN as error:
        raise ValueError(f"the picture '{file}' cannot be read: it is truncated or not a picture ({error})") from error


def size_of(file: Path) -> tuple[int, int]:
    """Height and width of a picture file as its pixels lie there, by its header alone. Raises as `load` does."""
    return header(file)[0]


def header(file: Path) -> tuple[tuple[int, int], bool]:
    """Height and width, and whether the camera noted that it was held a quarter turn off. Raises as `load` does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return (image.height, image.width), image.getexif().get(Base.Orientation, 1) >= 5
    except Image.DecompressionBombError as error:
        raise ValueError(too_large(file)) from error
    except BROKEN as error:
        raise ValueError(f"the picture '{file}' cannot be read: it is truncated or not a picture ({error})") from error


def too_large(file: Path) -> str:
    """The sentence for a picture that has more pixels than are read."""
    return f"the picture '{file}' has more than {MOST // 1_000_000} megapixels, too many to be read; make it smaller"


def read_picture(file: Path, size: int | None = None, clear: Clear = Clear(), mask: Path | None = None) -> Picture:  # noqa: B008
    """The picture of a file, with the alpha and the masks that belong to it; its longer side at most `size` pixels.

    Averages are taken of colours with alpha multiplied in; a pixel counts if all that it averages does.
    Raises ValueError in one sentence that names the file if something cannot be read or has another size.
    """
    image = load(file)
    check_mode(file, image)
    rgba = np.array(image.convert("RGBA"))
    beside = file.with_name(f"{file.name}.alpha{file.suffix}"), file.with_name(f"{file.stem}.alpha{file.suffix}")
    for other in beside:
        if other.is_file():
            rgba[..., 3] = linear(grey_of(other, file, rgba.shape[:2], channel=0))
    if clear.wall:
        try:
            rgba = cut_out(rgba)
        except ValueError as error:
            raise ValueError(f"'{file}' cannot be cut out: {error}") from error
    for wanted, level in ((clear.white, 255), (clear.black, 0)):
        if wanted:
            rgba[(rgba[..., :3] == level).all(-1), 3] = 0
    counts = np.ones(rgba.shape[:2], bool)
    if mask is not None:
        grey = grey_of(mask, file, counts.shape)
        counts &= grey > grey.max() / 2  # 0 and 1 are as good as 0 and 255, and the noise of a JPEG does not count
    moved = file.with_name(f"dynamic_mask_{file.stem}.png")
    if moved.is_file():
        counts &= grey_of(moved, file, counts.shape) == 0
    return smaller(rgba, counts, size)


def check_mode(file: Path, image: Image.Image) -> None:
    """Raise ValueError for a picture whose colours are of a kind that would be read wrongly."""
    deep = deep_png(file)
    if image.mode not in MODES or deep:
        kind = "of 16 bits a channel" if deep or image.mode.startswith(("I", "F")) else f"in {image.mode} colours"
        raise ValueError(f"the picture '{file}' is {kind}; save it as 8-bit RGB or RGBA")


def smaller(rgba: np.ndarray, counts: np.ndarray, size: int | None) -> Picture:
    """A picture whose longer side is at most `size` pixels, each the mean of those that it covers."""
    longer = max(counts.shape)
    if size and longer > size:
        height, width = (max(round(side * size / longer), 1) for side in counts.shape)
        image = Image.fromarray(rgba).convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
        if not counts.all():
            whole = Image.fromarray(counts.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
            counts = np.array(whole) > 0.999
        else:
            counts = np.ones((height, width), bool)
        rgba = np.array(image)
    return Picture(torch.from_numpy(rgba), torch.from_numpy(counts))


def grey_of(file: Path, picture: Path, shape: tuple[int, int], channel: int | None = None) -> np.ndarray:
    """Brightness (H, W) of a mask, or the bytes of one channel of it.

    Raises ValueError if its size is not its picture's, or if a channel is not of bytes.
    """
    check_mask(file, picture, shape)
    image = load(file)
    if channel is not None:
        check_mode(file, image)
        return np.array(image.convert("RGB"))[..., channel]
    return np.array(image if image.mode in ("L", "I", "I;16") else image.convert("RGB")).reshape(*shape, -1).max(-1)


def check_mask(file: Path, picture: Path, shape: tuple[int, int]) -> None:
    """Raise ValueError unless a mask has the size of its picture, `shape` (H, W)."""
    height, width = size_of(file)
    if (height, width) != shape:
        sizes = f"{width} x {height} pixels, its picture '{picture}' {shape[1]} x {shape[0]}"
        raise ValueError(f"the mask '{file}' is {sizes}")


def linear(grey: np.ndarray) -> np.ndarray:
    """Bytes of light from bytes of a picture (sRGB), as instant-ngp reads an alpha that is kept as a picture."""
    x = grey / 255.0
    return np.rint(255 * np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)).astype(np.uint8)


def deep_png(file: Path) -> bool:
    """Whether a PNG has 16 bits a channel, of which Pillow would silently drop half."""
    head = file.read_bytes()[:25] if file.suffix.lower() == ".png" else b""
    return len(head) == 25 and head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16
