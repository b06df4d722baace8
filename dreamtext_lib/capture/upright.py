"""Which way is up, and whether the cameras look at one object: what the poses of a capture say of its world.

Poses are camera to world, OpenGL, (N, 3, 4), float64 and as far from the origin as the file has them: a world in UTM
coordinates has millions of metres, of which single precision keeps a half.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..radiance.cameras import meeting_point
from .poses import Similarity

Z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
KEEP = 5.0  # degrees by which the cameras' up may differ from z before the world is turned
FAR = 100.0  # radii of the ball from the origin beyond which the world is moved
BROAD = 0.17  # sine of the angle by which axes have to differ to span a plane (nerfstudio: cos 80 degrees)
PARALLEL = 1e-4  # the same below which axes are taken to be parallel

LEVEL = 0.35  # root mean square sine by which cameras that are held level may be rolled
ROUND = 0.4  # length of the mean of unit vectors below which they go all around


class Up(NamedTuple):
    """Which way is up in a world."""

    axis: Tensor  # (3,) unit vector, float64
    how: str  # where it is known from, in words


def up_of(pose: Tensor) -> Up:
    """Up, from how the cameras of poses (N, 3, 4) were held.

    Who holds a camera level has its right axis at right angles to up, wherever it looks: up is the direction in which
    the right axes have the least square (nerfstudio's `vertical`). Where all look the same way, that leaves a plane
    open, and up is the mean of the cameras' up, within it. Cameras that were held on their side, all around, have
    their up axes level instead. Cameras on a plane that were held at random have that plane's normal for up.
    """
    right, above, position = pose[:, :, 0], pose[:, :, 1], pose[:, :, 3]
    mean, off = above.mean(0), position - meeting_point(pose)
    (r, r_axes), (a, a_axes), (p, p_axes) = (spread(v) for v in (right, above, position - position.mean(0)))
    if mean.norm() < ROUND and a[1] > BROAD and a[2] < min(BROAD, r[2]):
        return Up(signed(a_axes[2], 0 * mean, off), "the cameras are held on their side")
    if r[1] > BROAD and r[2] < LEVEL:
        return Up(signed(r_axes[2], mean, off), "the cameras are held level to it")
    if mean.norm() > ROUND:
        flat = mean - r_axes[0] * (mean @ r_axes[0]) if r[1] <= BROAD else mean
        return Up(normalize(flat, dim=0), "the mean of the cameras' up")
    if p[2] < 0.1 * p[1]:
        return Up(signed(p_axes[2], mean, off), "the cameras go around it in a plane")
    return Up(Z, "the cameras do not tell")


def spread(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Root mean squares of vectors (N, 3) along their principal axes, falling, (3,), and the axes, rows of (3, 3)."""
    values, axes = torch.linalg.eigh(vectors.T @ vectors / len(vectors))
    return values.clamp(min=0).sqrt().flip(0), axes.T.flip(0)


def signed(axis: Tensor, mean: Tensor, off: Tensor) -> Tensor:
    """An axis turned to the side of the cameras' mean up; where that is level, to where most cameras stand."""
    along = mean @ axis
    return axis if (along if along.abs() > 0.1 else (off @ axis).sum()) >= 0 else -axis


def named_up(name: str) -> Up | None:
    """The up that a user names: x, -y, +z, or three numbers with commas; `cameras` is none.

    Raises ValueError in one sentence for anything else.
    """
    if name == "cameras":
        return None
    axes = {
        sign + axis: (-1) ** (sign == "-") * row for sign in ("", "+", "-") for axis, row in zip("xyz", torch.eye(3))
    }
    try:
        vector = axes[name] if name in axes else torch.tensor([float(v) for v in name.split(",")])
    except ValueError:
        vector = torch.zeros(0)
    if vector.shape != (3,) or not vector.isfinite().all() or vector.norm() < 1e-6:
        raise ValueError(f"up is '{name}'; say cameras, an axis (x, -x, y, -y, z, -z), or three numbers as in 0,1,0")
    return Up(normalize(vector.double(), dim=0), "as you say")


def turn_to_z(axis: Tensor) -> Tensor:
    """The smallest rotation (3, 3) that takes a unit vector to z; within `KEEP` degrees of it, none."""
    if math.degrees(math.acos(max(-1.0, min(1.0, float(axis @ Z))))) <= KEEP:
        return torch.eye(3, dtype=torch.float64)
    front = torch.linalg.cross(Z, axis)
    if front.norm() < 1e-9:  # upside down
        return torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    x, y = normalize(front, dim=0), axis
    old = torch.stack([x, torch.linalg.cross(y, x), y])  # (3, 3) rows: a basis with the axis for its z
    new = torch.stack([x, torch.linalg.cross(Z, x), Z])
    return new.T @ old


class World(NamedTuple):
    """Where a field lives: how the file's world is moved, and the ball to fit in it."""

    move: Similarity  # from the file's world
    centre: Tensor  # (3,) float64
    radius: float
    notes: tuple[str, ...]  # what was done, a sentence each


def standing(up: Up, centre: Tensor, radius: float) -> World:
    """A world where up is z and the ball, given in the file's, is near enough to the origin for single precision.

    One where both hold stays as it is, and meshes with it.
    """
    turn, notes = turn_to_z(up.axis), []
    if not torch.equal(turn, torch.eye(3, dtype=torch.float64)):
        way = ", ".join(f"{round(v, 2) + 0.0:.2f}" for v in up.axis.tolist())  # without -0.00
        notes.append(f"up is ({way}) in the file's world ({up.how}); the field is turned upright (--up z leaves it)")
    far = centre.norm() > FAR * radius
    if far:
        at = ", ".join(f"{v:.10g}" for v in centre.tolist())
        notes.append(f"the object is far from the world's origin; the field's own origin is at ({at})")
    move = Similarity(1.0, turn, -turn @ centre if far else torch.zeros(3, dtype=torch.float64))
    return World(move, move.points(centre), radius, tuple(notes))


def check_view(pose: Tensor, half: Tensor, up: Tensor, path: object) -> None:
    """Refuse cameras that do not look at one object. Raises ValueError in one sentence with the reason.

    pose (N, 3, 4), half (N,) the wider half angle of each picture, radians. A capture of an object has the point that
    is nearest to all optical axes in most of its pictures; of two, it lies in front of both. One picture, pictures from
    one place and parallel ones have no such point.
    """
    to = meeting_point(pose) - pose[:, :, 3]  # (N, 3)
    ahead, away = -(to * pose[:, :, 2]).sum(-1), to.norm(dim=-1)
    behind = len(pose) < 3 and not (ahead > 0).all()
    if behind or spread(pose[:, :, 2])[0][1] < PARALLEL or away.max() <= 1e-9 * pose[:, :, 3].abs().max():
        raise ValueError(
            f"the cameras of '{path}' do not look at one object: their optical axes are parallel or from one place, or "
            "meet behind one, and fix no point in front of them; take pictures from all around one thing"
        )
    near = torch.where(away > 0, ahead / away, 0)  # cosine to the optical axis
    seen = (near > half.cos()).double().mean().item()
    if len(pose) < 3 or seen >= 0.5:
        return
    if (near < -0.1).double().mean() <= 0.5:
        raise ValueError(
            f"the cameras of '{path}' do not look at one object: {seen:.0%} of the pictures contain the point that all "
            "come nearest to; take pictures from all around one thing"
        )
    outward = (
        "they look outward, as in a room or a panorama, and a field in a ball needs cameras around one object that "
        "look inward"
    )
    swapped = (
        "their axes are right, down, forward (OpenCV): negate the second and the third column of each transform_matrix"
    )
    level = (pose[:, :, 0] @ up).square().mean().sqrt() < BROAD  # else the world's up is not known to be up
    lean = (normalize(pose[:, :, 1].mean(0), dim=0) @ up).item() if level else 0.0
    reason = outward if lean > 0.5 else swapped if lean < -0.5 else f"{outward}; or {swapped}"
    raise ValueError(f"the cameras of '{path}' look away from their common middle: {reason}")
