"""Pictures to files and sheets: colours as bytes, one picture in a file, a grid of pictures with labels."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..files import write_bytes

PAPER, INK = (255, 255, 255), (38, 42, 51)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def pixels(image: NDArray | Tensor) -> NDArray[np.uint8]:
    """Colours in 0..1, (..., H, W, 3), as bytes; values outside are clipped.

    Raises ValueError for another shape, or for values that are not finite.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu().float().numpy()
    image = np.asarray(image)
    if image.ndim < 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"pictures have the shape (..., height, width, 3), not {image.shape}")
    if image.dtype == np.uint8:
        return image
    if not np.isfinite(image).all():
        raise ValueError("pictures hold values that are not finite")
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def picture_format(path: str | Path) -> str:
    """Pillow's name of the format that a picture's ending asks for. Raises ValueError for an ending that has none."""
    if (form := FORMATS.get(Path(path).suffix.lower())) is None:
        raise ValueError(f"a picture is written as {', '.join(FORMATS)}, not as '{Path(path).name}'")
    return form


def write_picture(image: NDArray | Tensor | Image.Image, path: str | Path) -> None:
    """Write one picture, (H, W, 3) in 0..1 or PIL's, in the format of the file's ending, whole or not at all.

    Raises ValueError for another shape or an ending that is none of `FORMATS`, OSError if the file cannot be written.
    """
    form = picture_format(path)
    if not isinstance(image, Image.Image):
        image = Image.fromarray(pixels(image))
    data = io.BytesIO()
    (image.convert("RGB") if form == "JPEG" else image).save(data, form)
    write_bytes(Path(path), data.getvalue())


def contact_sheet(
    images: Iterable[NDArray | Tensor | Image.Image],
    columns: int,
    labels: Sequence[str] | None = None,
    scale: int = 1,
    gap: int = 6,
) -> Image.Image:
    """Pictures of one size in a grid, row by row, each with its label below.

    images: (H, W, 3) in 0..1, or PIL's. scale: whole factor by which pixels are repeated. gap: pixels between pictures.
    A label longer than its picture is wide goes on in further lines. Raises ValueError for unequal sizes,
    no picture, or a number of labels that differs from the number of pictures.
    """
    tiles = [Image.fromarray(pixels(i)) if not isinstance(i, Image.Image) else i.convert("RGB") for i in images]
    if not tiles:
        raise ValueError("there is no picture for the sheet")
    if len({tile.size for tile in tiles}) > 1:
        raise ValueError(f"a sheet's pictures are of one size, not {sorted({tile.size for tile in tiles})}")
    if columns < 1 or scale < 1:
        raise ValueError(f"columns and scale are at least 1, not {columns} and {scale}")
    if labels is not None and len(labels) != len(tiles):
        raise ValueError(f"{len(tiles)} pictures, but {len(labels)} labels")
    columns = min(columns, len(tiles))
    width, height = (side * scale for side in tiles[0].size)
    size = max(10, min(16, width // 8))
    font = ImageFont.load_default(size)
    texts = [_wrap(label, font, width) for label in labels] if labels is not None else [[]] * len(tiles)
    line = round(1.3 * size)
    below = max(len(text) for text in texts) * line
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + below + gap) + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (tile, text) in enumerate(zip(tiles, texts, strict=True)):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + below + gap)
        sheet.paste(tile.resize((width, height), Image.Resampling.NEAREST), (x, y))
        for j, words in enumerate(text):
            draw.text((x + width / 2, y + height + (j + 0.5) * line), words, fill=INK, font=font, anchor="mm")
    return sheet


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break a text into lines that are at most so wide, between words where it can be done."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        while font.getlength(word) > width and len(word) > 1:
            fits = max((n for n in range(1, len(word)) if font.getlength(word[:n]) <= width), default=1)
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    return lines
