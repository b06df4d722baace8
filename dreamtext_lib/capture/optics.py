"""How a frame's camera makes its picture, from the keys of a `transforms.json`: focal lengths, middle, lens."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..radiance.lens import LENS, directions

FOCAL = {axis: (f"{axis}_fov", f"fl_{axis}", f"camera_angle_{axis}") for axis in "xy"}  # instant-ngp's order
FISHEYES = ("OPENCV_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE")


class Optics(NamedTuple):
    """How one camera makes its picture, in the picture's pixels."""

    focal: tuple[float, float]  # fl_x, fl_y
    middle: tuple[float, float]  # cx, cy from the left, top edge
    lens: tuple[float, ...]  # the seven numbers of `radiance.lens`
    crop: float = 0.0  # radius of a fisheye's circle around the middle of the picture, 0 without


def read_optics(head: dict[str, Any], frame: dict[str, Any], shape: Sequence[int], where: str) -> Optics:
    """The camera of a frame whose picture has `shape` (H, W); what the frame says goes before the head of the file.

    An angle says: fl = side / 2 / tan(angle / 2). A single focal length holds across and down. Without cx, cy the
    optical axis meets the middle. Raises ValueError in one sentence if a value is missing, no number or out of range.
    """
    values = {**head, **frame}
    source = next((v for v in (frame, head) if any(v.get(key) for keys in FOCAL.values() for key in keys)), None)
    if source is None:
        raise ValueError(f"{where} has neither camera_angle_x nor fl_x, or they are 0")
    try:
        width, height = float(values.get("w", shape[1])), float(values.get("h", shape[0]))
        given = [focal_of(source, axis, side) for axis, side in (("x", width), ("y", height))]
        fl_x, fl_y = (given[0] or given[1], given[1] or given[0])
        middle = float(values.get("cx", width / 2)), float(values.get("cy", height / 2))
        lens = lens_of(head, frame)
        crop = float(values.get("fisheye_crop_radius") or 0) if lens[-1] else 0.0
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{where} has a focal length, centre, lens, crop or size that is not a number") from error
    sides = fl_x, fl_y, width, height
    if not all(math.isfinite(v) for v in (*sides, *middle, *lens)) or min(sides) <= 0:
        numbers = ", ".join(f"{v:g}" for v in sides)
        raise ValueError(f"focal lengths and size of {where} must be finite and above 0, they are {numbers}")
    if not 0 <= crop < math.inf:
        raise ValueError(f"the fisheye_crop_radius of {where} must be finite and 0 (for none) or more, it is {crop:g}")
    across, down = shape[1] / width, shape[0] / height
    if abs(across / down - 1) > 0.02:
        raise ValueError(f"{where} says {width:g} x {height:g} pixels, its picture is {shape[1]} x {shape[0]}")
    return Optics((fl_x * across, fl_y * down), (middle[0] * across, middle[1] * down), lens, crop * across)


def focal_of(values: dict[str, Any], axis: str, side: float) -> float:
    """Focal length along an axis in pixels, 0 if the values do not say."""
    fov, focal, angle = (values.get(key) for key in FOCAL[axis])
    if fov:
        return side / 2 / math.tan(math.radians(float(fov)) / 2)
    return float(focal) if focal else side / 2 / math.tan(float(angle) / 2) if angle else 0.0


def lens_of(head: dict[str, Any], frame: dict[str, Any]) -> tuple[float, ...]:
    """The seven numbers of `radiance.lens`, 0 where nothing is said. Raises ValueError for a list of another length."""
    values = dict.fromkeys(LENS, 0.0)
    for source in (head, frame):
        if listed := source.get("distortion_params"):
            if len(listed) != 6:
                raise ValueError(f"distortion_params has {len(listed)} numbers")
            values |= zip(LENS, listed)
        values |= {name: source[name] for name in LENS[:6] if name in source}
        if "camera_model" in source or "is_fisheye" in source:
            values["fisheye"] = source.get("camera_model") in FISHEYES or bool(source.get("is_fisheye"))
    return tuple(float(v or 0) for v in values.values())


def half_angle(optics: Optics, shape: Sequence[int]) -> float:
    """Half of the wider field of view of a picture of `shape` (H, W), across or down its middle, radians."""
    height, width = shape
    edges = torch.tensor([[0, height / 2], [width, height / 2], [width / 2, 0], [width / 2, height]]).double()
    at = (edges - torch.tensor(optics.middle)) / torch.tensor(optics.focal)
    ray = directions(at, torch.tensor(optics.lens, dtype=torch.float64).expand(4, -1))
    to_axis = torch.acos((-ray[:, 2]).clamp(-1, 1))
    return max(to_axis[0] + to_axis[1], to_axis[2] + to_axis[3]).item() / 2
