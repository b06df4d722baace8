"""Signed distance functions: the alphabet of the toybox.

A point set is a triple `p = (x, y, z)` of equal-shaped tensors (three flat arrays are faster than one strided one);
a distance is negative inside. Every measure may be a number, or a tensor with one value a point.
Formulas: I. Quilez, "Distance functions" (iquilezles.org/articles/distfunctions).
`ellipsoid` and `cone` are bounds that are exact on the surface, so the sphere tracer takes slightly short steps.
"""

import torch
from torch import Tensor

Points = tuple[Tensor, Tensor, Tensor]
Measure = float | Tensor
Vec = tuple[Measure, Measure, Measure]


def length(*components: Tensor) -> Tensor:
    """Euclidean norm of the components, with a finite gradient at 0."""
    return torch.sqrt(sum(c * c for c in components) + 1e-12)


def union(*distances: Tensor) -> Tensor:
    """Nearest of several shapes: min d_i."""
    out = distances[0]
    for d in distances[1:]:
        out = torch.minimum(out, d)
    return out


def both(*distances: Tensor) -> Tensor:
    """Intersection: max d_i. Subtract a shape by its negative."""
    out = distances[0]
    for d in distances[1:]:
        out = torch.maximum(out, d)
    return out


def blend(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Smooth union of two shapes with a fillet of about `width`."""
    h = (0.5 + 0.5 * (b - a) / width).clamp(0, 1)
    return b + (a - b) * h - width * h * (1 - h)


def move(p: Points, c: Vec) -> Points:
    """The points seen from `c`."""
    return p[0] - c[0], p[1] - c[1], p[2] - c[2]


def mirror(p: Points, x: bool = False, y: bool = False, z: bool = False) -> Points:
    """Fold the points, so that one shape stands on both sides of the named planes."""
    return p[0].abs() if x else p[0], p[1].abs() if y else p[1], p[2].abs() if z else p[2]


def sphere(p: Points, c: Vec, r: Measure) -> Tensor:
    """Ball of radius r around c."""
    return length(*move(p, c)) - r


def ellipsoid(p: Points, c: Vec, r: Vec) -> Tensor:
    """Ellipsoid with semi-axes r around c (first-order distance)."""
    q = move(p, c)
    k0 = length(q[0] / r[0], q[1] / r[1], q[2] / r[2])
    k1 = length(q[0] / r[0] ** 2, q[1] / r[1] ** 2, q[2] / r[2] ** 2)
    return k0 * (k0 - 1) / k1


def box(p: Points, c: Vec, half: Vec, rounding: float = 0.03) -> Tensor:
    """Box with half sides `half` around c, edges rounded by `rounding`."""
    x, y, z = (q.abs() - (h - rounding) for q, h in zip(move(p, c), half))
    outside = length(x.clamp(min=0), y.clamp(min=0), z.clamp(min=0))
    return outside + both(x, y, z).clamp(max=0) - rounding


def cylinder(p: Points, c: Vec, r: Measure, half: Measure, axis: int = 2) -> Tensor:
    """Cylinder of radius r and half height `half` along an axis (0, 1, 2 for x, y, z)."""
    q = move(p, c)
    u, v = (q[k] for k in range(3) if k != axis)
    radial, along = length(u, v) - r, q[axis].abs() - half
    return length(radial.clamp(min=0), along.clamp(min=0)) + torch.maximum(radial, along).clamp(max=0)


def capsule(p: Points, a: Vec, b: Vec, r: Measure) -> Tensor:
    """All points within r of the segment from a to b."""
    ab = [b[k] - a[k] for k in range(3)]
    q = move(p, a)
    h = (sum(q[k] * ab[k] for k in range(3)) / sum(v * v for v in ab)).clamp(0, 1)
    return length(*(q[k] - h * ab[k] for k in range(3))) - r


def torus(p: Points, c: Vec, major: Measure, minor: Measure, axis: int = 2) -> Tensor:
    """Torus around an axis: ring radius `major`, tube radius `minor`."""
    q = move(p, c)
    u, v = (q[k] for k in range(3) if k != axis)
    return length(length(u, v) - major, q[axis]) - minor


def cone(p: Points, c: Vec, bottom: Measure, top: Measure, half: Measure) -> Tensor:
    """Upright capped cone around c: radii `bottom` and `top`, half height `half`."""
    q = move(p, c)
    radius = bottom + (top - bottom) * ((q[2] + half) / (2 * half)).clamp(0, 1)
    slant = (1 + ((bottom - top) / (2 * half)) ** 2) ** -0.5
    return torch.maximum((length(q[0], q[1]) - radius) * slant, q[2].abs() - half)
