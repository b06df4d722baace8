"""The `transforms.json` of a capture, read and written.

nerfstudio, instant-ngp and the scenes of nerf_synthetic share the layout: a field of view or focal lengths in pixels,
and for each frame a file and a 4 x 4 camera-to-world matrix in the OpenGL convention. `keys` goes through all that
they write; here is what is used.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..files import write_json
from ..radiance.cameras import Cameras, meeting_point
from ..radiance.lens import has_ray
from .captures import Capture
from .keys import note_unknown
from .listing import Frame, read_listing
from .optics import Optics, half_angle
from .pictures import read_picture
from .splits import split
from .upright import Up, World, Z, check_view, named_up, standing, up_of

MARGIN = 1.1  # the ball that is fitted is larger by this than the one that fills the smallest view
WHOLE = 0.95  # share of a picture that a lens lets rays into before it is spoken of
RIM = 5  # pixels at the edge of a picture that SSIM leaves out
OUTSIDE = 0.9  # of the way to the nearest camera, which a ball of very wide pictures stays below


def read_capture(
    path: Path, size: int | None = None, *, cut_out: bool = False, up: str = "cameras"
) -> tuple[Capture, Capture]:
    """The pictures to learn from and those that are held out, of a folder or a JSON file.

    A folder holds transforms.json or transforms_train.json. Held out is what transforms_test.json beside it lists, or
    what `test_filenames` name, else every tenth picture; one that a mask hides wholly is left out. size: pictures whose
    longer side is longer are made smaller. cut_out: a plain wall that touches the border of a picture without
    transparent pixels becomes transparent. up: which way is up in the file's world, by an axis (x, -y) or three
    numbers; `cameras`: what the file says, else as the cameras were held (`up_of`).
    Raises ValueError in one sentence that names the file, for whatever is missing, broken or of a kind that is not
    read; all that can be seen without decoding pictures is looked at before the first one is.
    """
    known, listing = named_up(up), read_listing(found(Path(path)))
    test = listing.path.with_name("transforms_test.json")
    test = read_listing(test) if test.is_file() and test != listing.path else None
    learn, held = split(listing, test)
    pose = torch.stack([frame.pose for frame in listing.frames])
    half = torch.tensor([half_angle(f.optics, f.shape) for f in listing.frames], dtype=torch.float64)
    check_view(pose, half, Z if known is None else known.axis, listing.path)
    world = standing(known or said_up(listing.head) or up_of(pose), *ball(pose, half))
    unknown = listing.unknown | (test.unknown if test else set())
    world = world._replace(notes=(*note_unknown(unknown), *note_on_lenses(learn), *world.notes))
    return with_judged(gather(learn, world, size, cut_out), gather(held, world, size, cut_out), listing.path)


def found(path: Path) -> Path:
    """The JSON file of a capture that a folder or a file is named for."""
    if not path.exists():
        raise ValueError(f"there is no capture '{path}'")
    if not path.is_dir():
        return path
    for name in ("transforms_train.json", "transforms.json"):
        if (path / name).is_file():
            return path / name
    raise ValueError(f"the folder '{path}' holds neither transforms.json nor transforms_train.json")


def said_up(head: dict[str, Any]) -> Up | None:
    """Which way is up by the head of a file, if it says so."""
    if head.get("up"):
        return named_up(",".join(str(v) for v in np.ravel(head["up"])))._replace(how="the file says so")
    return Up(Z, "the file says so") if head.get("orientation_override") == "none" else None


def ball(pose: Tensor, half: Tensor) -> tuple[Tensor, float]:
    """Centre and radius of the ball to fit: nearest to all optical axes; as wide as every picture, and a margin.

    pose (N, 3, 4), half (N,) the wider half angle of each picture, radians. A wide picture may show a long object,
    which must not be cut off. What is above and below all pictures stays empty.
    """
    centre = meeting_point(pose)
    away = (pose[..., 3] - centre).norm(dim=-1)
    seen, near = away * half.clamp(max=math.pi / 2).sin(), away.min().item()
    return centre, max(min(MARGIN * seen.min().item(), OUTSIDE * near), 1e-6 * away.mean().item())


def gather(frames: Sequence[Frame], world: World, size: int | None, cut_out: bool) -> Capture:
    """The frames with their pixels and their cameras in a world (see `read_capture`)."""
    pictures = [read_picture(f.file, size, f.clear._replace(wall=cut_out), f.mask) for f in frames]
    rgba, counts = (torch.stack(v) for v in zip(*pictures))
    pose = world.move.pose(torch.stack([frame.pose for frame in frames])).float()
    scale = torch.tensor([rgba.shape[2] / frames[0].shape[1], rgba.shape[1] / frames[0].shape[0]])  # across, down
    focal, middle, lens = (torch.tensor(v, dtype=torch.float32) for v in zip(*(frame.optics[:3] for frame in frames)))
    if lens.any():
        counts &= torch.stack([scope(frame, tuple(rgba.shape[1:3])) for frame in frames])
    names = tuple(frame.name for frame in frames)
    centre = world.centre.float()
    cameras = Cameras(pose, focal * scale, middle * scale, lens, height=rgba.shape[1], width=rgba.shape[2])
    return Capture(rgba, cameras, names=names, centre=centre, radius=world.radius, counts=counts, notes=world.notes)


def with_judged(learn: Capture, held: Capture, path: Path) -> tuple[Capture, Capture]:
    """Both kinds of pictures, without those held out of which nothing counts, which a note names.

    Nor can a picture be judged of which the rim alone counts: SSIM has no say there. Raises ValueError if none is left.
    """
    rim = RIM if min(held.size) > 2 * RIM else 0
    inner = held.counts[:, rim : held.size[0] - rim, rim : held.size[1] - rim]
    rows = inner.flatten(1).any(1).nonzero()[:, 0].tolist()
    if len(rows) == len(held):
        return learn, held
    if not rows:
        raise ValueError(f"masks or the lens hide every held-out picture of '{path}'; hold out one that shows more")
    hidden = ", ".join(name for i, name in enumerate(held.names) if i not in rows)
    note = f"masks or the lens hide these held-out pictures, which are left out: {hidden}"
    return replace(learn, notes=(*learn.notes, note)), held.take(rows)


def scope(frame: Frame, size: tuple[int, int]) -> Tensor:
    """The pixels of a picture of `size` (H, W) at which one ray alone comes through the lens, in its circle: (H, W)."""
    return scope_of(frame.optics, frame.shape, size)


@lru_cache(maxsize=64)
def scope_of(optics: Optics, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """`scope`, once for all pictures of one camera."""
    rows, columns = ((torch.arange(n) + 0.5) / n * side for n, side in zip(size, shape))
    x, y = torch.meshgrid(columns.double(), rows.double(), indexing="xy")  # (H, W) pixels of the file
    at = (torch.stack([x, y], -1).view(-1, 2) - torch.tensor(optics.middle)) / torch.tensor(optics.focal)
    lens = torch.tensor(optics.lens, dtype=torch.float64).expand(len(at), -1)
    within = (x - shape[1] / 2).hypot(y - shape[0] / 2) < (optics.crop or math.inf)
    return within & has_ray(at, lens).view(size)


def note_on_lenses(frames: Sequence[Frame]) -> list[str]:
    """The note for a lens that leaves many pixels without a ray: its numbers may be another lens'."""
    for frame in frames:
        whole = frame.optics._replace(crop=0.0)
        seen = scope_of(whole, frame.shape, (33, 33)).double().mean().item() if any(whole.lens) else 1
        if seen < WHOLE:
            return [f"through the lens of '{frame.name}' {1 - seen:.0%} of its pixels have no ray, and are left out"]
    return []


def write_transforms(path: Path, names: Sequence[str], pose: Tensor, **camera: float) -> None:
    """Write a transforms.json: files relative to it, poses (N, 3, 4), `camera` as it is (fl_x, w, camera_angle_x)."""
    last = [0.0, 0.0, 0.0, 1.0]
    frames = [{"file_path": name, "transform_matrix": [*p.tolist(), last]} for name, p in zip(names, pose.double())]
    write_json(path, {**camera, "frames": frames})
