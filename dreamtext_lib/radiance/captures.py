"""Captures: pictures with the cameras that took them, in the `transforms.json` layout.

nerfstudio, instant-ngp and the scenes of nerf_synthetic share it: a field of view or focal lengths in pixels, and for
each frame a file and a 4 x 4 camera-to-world matrix in the OpenGL convention.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import normalize

from ..runs import write_json
from .cameras import meeting_point

LENS = ("k1", "k2", "p1", "p2")  # distortion as OpenCV names it
MARGIN = 1.1  # the ball that is fitted is larger by this than the one that fills the smallest view
EVERY = 10  # without a file of test views, every tenth view is held out


@dataclass(frozen=True)
class Capture:
    """N pictures of one size, their cameras, and the ball of space that they look at."""

    rgba: Tensor  # (N, H, W, 4) bytes, alpha not multiplied in
    pose: Tensor  # (N, 3, 4) camera to world
    focal: Tensor  # (N, 2) fl_x, fl_y in pixels
    middle: Tensor  # (N, 2) cx, cy in pixels from the left, top edge
    lens: Tensor  # (N, 4) k1, k2, p1, p2
    names: tuple[str, ...]
    centre: Tensor  # (3,) of the ball, in the world's units
    radius: float

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return tuple(self.rgba.shape[1:3])

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is transparent."""
        return bool((self.rgba[..., 3] < 255).any())

    def take(self, rows: Sequence[int]) -> "Capture":
        """The capture with these pictures alone, about the same ball."""
        rows = list(rows)
        parts = {name: getattr(self, name)[rows] for name in ("rgba", "pose", "focal", "middle", "lens")}
        return replace(self, names=tuple(self.names[i] for i in rows), **parts)

    def rays(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Origins and unit directions (R, 3) of pixels, in units of the ball: it is |x| <= 1.

        place (R,) counts all pixels, picture by picture, row by row.
        """
        height, width = self.size
        picture, pixel = place // (height * width), place % (height * width)
        at = torch.stack([pixel % width, pixel // width], -1) + 0.5  # (R, 2) x, y
        x, y = undistort((at - self.middle[picture]) / self.focal[picture], self.lens[picture]).unbind(-1)
        right, up, backward, position = self.pose[picture].unbind(-1)  # (R, 3) each
        direction = x[:, None] * right - y[:, None] * up - backward
        return (position - self.centre) / self.radius, normalize(direction, dim=-1)

    def picture_rays(self, i: int) -> tuple[Tensor, Tensor]:
        """The rays of all pixels of picture i, row by row: (H * W, 3) each."""
        height, width = self.size
        return self.rays(torch.arange(height * width) + i * height * width)

    def colours(self, place: Tensor, background: Tensor | float = 1.0) -> Tensor:
        """The pixels (R, 3) in 0..1 over a background that broadcasts to them."""
        rgba = self.rgba.view(-1, 4)[place].float() / 255
        return rgba[:, :3] * rgba[:, 3:] + (1 - rgba[:, 3:]) * background

    def pictures(self, background: float = 1.0) -> Tensor:
        """All pictures over a background, (N, H, W, 3) in 0..1."""
        rgba = self.rgba.float() / 255
        return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:]) * background


def undistort(at: Tensor, lens: Tensor, rounds: int = 8) -> Tensor:
    """Where a ray would pass without the lens' distortion: the inverse of OpenCV's model, by fixed-point iteration.

    at (R, 2) normalised coordinates, y down; lens (R, 4) k1, k2, p1, p2 -> (R, 2).
    """
    if not lens.any():
        return at
    k1, k2, p1, p2 = lens.unbind(-1)  # (R,) each
    x, y = at.unbind(-1)
    for _ in range(rounds):
        square = x * x + y * y
        radial = 1 + square * (k1 + square * k2)
        dx = 2 * p1 * x * y + p2 * (square + 2 * x * x)
        dy = p1 * (square + 2 * y * y) + 2 * p2 * x * y
        x, y = (at[:, 0] - dx) / radial, (at[:, 1] - dy) / radial
    return torch.stack([x, y], -1)


def read_capture(path: Path, size: int | None = None) -> tuple[Capture, Capture]:
    """The pictures to learn from and those that are held out, of a folder or a JSON file.

    A folder holds transforms.json or transforms_train.json. Held out is what transforms_test.json beside it lists, else
    every tenth picture. `size`: pictures whose longer side is longer are made smaller. Raises ValueError in one
    sentence that names the file, for whatever is missing, broken or of a kind that is not read.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"there is no capture '{path}'")
    if path.is_dir():
        found = [path / name for name in ("transforms_train.json", "transforms.json") if (path / name).is_file()]
        if not found:
            raise ValueError(f"the folder '{path}' holds neither transforms.json nor transforms_train.json")
        path = found[0]
    whole = read_frames(path, size)
    test = path.with_name("transforms_test.json")
    if test.is_file() and test != path:
        held = read_frames(test, size)
        if held.size != whole.size:
            raise ValueError(f"the pictures of '{test}' are {held.size} pixels, those of '{path}' {whole.size}")
        return whole, replace(held, centre=whole.centre, radius=whole.radius)
    if len(whole) < 2:
        raise ValueError(f"'{path}' lists one picture; one more is needed to be held out")
    out = range(EVERY // 2 if len(whole) > EVERY // 2 else 0, len(whole), EVERY)
    return whole.take([i for i in range(len(whole)) if i not in out]), whole.take(out)


def read_frames(path: Path, size: int | None = None) -> Capture:
    """All frames of one JSON file (see `read_capture`)."""
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}") from error
    frames = values.get("frames") if isinstance(values, dict) else None
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames):
        raise ValueError(f"'{path}' has no list of frames")
    if not frames:
        raise ValueError(f"'{path}' lists no frame; a capture needs at least two pictures")
    model = values.get("camera_model", "OPENCV")
    if model not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE"):
        raise ValueError(f"'{path}' has the camera model '{model}'; undistort its pictures to a pinhole camera first")
    rows, first = [], None
    for i, frame in enumerate(frames):
        where = f"frame {i} of '{path}'"
        file = picture_path(path, frame, where)
        rgba, shape = read_picture(file, size)
        if first is not None and rgba.shape != first[1].shape:
            raise ValueError(
                f"'{file}' is {rgba.shape[1]} x {rgba.shape[0]} pixels, '{first[0]}' {first[1].shape[1]} x "
                f"{first[1].shape[0]}; a capture has pictures of one size"
            )
        first = first or (file, rgba)
        rows.append(
            (rgba, read_pose(frame, where), *read_lens({**values, **frame}, shape, rgba.shape, where), file.name)
        )
    rgba, pose, focal, middle, lens, names = zip(*rows)
    pose = torch.stack(pose)
    arrays = (torch.tensor(v, dtype=torch.float32) for v in (focal, middle, lens))
    capture = Capture(torch.stack(rgba), pose, *arrays, names, torch.zeros(3), 1.0)
    centre, radius = ball(capture)
    ahead = (-capture.pose[..., 2] * (centre - capture.pose[..., 3])).sum(-1)  # (N,) how far before each camera
    if len(capture) > 2 and (ahead < 0).float().mean() > 0.9:
        raise ValueError(
            f"the cameras of '{path}' look away from each other; the axes must be right, up, backward (OpenGL); if "
            "they are right, down, forward (OpenCV), negate the second and the third column"
        )
    return replace(capture, centre=centre, radius=radius)


def picture_path(path: Path, frame: dict, where: str) -> Path:
    """The file of a frame; a name without an ending means .png, as nerf_synthetic has it."""
    name = frame.get("file_path")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} has no file_path")
    file = path.parent / name
    if not file.is_file():
        file = file.with_name(f"{file.name}.png")
    if not file.is_file():
        raise ValueError(f"the picture '{path.parent / name}' of {where} is missing")
    return file


def read_picture(file: Path, size: int | None) -> tuple[Tensor, tuple[int, int]]:
    """Bytes (H, W, 4), and height and width before it was made smaller."""
    try:
        with Image.open(file) as image:
            image.load()
            mode, deep = image.mode, deep_png(file)
            if mode not in ("RGB", "RGBA", "L", "LA", "P") or deep:
                kind = "of 16 bits a channel" if deep or mode.startswith(("I", "F")) else f"in {mode} colours"
                raise ValueError(f"the picture '{file}' is {kind}; save it as 8-bit RGB or RGBA")
            image, shape = image.convert("RGBA"), (image.height, image.width)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"the picture '{file}' cannot be read: it is truncated or not a picture ({error})") from error
    if size and max(shape) > size:
        scale = size / max(shape)
        small = (max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1))
        image = image.convert("RGBa").resize(small, Image.Resampling.BOX).convert("RGBA")  # alpha multiplied in
    return torch.from_numpy(np.array(image)), shape


def deep_png(file: Path) -> bool:
    """Whether a PNG has 16 bits a channel, of which Pillow would silently drop half."""
    head = file.read_bytes()[:25] if file.suffix.lower() == ".png" else b""
    return len(head) == 25 and head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16


def read_pose(frame: dict, where: str) -> Tensor:
    """Camera-to-world (3, 4) of a frame, refused unless it turns and moves alone."""
    try:
        matrix = np.array([[float(v) for v in row] for row in frame["transform_matrix"]])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where} has no transform_matrix of numbers") from error
    if matrix.shape not in ((4, 4), (3, 4)) or not np.isfinite(matrix).all():
        raise ValueError(f"the transform_matrix of {where} must be 4 x 4 finite numbers, it is {matrix.shape}")
    turn = matrix[:3, :3]
    if np.abs(turn.T @ turn - np.eye(3)).max() > 1e-2 or np.linalg.det(turn) < 0:
        raise ValueError(
            f"the transform_matrix of {where} is not rigid: its first three columns must be a rotation, without scale, "
            "shear or mirror"
        )
    u, _, v = np.linalg.svd(turn)
    return torch.tensor(np.column_stack([u @ v, matrix[:3, 3]]), dtype=torch.float32)


def read_lens(values: dict, shape: tuple[int, int], now: Sequence[int], where: str) -> tuple[list, list, list]:
    """Focal lengths, centre and distortion of a frame, for pictures that are `now` (H, W) pixels large."""
    if not (values.get("fl_x") or values.get("camera_angle_x")):
        raise ValueError(f"{where} has neither camera_angle_x nor fl_x")
    try:
        width, height = float(values.get("w", shape[1])), float(values.get("h", shape[0]))
        fl_x = float(values.get("fl_x") or width / 2 / math.tan(float(values["camera_angle_x"]) / 2))
        angle = values.get("camera_angle_y")
        fl_y = float(values.get("fl_y") or (height / 2 / math.tan(float(angle) / 2) if angle else fl_x))
        middle = [float(values.get("cx", width / 2)), float(values.get("cy", height / 2))]
        lens = [float(values.get(name, 0)) for name in LENS]
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{where} has a focal length, centre or size that is not a number") from error
    if not all(math.isfinite(v) for v in (fl_x, fl_y, *middle, *lens)) or min(fl_x, fl_y, width, height) <= 0:
        raise ValueError(f"the focal lengths of {where} must be above 0, they are {fl_x:g} and {fl_y:g}")
    across, down = now[1] / width, now[0] / height
    if abs(across / down - 1) > 0.02:
        raise ValueError(f"{where} says {width:g} x {height:g} pixels, its picture is {shape[1]} x {shape[0]}")
    return [fl_x * across, fl_y * down], [middle[0] * across, middle[1] * down], lens


def ball(capture: Capture) -> tuple[Tensor, float]:
    """Centre and radius of the ball to fit: nearest to all optical axes; as wide as every picture, and a margin.

    A wide picture may show a long object, which must not be cut off. What is above and below all pictures stays empty.
    """
    centre = meeting_point(capture.pose)
    height, width = capture.size
    half = (torch.tensor([width, height]) / 2 / capture.focal).amax(-1).atan()  # (N,) the wider half angle
    seen = (capture.pose[..., 3] - centre).norm(dim=-1) * half.sin()
    return centre.float(), max(MARGIN * seen.min().item(), 1e-6)


def write_transforms(path: Path, names: Sequence[str], pose: Tensor, **camera: float) -> None:
    """Write a transforms.json: files relative to it, poses (N, 3, 4), `camera` as it is (fl_x, w, camera_angle_x)."""
    last = [0.0, 0.0, 0.0, 1.0]
    frames = [{"file_path": name, "transform_matrix": [*p.tolist(), last]} for name, p in zip(names, pose.double())]
    write_json(path, {**camera, "frames": frames})
