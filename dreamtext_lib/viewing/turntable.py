"""Frames to files and sheets: an MP4, an animated WebP, a grid of pictures with labels."""

import base64
import html
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..runs import write_bytes

PAPER, INK = (255, 255, 255), (38, 42, 51)

Frames = NDArray | Tensor | Sequence[NDArray | Tensor]


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


def _stack(frames: Frames) -> NDArray[np.uint8]:
    """Frames of one size as bytes, (N, H, W, 3)."""
    if isinstance(frames, Sequence):
        if not frames:
            raise ValueError("there is no frame to write")
        frames = torch.stack(list(frames)) if isinstance(frames[0], Tensor) else np.stack(frames)
    if frames.ndim != 4:
        raise ValueError(f"frames have the shape (frames, height, width, 3), not {tuple(frames.shape)}")
    return pixels(frames)


def write_video(frames: Frames, path: str | Path, fps: float = 20) -> None:
    """Write frames as an MP4 that every browser plays (H.264, yuv420p), whole or not at all.

    frames: (N, H, W, 3), colours in 0..1. The codec wants even sides: an odd one is repeated at its edge.
    Raises ValueError for another shape, OSError if the file cannot be written.
    """
    frames = _stack(frames)
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    height, width = frames.shape[1:3]
    handle, scratch = tempfile.mkstemp(suffix=".mp4")
    os.close(handle)
    try:
        writer = imageio_ffmpeg.write_frames(
            scratch,
            (width, height),
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            quality=None,
            output_params=["-crf", "18", "-movflags", "+faststart"],
            ffmpeg_log_level="error",
        )
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        data = Path(scratch).read_bytes()
        if not data:
            raise OSError(f"ffmpeg wrote no video for {path}")
        write_bytes(Path(path), data)
    finally:
        Path(scratch).unlink(missing_ok=True)


def write_webp(frames: Frames, path: str | Path, fps: float = 20, quality: int = 80) -> None:
    """Write frames as an animated WebP that repeats for ever, whole or not at all.

    frames: (N, H, W, 3), colours in 0..1. Raises ValueError for another shape, OSError if the file cannot be written.
    """
    write_bytes(Path(path), _webp(frames, fps, quality))


class Film:
    """Frames that move in a notebook's output and in the built page, where an animated WebP on its own does not show.

    frames: (N, H, W, 3), colours in 0..1. alt: what they show, for readers who cannot see them. width: on the page, in
    pixels, at most as wide as the text. Raises ValueError for another shape.
    """

    def __init__(self, frames: Frames, alt: str, fps: float = 20, width: int | None = None, quality: int = 80):
        frames = _stack(frames)
        self.alt, self.width = alt, width or frames.shape[2]
        self.data = _webp(frames, fps, quality)

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.data).decode()
        style = f"width: {self.width}px; max-width: 100%; height: auto; border-radius: 6px"
        return f'<img class="film" src="data:image/webp;base64,{source}" alt="{html.escape(self.alt)}" style="{style}">'


def _webp(frames: Frames, fps: float, quality: int) -> bytes:
    """Frames as an animated WebP that repeats for ever."""
    first, *rest = (Image.fromarray(frame) for frame in _stack(frames))
    data, times = io.BytesIO(), {"duration": round(1000 / fps), "loop": 0}
    first.save(data, "WEBP", save_all=True, append_images=rest, quality=quality, method=4, **times)
    return data.getvalue()


def write_picture(image: NDArray | Tensor | Image.Image, path: str | Path) -> None:
    """Write one picture, (H, W, 3) in 0..1 or PIL's, in the format of the file's ending, whole or not at all."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(pixels(image))
    data = io.BytesIO()
    image.save(data, Image.registered_extensions()[Path(path).suffix.lower()])
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
