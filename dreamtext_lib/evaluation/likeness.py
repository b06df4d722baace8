"""How near a thing made from one picture is to the true thing: from the picture's side, and from all others."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..radiance.cameras import Cameras
from ..radiance.volume import Volume
from ..toybox.objects import ToyObject
from ..zoo.zeroshot import ZeroShot
from .fronts import Looks, look_at, turn
from .images import psnr, ssim
from .truth import exact

EVERY = 2  # of the cameras of a turn, those from which the thing is compared: every 30 degrees
BESIDE = 20.0  # degrees of azimuth from the picture's camera within which a view is no other side


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Numbers of one thing beside the true one; similarities are cosines of the judge's vectors, at most 1.

    `neighbours` is right where it is the truth's. Less: the sides do not go together. More: the thing is more alike all
    around than it should be; an empty volume has 1.
    """

    input_similarity: float  # of the thing, seen by the picture's camera, to the picture; more is better
    input_psnr: float  # the same in dB; more is better
    similarity: float  # of the other sides to the truth's, mean; more is better
    similarity_worst: float  # of the side that is least similar; more is better
    psnr: float  # of the other sides, dB, mean; more is better
    ssim: float  # of the other sides, at most 1, mean; more is better
    neighbours: float  # of each side to the next, 30 degrees on, mean; best as the truth's
    neighbours_true: float  # the truth's, below 1: its sides differ


def likeness(volume: Volume, thing: ToyObject, picture: Tensor, camera: Cameras, judge: ZeroShot) -> Likeness:
    """Compare a volume with the toy that a picture (64, 64, 3) in 0..1 shows, taken by one camera, an orbit's.

    The other sides are those of a turn at an elevation of 15 degrees, but for views beside the picture's.
    """
    cameras = turn()[::EVERY]
    seen, true = look_at(volume, cameras), look_at(exact(thing), cameras)
    near, alike = look_at(volume, camera).frames[0], cosines(judge, seen, true)
    others = other_sides(cameras, camera)
    pairs = [(seen.frames[i], true.frames[i]) for i in others]
    return Likeness(
        input_similarity=float((vectors(judge, near[None]) * vectors(judge, picture[None])).sum()),
        input_psnr=psnr(near, picture),
        similarity=float(alike[others].mean()),
        similarity_worst=float(alike[others].min()),
        psnr=mean([psnr(a, b) for a, b in pairs]),
        ssim=mean([ssim(a, b) for a, b in pairs]),
        neighbours=agreement(judge, seen),
        neighbours_true=agreement(judge, true),
    )


def other_sides(cameras: Cameras, camera: Cameras) -> list[int]:
    """The places of those cameras whose azimuth is more than `BESIDE` degrees from that of one camera."""
    off = (cameras.azimuth - camera.azimuth + 180) % 360 - 180  # (V,) degrees, -180..180
    return (off.abs() > BESIDE).nonzero()[:, 0].tolist()


def vectors(judge: ZeroShot, frames: Tensor) -> Tensor:
    """The judge's unit vectors (N, W) of pictures (N, 64, 64, 3) in 0..1."""
    return judge.images(frames.permute(0, 3, 1, 2) * 2 - 1)


def cosines(judge: ZeroShot, a: Looks, b: Looks) -> Tensor:
    """How similar views are, pair by pair, (N,)."""
    return (vectors(judge, a.frames) * vectors(judge, b.frames)).sum(1)


def agreement(judge: ZeroShot, looks: Looks) -> float:
    """How similar each view of a turn is to the next, the last to the first: the mean."""
    z = vectors(judge, looks.frames)
    return float((z * z.roll(-1, 0)).sum(1).mean())


def mean(values: list[float]) -> float:
    """The mean of finite numbers and of PSNRs, of which one may be infinite."""
    return float(torch.tensor(values, dtype=torch.float64).mean())
