"""Pictures to place: the sharpest frames of a video, or the photographs of a folder."""

import re
import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from .pictures import header, load

ENDINGS = (".png", ".jpg", ".jpeg")


def frames_of_video(path: str | Path, out: str | Path, count: int = 48) -> list[Path]:
    """Write at most `count` frames of a video as PNG: from each of `count` equal stretches of time the sharpest.

    Time is the film's own clock: a telephone drops and adds frames as light and heat let it. A stretch without a frame
    gives none, so a film of fewer frames, or with a gap, gives fewer; no frame is taken twice.
    Raises FileNotFoundError, ValueError if the file holds no frame.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no video '{path}'")
    if count < 3:
        raise ValueError(f"{count} frames cannot be taken from a video; ask for at least 3")
    times = times_of_video(path)
    if not len(times):
        raise ValueError(f"'{path}' holds no frame that ffmpeg can read; give an MP4 or MOV file")
    if len(times) == 1:
        raise ValueError(f"'{path}' is a single picture; give a video, or a folder of at least 3 pictures, better 30")
    if len(times) <= count:
        window = np.arange(len(times))
    else:
        end = times[-1] + np.median(np.diff(times))  # the last frame is shown for a while, too
        window = np.minimum((times - times[0]) / (end - times[0]) * count, count - 1).astype(int)
    best: dict[int, tuple[float, np.ndarray]] = {}
    reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24", output_params=PASS)
    width, height = next(reader)["size"]
    for i, data in zip(window, reader):
        frame = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        sharp = sharpness(frame)
        if sharp > best.get(i, (-1.0,))[0]:
            best[i] = sharp, frame
    reader.close()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"{i:04d}.png" for i in range(len(best))]
    for file, i in zip(files, sorted(best)):
        Image.fromarray(best[i][1]).save(file)
    return files


PASS = ["-map", "0:v:0", "-fps_mode", "passthrough"]  # each frame once: none is doubled or dropped for an even rate


def times_of_video(path: str | Path) -> np.ndarray:
    """When each frame of a video is shown, (N,) seconds, rising; empty if ffmpeg can read none."""
    tell = ["-vf", "showinfo=checksum=0", *PASS, "-f", "null", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-i", str(path), *tell]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).stderr
    return np.array([float(v) for v in re.findall(rb"pts_time:\s*(-?[\d.]+)", said)])


def sharpness(frame: np.ndarray) -> float:
    """Variance of the Laplacian of a picture (H, W, 3): motion blur takes away what this counts."""
    grey = frame.astype(np.float32).mean(-1)
    return float((grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]).var())


def pictures_of(folder: str | Path) -> list[Path]:
    """The pictures of a folder by name. Raises FileNotFoundError, ValueError for fewer than 3, a broken or odd one."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
    if len(files) < 3:
        raise ValueError(
            f"the folder '{folder}' holds {len(files)} pictures ({', '.join(ENDINGS)}); give at least 3, better 30"
        )
    first = None
    for file in files:
        try:
            (height, width), turned = header(file)
        except ValueError as error:
            raise ValueError(f"{error}; or take it out of the folder") from error
        size = (width, height) if turned else (height, width)
        first = first or size
        if size != first:
            raise ValueError(f"'{file}' has another size than '{files[0].name}'; give pictures of one camera")
    return files


def copy_upright(file: Path, to: Path) -> None:
    """Copy a picture; one that a telephone wrote lying down, with a note of which side is up, is turned.

    Raises ValueError in one sentence if the picture is broken.
    """
    picture = load(file)
    if picture.getexif().get(Base.Orientation, 1) == 1:
        shutil.copy2(file, to)
    else:
        ImageOps.exif_transpose(picture).save(to, quality=95)
