"""Frames that move: an MP4, an animated WebP, and the same in a notebook's output."""

import base64
import html
import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..files import write_bytes
from .pictures import pixels

Frames = NDArray | Tensor | Sequence[NDArray | Tensor]


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
        rate = str(Fraction(fps).limit_denominator())
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-f", "rawvideo", "-s", f"{width}x{height}"]
        command += ["-pix_fmt", "rgb24", "-r", rate, "-i", "-", "-vcodec", "libx264", "-pix_fmt", "yuv420p"]
        command += ["-crf", "18", "-movflags", "+faststart", scratch]
        done = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=False)
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip().split("\n")[0] or "it was stopped"
            raise OSError(f"ffmpeg could not write '{path}' ({why}); see that '{Path(scratch).parent}' has room")
        write_bytes(Path(path), Path(scratch).read_bytes())
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


def read_film(path: Path) -> tuple[list[Image.Image], list[float]]:
    """The frames of an animated picture, and when each ends, in ms; equal ones are kept as one that lasts longer.

    Raises ValueError if the file is no picture.
    """
    frames, ends = [], []
    try:
        with Image.open(path) as picture:
            for i in range(getattr(picture, "n_frames", 1)):
                picture.seek(i)
                frames.append(picture.convert("RGB"))
                ends.append(sum(ends[-1:]) + (picture.info.get("duration") or 1))  # a still lasts 0
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"'{path}' is no picture that can be read; remove it, or do its job anew") from error
    return frames, ends
