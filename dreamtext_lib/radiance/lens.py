"""Lenses: from a place in a picture to the direction of its ray, and back (OpenCV's models, as nerfstudio has them).

A place is given in normalised coordinates x, y from the optical axis, y down: pixels less the middle, over the focal
lengths. A lens is seven numbers: k1, k2, k3, k4 radial, p1, p2 tangential, and 1 for a fisheye, 0 for a pinhole.
A ray that leaves the axis by the angle theta passes a pinhole at r = tan theta, a fisheye at r = theta; then
both are bent alike,

    x' = x g + 2 p1 x y + p2 (r^2 + 2 x^2),  y' = y g + p1 (r^2 + 2 y^2) + 2 p2 x y,
    g = 1 + k1 r^2 + k2 r^4 + k3 r^6 + k4 r^8.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

LENS = ("k1", "k2", "k3", "k4", "p1", "p2", "fisheye")
ROUNDS = 6  # of Newton's method; a lens of a telephone is undone after four


def directions(at: Tensor, lens: Tensor) -> Tensor:
    """Unit directions (R, 3) right, up, backward of the rays that fall at places (R, 2) through lenses (R, 7)."""
    return normalize(leaning(at, lens), dim=-1)


def leaning(at: Tensor, lens: Tensor) -> Tensor:
    """The same before they are made of unit length: a pinhole's are 1 along the optical axis."""
    straight = undistort(at, lens)
    x, y = straight.unbind(-1)
    pinhole = torch.stack([x, -y, -torch.ones_like(x)], -1)
    if not lens[:, 6].any():
        return pinhole
    theta = straight.norm(dim=-1)
    along = torch.sinc(theta / torch.pi)  # sin theta / theta
    fisheye = torch.stack([along * x, -along * y, -theta.cos()], -1)
    return torch.where(lens[:, 6:] > 0, fisheye, pinhole)


def project(points: Tensor, lens: Tensor) -> Tensor:
    """Places (R, 2) where a camera at the origin sees points (R, 3) right, up, backward through lenses (R, 7).

    What a pinhole has behind it falls nowhere: its place is not finite.
    """
    x, y, z = points[:, 0], -points[:, 1], -points[:, 2]  # right, down, forward
    across = torch.stack([x, y], -1)
    off = across.norm(dim=-1)
    front = torch.where(z > 1e-6 * off, z, torch.nan)
    straight = across / front[:, None]
    if lens[:, 6].any():
        theta = torch.atan2(off, z)
        straight = torch.where(lens[:, 6:] > 0, across * (theta / off.maximum(1e-9 * z.abs()))[:, None], straight)
    return distort(straight, lens)


def distort(straight: Tensor, lens: Tensor) -> Tensor:
    """Where lenses (R, 7) bend the rays to that would pass at (R, 2): places (R, 2)."""
    return bend(straight, lens)[0] if lens[:, :6].any() else straight


def undistort(at: Tensor, lens: Tensor) -> Tensor:
    """Where the rays of places (R, 2) would pass without bending: the inverse of `distort`, by Newton's method.

    Where a lens folds its picture over there is no such ray (`has_ray`); such a place is given back as it is.
    """
    if not lens[:, :6].any():
        return at
    straight = invert(at, lens)
    return torch.where(straight.isfinite(), straight, at)


def has_ray(at: Tensor, lens: Tensor) -> Tensor:
    """Whether one ray alone falls at each of the places (R, 2): not beyond where a lens folds its picture over. (R,)"""
    straight = invert(at, lens)
    return straight.isfinite().all(-1) & ((lens[:, 6] == 0) | (straight.norm(dim=-1) < torch.pi))


def invert(at: Tensor, lens: Tensor) -> Tensor:
    """`undistort`, not finite where there is no ray."""
    straight = at
    for _ in range(ROUNDS):
        to, (a, b, c, d) = bend(straight, lens)
        x, y = (to - at).unbind(-1)
        det = a * d - b * c
        det = torch.where(det.abs() < 1e-3, 1e-3, det)
        straight = straight - torch.stack([d * x - b * y, a * y - c * x], -1) / det[:, None]
    to, (a, b, c, d) = bend(straight, lens)
    good = ((to - at).abs().amax(-1) < 1e-4) & (a * d - b * c > 1e-3) & (a > 0)
    return torch.where(good[:, None], straight, torch.nan)


def bend(straight: Tensor, lens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """`distort`, and its Jacobian row by row: d x' / d x, d x' / d y, d y' / d x, d y' / d y, each (R,)."""
    k1, k2, k3, k4, p1, p2 = lens[:, :6].unbind(-1)  # (R,) each
    x, y = straight.unbind(-1)
    square = x * x + y * y
    g = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
    slope = 2 * (k1 + square * (2 * k2 + square * (3 * k3 + square * 4 * k4)))  # d g / d x = x slope
    to_x = x * g + 2 * p1 * x * y + p2 * (square + 2 * x * x)
    to_y = y * g + p1 * (square + 2 * y * y) + 2 * p2 * x * y
    mixed = x * y * slope + 2 * p1 * x + 2 * p2 * y
    own = g + x * x * slope + 2 * p1 * y + 6 * p2 * x, g + y * y * slope + 6 * p1 * y + 2 * p2 * x
    return torch.stack([to_x, to_y], -1), (own[0], mixed, mixed, own[1])
