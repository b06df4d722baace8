"""Pictures to place: the sharpest frames of a video, or the photographs of a folder."""

import shutil
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from scipy.ndimage import label

ENDINGS = (".png", ".jpg", ".jpeg")
PLAIN = 10  # levels of 255 by which a plain wall may differ from its own colour


def frames_of_video(path: str | Path, out: Path, count: int = 48) -> list[Path]:
    """Write `count` frames of a video as PNG: from each of `count` equal stretches of time the sharpest (`sharpness`).

    A shorter video gives all its frames. Raises FileNotFoundError, ValueError if the file holds no frame.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no video '{path}'")
    if count < 3:
        raise ValueError(f"{count} frames cannot be taken from a video; ask for at least 3")
    try:
        total, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
        reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
        width, height = next(reader)["size"]
    except (RuntimeError, OSError) as error:
        raise ValueError(f"'{path}' holds no frame that ffmpeg can read; give an MP4 or MOV file") from error
    if total < 1:
        raise ValueError(f"'{path}' holds no frame; give an MP4 or MOV file")
    count, best = min(count, total), {}
    for i, data in enumerate(reader):
        frame = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        window, sharp = min(i * count // total, count - 1), sharpness(frame)
        if sharp > best.get(window, (-1.0,))[0]:
            best[window] = sharp, frame
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"{window:04d}.png" for window in sorted(best)]
    for file, window in zip(files, sorted(best)):
        Image.fromarray(best[window][1]).save(file)
    return files


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
            with Image.open(file) as picture:
                turned = picture.getexif().get(Base.Orientation, 1) >= 5  # a quarter turn
                size = picture.size[::-1] if turned else picture.size
        except OSError as error:  # PIL's UnidentifiedImageError is one
            raise ValueError(f"'{file}' is not a picture that can be read; take it out of the folder") from error
        first = first or size
        if size != first:
            raise ValueError(f"'{file}' has another size than '{files[0].name}'; give pictures of one camera")
    return files


def copy_upright(file: Path, to: Path) -> None:
    """Copy a picture; one that a telephone wrote lying down, with a note of which side is up, is turned."""
    with Image.open(file) as picture:
        if picture.getexif().get(Base.Orientation, 1) == 1:
            shutil.copy2(file, to)
        else:
            ImageOps.exif_transpose(picture).save(to, quality=95)


def cut_out(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) of bytes before a plain wall, with alpha (H, W, 4): the wall is transparent.

    The wall is what touches the border, in its most common colour. Raises ValueError if the border is not plain.
    """
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
    colour = np.median(border, 0)
    if (np.abs(border - colour).max(-1) > PLAIN).mean() > 0.5:
        raise ValueError("its border is not of one colour; cut the object out by hand, or leave the wall as it is")
    regions, _ = label(np.abs(picture.astype(int) - colour).max(-1) <= PLAIN)
    touching = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    wall = np.isin(regions, touching[touching > 0])
    return np.dstack([picture, np.where(wall, 0, 255).astype(np.uint8)])
