"""The fourteen things of the thesis' input images, each a function from points to its painted parts.

Every function returns `[(distance, paint), ...]`. Paint `MAIN` takes the object's own colour and pattern; the other
paints are fixed. Each object stands inside the ball of radius 1, faces +x, and has something at its front that its
back lacks: a gate, a dial, a face, a flower.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .shapes import (
    Points,
    blend,
    both,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    length,
    mirror,
    sphere,
    torus,
    union,
)  # fmt: skip

Paint = tuple[float, float, float] | None
Parts = list[tuple[Tensor, Paint]]

MAIN = None
BLACK, BROWN, CREAM = (0.07, 0.07, 0.08), (0.36, 0.20, 0.10), (0.93, 0.85, 0.68)
CLAY, DOUGH, GOLD = (0.70, 0.36, 0.20), (0.82, 0.60, 0.35), (0.90, 0.72, 0.20)
GREY, LEAF, ORANGE = (0.50, 0.50, 0.54), (0.15, 0.50, 0.15), (0.95, 0.55, 0.10)
PINK, RED, SLATE, WHITE = (0.95, 0.45, 0.65), (0.80, 0.10, 0.10), (0.30, 0.32, 0.42), (0.95, 0.95, 0.95)


def castle(p: Points) -> Parts:
    """Keep, four towers with slate roofs; gate and windows at the front."""
    corner = mirror(p, x=True, y=True)
    walls = union(
        box(p, (0, 0, -0.25), (0.42, 0.42, 0.32)),
        box(p, (-0.08, 0, 0.15), (0.2, 0.2, 0.3)),
        cylinder(corner, (0.42, 0.42, -0.12), 0.16, 0.45),
    )
    roofs = union(
        cone(corner, (0.42, 0.42, 0.47), 0.21, 0.0, 0.16),
        cone(p, (-0.08, 0, 0.58), 0.3, 0.0, 0.17),
    )
    gate = union(
        box(p, (0.42, 0, -0.4), (0.04, 0.13, 0.17)),
        cylinder(p, (0.42, 0, -0.24), 0.13, 0.04, axis=0),
    )
    windows = box(mirror(p, y=True), (0.565, 0.42, 0.12), (0.03, 0.04, 0.09))
    return [(walls, MAIN), (roofs, SLATE), (gate, BROWN), (windows, BLACK)]


def mug(p: Points) -> Parts:
    """A cup with its handle at the side and a golden badge at the front."""
    cup = both(cylinder(p, (0, -0.08, 0), 0.42, 0.48), -cylinder(p, (0, -0.08, 0.15), 0.35, 0.5))
    handle = both(torus(p, (0, 0.36, 0), 0.24, 0.07, axis=0), -cylinder(p, (0, -0.08, 0), 0.38, 0.6))
    badge = both(sphere(p, (0.42, -0.08, 0), 0.2), cylinder(p, (0, -0.08, 0), 0.435, 0.4))
    return [(union(cup, handle), MAIN), (badge, GOLD)]


def watch(p: Points) -> Parts:
    """A strap bent to a ring; the dial with two hands at the front."""
    ring = length(p[0] + 0.1, p[2])
    strap = both(ring - 0.6, p[1].abs() - 0.17, 0.52 - ring)
    case = union(cylinder(p, (0.5, 0, 0), 0.36, 0.09, axis=0), cylinder(p, (0.5, 0.4, 0), 0.05, 0.06, axis=1))
    face = cylinder(p, (0.55, 0, 0), 0.29, 0.06, axis=0)
    hands = union(
        box(p, (0.6, 0, 0.1), (0.03, 0.03, 0.13), 0.01),
        box(p, (0.6, 0.08, 0), (0.03, 0.1, 0.03), 0.01),
    )
    return [(strap, MAIN), (case, GOLD), (face, WHITE), (hands, BLACK)]


def purse(p: Points) -> Parts:
    """A handbag; flap and clasp at the front."""
    bag = box(p, (0, 0, -0.2), (0.24, 0.55, 0.36), 0.1)
    handle = both(torus(p, (0, 0, 0.15), 0.34, 0.05, axis=0), 0.1 - p[2])
    flap = box(p, (0.2, 0, -0.02), (0.07, 0.5, 0.16), 0.05)
    return [(union(bag, handle), MAIN), (flap, BROWN), (sphere(p, (0.28, 0, -0.16), 0.08), GOLD)]


def cactus(p: Points) -> Parts:
    """A pillar with two arms in a clay pot; flowers at the front."""
    left = union(
        capsule(p, (0, 0, -0.05), (0, 0.4, -0.05), 0.1),
        capsule(p, (0, 0.4, -0.05), (0, 0.4, 0.3), 0.1),
    )
    right = union(
        capsule(p, (0, 0, 0.1), (0, -0.38, 0.1), 0.09),
        capsule(p, (0, -0.38, 0.1), (0, -0.38, 0.42), 0.09),
    )
    body = union(capsule(p, (0, 0, -0.4), (0, 0, 0.55), 0.2), left, right)
    flowers = union(sphere(p, (0.17, 0, 0.5), 0.12), sphere(p, (0.19, 0, -0.02), 0.07))
    return [(body, MAIN), (cone(p, (0, 0, -0.6), 0.24, 0.34, 0.2), CLAY), (flowers, PINK)]


def sneaker(p: Points) -> Parts:
    """A high shoe, toe to the front, with laces and a white sole."""
    upper = blend(
        ellipsoid(p, (0.36, 0, -0.24), (0.34, 0.25, 0.2)),
        box(p, (-0.3, 0, -0.05), (0.33, 0.23, 0.32), 0.12),
        0.2,
    )
    sole = union(
        box(p, (0, 0, -0.36), (0.7, 0.28, 0.09), 0.06),
        ellipsoid(p, (0.55, 0, -0.28), (0.17, 0.22, 0.13)),
    )
    opening = ellipsoid(p, (-0.34, 0, 0.3), (0.24, 0.15, 0.14))
    rows = ((0.05, 0.12), (0.17, 0.04), (0.29, -0.02))
    laces = union(*(capsule(p, (x, -0.14, z - 0.02), (x, 0.14, z - 0.02), 0.035) for x, z in rows))
    return [(both(upper, -0.36 - p[2]), MAIN), (sole, WHITE), (opening, BLACK), (laces, WHITE)]


def bird(p: Points) -> Parts:
    """A small songbird; beak, eyes and a pale breast at the front."""
    side = mirror(p, y=True)
    body = blend(ellipsoid(p, (0, 0, -0.1), (0.48, 0.34, 0.36)), sphere(p, (0.34, 0, 0.34), 0.26), 0.1)
    body = blend(body, box(p, (-0.58, 0, 0), (0.22, 0.16, 0.05), 0.04), 0.1)
    body = union(body, ellipsoid(side, (-0.08, 0.34, -0.05), (0.3, 0.09, 0.2)))
    beak_and_legs = union(
        capsule(p, (0.55, 0, 0.3), (0.74, 0, 0.26), 0.06),
        capsule(side, (0.02, 0.14, -0.4), (0.05, 0.14, -0.68), 0.04),
        capsule(side, (0.05, 0.14, -0.68), (0.2, 0.14, -0.68), 0.04),
    )
    eyes = sphere(side, (0.53, 0.13, 0.42), 0.06)
    breast = ellipsoid(p, (0.2, 0, -0.14), (0.32, 0.24, 0.26))
    return [(body, MAIN), (beak_and_legs, ORANGE), (eyes, BLACK), (breast, CREAM)]


def teapot(p: Points) -> Parts:
    """Spout on the left, handle on the right, a flower painted on the front."""
    pot = union(
        ellipsoid(p, (0, 0, -0.1), (0.46, 0.46, 0.38)),
        capsule(p, (0, 0.35, -0.15), (0, 0.72, 0.2), 0.08),
        both(torus(p, (0, -0.48, -0.05), 0.22, 0.06, axis=0), p[1] + 0.3),
    )
    lid = union(ellipsoid(p, (0, 0, 0.24), (0.26, 0.26, 0.09)), sphere(p, (0, 0, 0.38), 0.09))
    petals = mirror((p[0], p[1], p[2] + 0.08), y=True, z=True)
    flower = union(
        sphere(petals, (0.44, 0.1, 0), 0.08),
        sphere(petals, (0.44, 0, 0.1), 0.08),
        sphere(petals, (0.46, 0, 0), 0.06),
    )
    return [(both(pot, -0.42 - p[2]), MAIN), (lid, CREAM), (both(flower, -p[0]), PINK)]


def statue(p: Points) -> Parts:
    """A figure on a grey pedestal that raises a golden torch; eyes at the front."""
    side = mirror(p, y=True)
    pedestal = union(box(p, (0, 0, -0.68), (0.34, 0.34, 0.12)), box(p, (0, 0, -0.52), (0.24, 0.24, 0.08)))
    body = blend(
        capsule(side, (0, 0.1, -0.4), (0, 0.1, -0.05), 0.09),
        ellipsoid(p, (0, 0, 0.12), (0.16, 0.24, 0.26)),
        0.08,
    )
    body = blend(body, sphere(p, (0.02, 0, 0.55), 0.17), 0.05)
    arms = union(
        capsule(p, (0, 0.24, 0.28), (0.1, 0.4, 0), 0.07),
        capsule(p, (0, -0.24, 0.28), (0.12, -0.4, 0.62), 0.07),
    )
    eyes, torch_ = sphere(side, (0.17, 0.07, 0.58), 0.035), sphere(p, (0.14, -0.42, 0.72), 0.1)
    return [(union(body, arms), MAIN), (pedestal, GREY), (eyes, BLACK), (torch_, GOLD)]


def donut(p: Points) -> Parts:
    """A ring of dough that stands upright; the icing is on its front half."""
    icing = both(torus(p, (0.02, 0, 0), 0.42, 0.235, axis=0), 0.02 - p[0])
    return [(torus(p, (0, 0, 0), 0.42, 0.22, axis=0), DOUGH), (icing, MAIN)]


def fish(p: Points) -> Parts:
    """A round fish; big eyes and a red mouth at the front, tail behind."""
    side, tail = mirror(p, y=True), mirror(p, y=True, z=True)
    body = blend(
        ellipsoid(p, (0.08, 0, 0), (0.52, 0.3, 0.38)),
        ellipsoid(tail, (-0.6, 0, 0.16), (0.2, 0.06, 0.24)),
        0.06,
    )
    fins = union(
        ellipsoid(p, (-0.02, 0, 0.4), (0.24, 0.05, 0.18)),
        ellipsoid(side, (0.1, 0.34, -0.12), (0.16, 0.12, 0.06)),
    )
    eyes, pupils = sphere(side, (0.4, 0.17, 0.14), 0.1), sphere(side, (0.465, 0.2, 0.15), 0.065)
    mouth = ellipsoid(p, (0.59, 0, -0.06), (0.05, 0.13, 0.06))
    return [(body, MAIN), (fins, ORANGE), (eyes, WHITE), (pupils, BLACK), (mouth, RED)]


def microphone(p: Points) -> Parts:
    """A hand microphone; the red switch is at the front."""
    switch = box(p, (0.19, 0, -0.15), (0.06, 0.06, 0.12))
    head, ring = sphere(p, (0, 0, 0.4), 0.31), torus(p, (0, 0, 0.16), 0.25, 0.06)
    return [(cone(p, (0, 0, -0.33), 0.13, 0.22, 0.42), MAIN), (head, GREY), (ring, GOLD), (switch, RED)]


def cherries(p: Points) -> Parts:
    """Two cherries on their stalks; a leaf and two glints at the front."""
    fruit = union(sphere(p, (0, 0.34, -0.34), 0.3), sphere(p, (0.05, -0.33, -0.26), 0.3))
    stalks = union(
        capsule(p, (0, 0.34, -0.05), (0, 0.02, 0.6), 0.04),
        capsule(p, (0.05, -0.33, 0), (0, 0.02, 0.6), 0.04),
    )
    leaf = ellipsoid(p, (0.16, 0.16, 0.55), (0.2, 0.24, 0.07))
    glints = union(sphere(p, (0.22, 0.38, -0.22), 0.1), sphere(p, (0.27, -0.29, -0.14), 0.1))
    return [(fruit, MAIN), (stalks, BROWN), (leaf, LEAF), (glints, WHITE)]


def teddy(p: Points) -> Parts:
    """A sitting bear; muzzle, eyes and belly at the front."""
    side = mirror(p, y=True)
    body = union(
        ellipsoid(p, (0, 0, -0.22), (0.3, 0.34, 0.38)),
        sphere(p, (0.03, 0, 0.36), 0.3),
        sphere(side, (0, 0.25, 0.6), 0.13),
        capsule(side, (0.05, 0.3, -0.02), (0.22, 0.46, -0.18), 0.11),
        capsule(side, (0.05, 0.2, -0.52), (0.36, 0.27, -0.58), 0.14),
    )
    pale = union(
        ellipsoid(p, (0.29, 0, 0.28), (0.13, 0.14, 0.11)),
        ellipsoid(p, (0.17, 0, -0.22), (0.18, 0.22, 0.26)),
    )
    dark = union(sphere(p, (0.41, 0, 0.32), 0.055), sphere(side, (0.28, 0.12, 0.43), 0.05))
    return [(body, MAIN), (pale, CREAM), (dark, BLACK)]


CLASSES: dict[str, Callable[[Points], Parts]] = {
    f.__name__: f
    for f in (
        castle, mug, watch, purse, cactus, sneaker, bird, teapot, statue, donut, fish, microphone, cherries, teddy,
    )
}  # fmt: skip


def distance(name: str, p: Points) -> Tensor:
    """Signed distance of the whole object, over all its parts."""
    return union(*(d for d, _ in CLASSES[name](p)))


def paints(name: str) -> tuple[Tensor, Tensor]:
    """Fixed colours (P, 3) of the object's parts, and the mask (P,) of those that take the object's own colour."""
    origin = (torch.zeros(1),) * 3
    colours = [paint for _, paint in CLASSES[name](origin)]
    return torch.tensor([c or (0.0, 0.0, 0.0) for c in colours]), torch.tensor([c is MAIN for c in colours])
