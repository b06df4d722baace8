"""The frames that a `transforms.json` lists, with all that can be known of them before a pixel is decoded."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .keys import FRAME, HEAD, check_keys, meant
from .optics import Optics, read_optics
from .pictures import Clear, check_mask, size_of

ENDINGS = (".png", ".jpg", ".jpeg")


class Frame(NamedTuple):
    """One picture that a file lists, before it is read."""

    file: Path
    name: str  # relative to the file that lists it
    mask: Path | None
    pose: Tensor  # (3, 4) float64
    optics: Optics  # in pixels of the picture as it lies there
    shape: tuple[int, int]  # height and width of it
    clear: Clear  # what of it is transparent


class Listing(NamedTuple):
    """What a `transforms.json` says: its frames, the head of the file, and the keys that nobody knows."""

    path: Path
    frames: list[Frame]
    head: dict[str, Any]
    unknown: set[str]


def read_listing(path: Path) -> Listing:
    """All frames of one JSON file, without their pixels (see `read_capture`)."""
    try:
        head = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows may put a mark before it
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}") from error
    frames = head.get("frames") if isinstance(head, dict) else None
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames):
        raise ValueError(f"'{path}' has no list of frames")
    if not frames:
        raise ValueError(f"'{path}' lists no frame; a capture needs at least two pictures")
    unknown = check_keys(head, f"'{path}'", FRAME)
    if isinstance(limit := head.get("n_frames"), int) and limit < len(frames):
        raise ValueError(f"'{path}' has n_frames {limit} and lists {len(frames)} frames; take the others out")
    read = []
    for i, frame in enumerate(frames):
        where = f"frame {i} of '{path}'"
        unknown |= check_keys(frame, where, HEAD)
        read.append(read_frame(path, head, frame, where))
        if read[-1].shape != read[0].shape:
            (height, width), (h, w) = read[-1].shape, read[0].shape
            raise ValueError(
                f"'{read[-1].file}' is {width} x {height} pixels, '{read[0].file}' {w} x {h}; a capture has pictures "
                "of one size"
            )
    return Listing(path, read, head, unknown)


def read_frame(path: Path, head: dict[str, Any], frame: dict[str, Any], where: str) -> Frame:
    """One frame, without its pixels."""
    file = beside(path, frame.get("file_path"), "picture", where)
    rays = file.with_name(f"rays_{file.stem}.dat")
    if rays.is_file() and head.get("enable_ray_loading", True):
        raise ValueError(f"the rays '{rays}' of {where} are not read; give its camera, and take the file away")
    mask = beside(path, frame["mask_path"], "mask", where) if frame.get("mask_path") else None
    shape = size_of(file)
    if mask is not None:
        check_mask(mask, file, shape)
    optics = read_optics(head, frame, shape, where)
    clear = Clear(white=meant(head.get("white_transparent")), black=meant(head.get("black_transparent")))
    name = Path(frame["file_path"].replace("\\", "/")).as_posix()
    return Frame(file, name, mask, read_pose(frame, where), optics, shape, clear)


def beside(path: Path, name: Any, what: str, where: str) -> Path:
    """A file that a JSON file names, with either slash; without an ending it is a picture's, .png before the others."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} has no {'file_path' if what == 'picture' else 'mask_path'}")
    file = path.parent / (name if (path.parent / name).is_file() else name.replace("\\", "/"))
    for candidate in (file, *(file.with_name(file.name + ending) for ending in ENDINGS)):
        if candidate.is_file():
            return candidate
    raise ValueError(f"the {what} '{file}' of {where} is missing")


def read_pose(frame: dict[str, Any], where: str) -> Tensor:
    """Camera-to-world (3, 4) of a frame in float64, refused unless it turns and moves alone."""
    try:
        matrix = np.array([[float(v) for v in row] for row in frame["transform_matrix"]])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where} has no transform_matrix of numbers") from error
    if matrix.shape not in ((4, 4), (3, 4)):
        raise ValueError(f"the transform_matrix of {where} must be 4 x 4 numbers, it is {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"the transform_matrix of {where} holds numbers that are not finite")
    turn = matrix[:3, :3]
    if np.abs(turn.T @ turn - np.eye(3)).max() > 1e-2 or np.linalg.det(turn) < 0:
        raise ValueError(
            f"the transform_matrix of {where} is not rigid: its first three columns must be a rotation, without scale, "
            "shear or mirror"
        )
    u, _, v = np.linalg.svd(turn)
    return torch.from_numpy(np.column_stack([u @ v, matrix[:3, 3]]))
