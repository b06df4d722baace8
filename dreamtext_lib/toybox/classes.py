"""The fourteen things of the thesis' input images, each a function from points and its form to its painted parts.

Every function returns `[(distance, paint), ...]`. Paint `MAIN` takes the object's own colour and pattern, `ACCENT` its
second paint, such as a castle's roofs; the other paints are fixed. The form is a list of numbers between 0 and 1, named
in `FORMS`: there are many castles, and the one with 0.5 throughout is as the class is usually drawn. Each object stands
inside the ball of radius 1, faces +x, and has something at its front that its back lacks: a gate, a dial, a face, a
flower.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .shapes import (
    Measure,
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

Paint = tuple[float, float, float] | str
Parts = list[tuple[Tensor, Paint]]
Form = Sequence[Measure]

MAIN, ACCENT = "main", "accent"
BLACK, BROWN, CREAM = (0.07, 0.07, 0.08), (0.36, 0.20, 0.10), (0.93, 0.85, 0.68)
CLAY, DOUGH, GOLD = (0.70, 0.36, 0.20), (0.82, 0.60, 0.35), (0.90, 0.72, 0.20)
GREY, LEAF, ORANGE = (0.50, 0.50, 0.54), (0.15, 0.50, 0.15), (0.95, 0.55, 0.10)
PINK, RED, SLATE, WHITE = (0.95, 0.45, 0.65), (0.80, 0.10, 0.10), (0.30, 0.32, 0.42), (0.95, 0.95, 0.95)


def mix(u: Measure, low: float, high: float) -> Measure:
    """The measure between `low`, at u = 0, and `high`, at u = 1."""
    return low + (high - low) * u


def castle(p: Points, form: Form) -> Parts:
    """Keep, four towers with slate roofs; gate and windows at the front."""
    tower, roof, keep = mix(form[0], 0.20, 0.42), mix(form[1], 0.10, 0.20), mix(form[2], 0.28, 0.46)
    corner = mirror(p, x=True, y=True)
    walls = union(
        box(p, (0, 0, -0.25), (0.42, 0.42, 0.32)),
        box(p, (-0.08, 0, 0.5 * keep - 0.055), (0.2, 0.2, 0.5 * keep + 0.095)),
        cylinder(corner, (0.42, 0.42, 0.5 * tower - 0.285), 0.16, 0.5 * tower + 0.285),
    )
    roofs = union(
        cone(corner, (0.42, 0.42, tower - 0.02 + roof), 0.21, 0.0, roof),
        cone(p, (-0.08, 0, keep + roof), 0.3, 0.0, roof + 0.01),
    )
    gate = union(
        box(p, (0.42, 0, -0.4), (0.04, 0.13, 0.17)),
        cylinder(p, (0.42, 0, -0.24), 0.13, 0.04, axis=0),
    )
    windows = box(mirror(p, y=True), (0.565, 0.42, tower - 0.21), (0.03, 0.04, 0.09))
    return [(walls, MAIN), (roofs, ACCENT), (gate, BROWN), (windows, BLACK)]


def mug(p: Points, form: Form) -> Parts:
    """A cup with its handle at the side and a golden badge at the front."""
    half, ring, foot = mix(form[0], 0.38, 0.58), mix(form[1], 0.17, 0.31), mix(form[2], 0.32, 0.52)
    c = (0, -0.08, 0)
    cup = both(cone(p, c, foot, 0.42, half), -cone(p, (0, -0.08, 0.15), foot - 0.07, 0.35, half + 0.02))
    handle = both(torus(p, (0, 0.36, 0), ring, 0.07, axis=0), -cone(p, c, foot - 0.04, 0.38, half + 0.1))
    badge = both(sphere(p, (0.42, -0.08, 0), 0.2), cone(p, c, foot + 0.015, 0.435, half - 0.06))
    return [(union(cup, handle), MAIN), (badge, ACCENT)]


def watch(p: Points, form: Form) -> Parts:
    """A strap bent to a ring; the dial with two hands at the front."""
    dial, width = mix(form[0], 0.30, 0.42), mix(form[1], 0.10, 0.24)
    ring = length(p[0] + 0.1, p[2])
    strap = both(ring - 0.6, p[1].abs() - width, 0.52 - ring)
    case = union(cylinder(p, (0.5, 0, 0), dial, 0.09, axis=0), cylinder(p, (0.5, dial + 0.04, 0), 0.05, 0.06, axis=1))
    face = cylinder(p, (0.55, 0, 0), dial - 0.07, 0.06, axis=0)
    hands = union(
        box(p, (0.6, 0, 0.1), (0.03, 0.03, 0.13), 0.01),
        box(p, (0.6, 0.08, 0), (0.03, 0.1, 0.03), 0.01),
    )
    return [(strap, MAIN), (case, ACCENT), (face, WHITE), (hands, BLACK)]


def purse(p: Points, form: Form) -> Parts:
    """A handbag; flap and clasp at the front."""
    bag = box(p, (0, 0, -0.2), (0.24, 0.55, 0.36), 0.1)
    strap, flap = mix(form[0], 0.25, 0.43), mix(form[1], 0.10, 0.22)
    handle = both(torus(p, (0, 0, 0.15), strap, 0.05, axis=0), 0.1 - p[2])
    cover = box(p, (0.2, 0, 0.14 - flap), (0.07, 0.5, flap), 0.05)
    clasp = sphere(p, (0.28, 0, 0.16 - 2 * flap), 0.08)
    return [(union(bag, handle), MAIN), (cover, ACCENT), (clasp, GOLD)]


def cactus(p: Points, form: Form) -> Parts:
    """A pillar with two arms in a clay pot; flowers at the front."""
    arm, other, trunk = mix(form[0], 0.12, 0.48), mix(form[1], -0.10, 0.30), mix(form[2], 0.15, 0.25)
    left = union(
        capsule(p, (0, 0, -0.05), (0, 0.4, -0.05), 0.1),
        capsule(p, (0, 0.4, -0.05), (0, 0.4, arm), 0.1),
    )
    right = union(
        capsule(p, (0, 0, other), (0, -0.38, other), 0.09),
        capsule(p, (0, -0.38, other), (0, -0.38, other + 0.32), 0.09),
    )
    body = union(capsule(p, (0, 0, -0.4), (0, 0, 0.55), trunk), left, right)
    flowers = union(sphere(p, (trunk - 0.03, 0, 0.5), 0.12), sphere(p, (trunk - 0.01, 0, -0.02), 0.07))
    return [(body, MAIN), (cone(p, (0, 0, -0.6), 0.24, 0.34, 0.2), ACCENT), (flowers, PINK)]


def sneaker(p: Points, form: Form) -> Parts:
    """A high shoe, toe to the front, with laces and a white sole."""
    ankle, thick = mix(form[0], 0.09, 0.45), mix(form[1], 0.05, 0.13)
    upper = blend(
        ellipsoid(p, (0.36, 0, -0.24), (0.34, 0.25, 0.2)),
        box(p, (-0.3, 0, 0.5 * ankle - 0.185), (0.33, 0.23, 0.5 * ankle + 0.185), 0.12),
        0.2,
    )
    sole = union(
        box(p, (0, 0, -0.45 + thick), (0.7, 0.28, thick), 0.05),
        ellipsoid(p, (0.55, 0, -0.28), (0.17, 0.22, 0.13)),
    )
    opening = ellipsoid(p, (-0.34, 0, ankle + 0.03), (0.24, 0.15, 0.14))
    rows = ((0.05, 0.12), (0.17, 0.04), (0.29, -0.02))
    laces = union(*(capsule(p, (x, -0.14, z - 0.02), (x, 0.14, z - 0.02), 0.035) for x, z in rows))
    return [(both(upper, -0.36 - p[2]), MAIN), (sole, ACCENT), (opening, BLACK), (laces, WHITE)]


def bird(p: Points, form: Form) -> Parts:
    """A small songbird; beak, eyes and a pale breast at the front."""
    beak, tail = mix(form[0], 0.66, 0.82), mix(form[1], 0.14, 0.26)
    side = mirror(p, y=True)
    body = blend(ellipsoid(p, (0, 0, -0.1), (0.48, 0.34, 0.36)), sphere(p, (0.34, 0, 0.34), 0.26), 0.1)
    body = blend(body, box(p, (-0.36 - tail, 0, 0), (tail, 0.16, 0.05), 0.04), 0.1)
    body = union(body, ellipsoid(side, (-0.08, 0.34, -0.05), (0.3, 0.09, 0.2)))
    beak_and_legs = union(
        capsule(p, (0.55, 0, 0.3), (beak, 0, 0.26), 0.06),
        capsule(side, (0.02, 0.14, -0.4), (0.05, 0.14, -0.68), 0.04),
        capsule(side, (0.05, 0.14, -0.68), (0.2, 0.14, -0.68), 0.04),
    )
    eyes = sphere(side, (0.53, 0.13, 0.42), 0.06)
    breast = ellipsoid(p, (0.2, 0, -0.14), (0.32, 0.24, 0.26))
    return [(body, MAIN), (beak_and_legs, ORANGE), (eyes, BLACK), (breast, ACCENT)]


def teapot(p: Points, form: Form) -> Parts:
    """Spout on the left, handle on the right, a flower painted on the front."""
    spout, ring, knob = mix(form[0], 0.06, 0.34), mix(form[1], 0.16, 0.28), mix(form[2], 0.06, 0.12)
    pot = union(
        ellipsoid(p, (0, 0, -0.1), (0.46, 0.46, 0.38)),
        capsule(p, (0, 0.35, -0.15), (0, 0.72, spout), 0.08),
        both(torus(p, (0, -0.48, -0.05), ring, 0.06, axis=0), p[1] + 0.3),
    )
    lid = union(ellipsoid(p, (0, 0, 0.24), (0.26, 0.26, 0.09)), sphere(p, (0, 0, 0.29 + knob), knob))
    petals = mirror((p[0], p[1], p[2] + 0.08), y=True, z=True)
    flower = union(
        sphere(petals, (0.44, 0.1, 0), 0.08),
        sphere(petals, (0.44, 0, 0.1), 0.08),
        sphere(petals, (0.46, 0, 0), 0.06),
    )
    return [(both(pot, -0.42 - p[2]), MAIN), (lid, ACCENT), (both(flower, -p[0]), PINK)]


def statue(p: Points, form: Form) -> Parts:
    """A figure on a grey pedestal that raises a golden torch; eyes at the front."""
    hand, base = mix(form[0], 0.44, 0.62), mix(form[1], 0.26, 0.42)
    side = mirror(p, y=True)
    pedestal = union(box(p, (0, 0, -0.68), (base, base, 0.12)), box(p, (0, 0, -0.52), (base - 0.1, base - 0.1, 0.08)))
    body = blend(
        capsule(side, (0, 0.1, -0.4), (0, 0.1, -0.05), 0.09),
        ellipsoid(p, (0, 0, 0.12), (0.16, 0.24, 0.26)),
        0.08,
    )
    body = blend(body, sphere(p, (0.02, 0, 0.55), 0.17), 0.05)
    arms = union(
        capsule(p, (0, 0.24, 0.28), (0.1, 0.4, 0), 0.07),
        capsule(p, (0, -0.24, 0.28), (0.12, -0.4, hand), 0.07),
    )
    eyes, torch_ = sphere(side, (0.17, 0.07, 0.58), 0.035), sphere(p, (0.14, -0.42, hand + 0.1), 0.1)
    return [(union(body, arms), MAIN), (pedestal, ACCENT), (eyes, BLACK), (torch_, GOLD)]


def donut(p: Points, form: Form) -> Parts:
    """A ring of dough that stands upright; the icing is on its front half."""
    ring, thick = mix(form[0], 0.36, 0.48), mix(form[1], 0.16, 0.28)
    icing = both(torus(p, (0.02, 0, 0), ring, thick + 0.015, axis=0), 0.02 - p[0])
    return [(torus(p, (0, 0, 0), ring, thick, axis=0), ACCENT), (icing, MAIN)]


def fish(p: Points, form: Form) -> Parts:
    """A round fish; big eyes and a red mouth at the front, tail behind."""
    size, fin = mix(form[0], 0.15, 0.33), mix(form[1], 0.10, 0.26)
    side, tail = mirror(p, y=True), mirror(p, y=True, z=True)
    body = blend(
        ellipsoid(p, (0.08, 0, 0), (0.52, 0.3, 0.38)),
        ellipsoid(tail, (-0.6, 0, size - 0.08), (0.2, 0.06, size)),
        0.06,
    )
    fins = union(
        ellipsoid(p, (-0.02, 0, 0.4), (0.24, 0.05, fin)),
        ellipsoid(side, (0.1, 0.34, -0.12), (0.16, 0.12, 0.06)),
    )
    eyes, pupils = sphere(side, (0.4, 0.17, 0.14), 0.1), sphere(side, (0.465, 0.2, 0.15), 0.065)
    mouth = ellipsoid(p, (0.59, 0, -0.06), (0.05, 0.13, 0.06))
    return [(body, MAIN), (fins, ACCENT), (eyes, WHITE), (pupils, BLACK), (mouth, RED)]


def microphone(p: Points, form: Form) -> Parts:
    """A hand microphone; the red switch is at the front."""
    ball, foot = mix(form[0], 0.25, 0.37), mix(form[1], 0.08, 0.18)
    switch = box(p, (0.19, 0, -0.15), (0.06, 0.06, 0.12))
    head, ring = sphere(p, (0, 0, 0.4), ball), torus(p, (0, 0, 0.16), 0.25, 0.06)
    return [(cone(p, (0, 0, -0.33), foot, 0.22, 0.42), MAIN), (head, ACCENT), (ring, GOLD), (switch, RED)]


def cherries(p: Points, form: Form) -> Parts:
    """Two cherries on their stalks; a leaf and two glints at the front."""
    r, blade = mix(form[0], 0.23, 0.37), mix(form[1], 0.14, 0.34)
    fruit = union(sphere(p, (0, 0.36, -0.34), r), sphere(p, (0.05, -0.35, -0.26), r))
    stalks = union(
        capsule(p, (0, 0.36, -0.05), (0, 0.02, 0.6), 0.04),
        capsule(p, (0.05, -0.35, 0), (0, 0.02, 0.6), 0.04),
    )
    leaf = ellipsoid(p, (0.16, 0.16, 0.55), (0.2, blade, 0.07))
    glints = union(
        sphere(p, (0.73 * r, 0.36 + 0.13 * r, 0.4 * r - 0.34), 0.1),
        sphere(p, (0.73 * r + 0.05, 0.13 * r - 0.35, 0.4 * r - 0.26), 0.1),
    )
    return [(fruit, MAIN), (stalks, BROWN), (leaf, ACCENT), (glints, WHITE)]


def teddy(p: Points, form: Form) -> Parts:
    """A sitting bear; muzzle, eyes and belly at the front."""
    ear, belly, legs = mix(form[0], 0.08, 0.18), mix(form[1], 0.26, 0.42), mix(form[2], 0.24, 0.48)
    side = mirror(p, y=True)
    body = union(
        ellipsoid(p, (0, 0, -0.22), (0.3, belly, 0.38)),
        sphere(p, (0.03, 0, 0.36), 0.3),
        sphere(side, (0, 0.25, 0.6), ear),
        capsule(side, (0.05, 0.3, -0.02), (0.22, 0.46, -0.18), 0.11),
        capsule(side, (0.05, 0.2, -0.52), (legs, 0.27, -0.58), 0.14),
    )
    pale = union(
        ellipsoid(p, (0.29, 0, 0.28), (0.13, 0.14, 0.11)),
        ellipsoid(p, (0.17, 0, -0.22), (0.18, belly - 0.12, 0.26)),
    )
    dark = union(sphere(p, (0.41, 0, 0.32), 0.055), sphere(side, (0.28, 0.12, 0.43), 0.05))
    return [(body, MAIN), (pale, ACCENT), (dark, BLACK)]


CLASSES: dict[str, Callable[[Points], Parts]] = {
    f.__name__: f
    for f in (
        castle, mug, watch, purse, cactus, sneaker, bird, teapot, statue, donut, fish, microphone, cherries, teddy,
    )
}  # fmt: skip


# the class's own numbers, in the order of its form, and the paint of its accent unless told
FORMS: dict[str, tuple[str, ...]] = {
    "castle": ("height of the towers", "steepness of the roofs", "height of the keep"),
    "mug": ("height", "size of the handle", "width of the foot"),
    "watch": ("size of the dial", "width of the strap"),
    "purse": ("length of the strap", "depth of the flap"),
    "cactus": ("reach of the left arm", "height of the right arm", "width of the trunk"),
    "sneaker": ("height of the ankle", "thickness of the sole"),
    "bird": ("length of the beak", "length of the tail"),
    "teapot": ("height of the spout", "size of the handle", "size of the knob"),
    "statue": ("height of the torch", "width of the pedestal"),
    "donut": ("width of the ring", "thickness"),
    "fish": ("size of the tail", "height of the fin"),
    "microphone": ("size of the head", "width of the foot"),
    "cherries": ("size of the fruit", "width of the leaf"),
    "teddy": ("size of the ears", "width of the belly", "length of the legs"),
}
ACCENTS: dict[str, tuple[float, float, float]] = {
    "castle": SLATE, "mug": GOLD, "watch": GOLD, "purse": BROWN, "cactus": CLAY, "sneaker": WHITE, "bird": CREAM,
    "teapot": CREAM, "statue": GREY, "donut": DOUGH, "fish": ORANGE, "microphone": GREY, "cherries": LEAF,
    "teddy": CREAM,
}  # fmt: skip


def aspect(name: str, form: Form) -> Measure:
    """How much taller than usual the form itself makes the object; it counts for the words 'tall' and 'wide'."""
    return mix(form[0], 0.38, 0.58) / 0.48 if name == "mug" else 1.0


def distance(name: str, p: Points, form: Form) -> Tensor:
    """Signed distance of the whole object, over all its parts."""
    return union(*(d for d, _ in CLASSES[name](p, form)))


def paints(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Fixed colours (P, 3) of the object's parts, and the masks (P,) of those in its own and in its accent's paint."""
    origin = (torch.zeros(1),) * 3
    colours = [paint for _, paint in CLASSES[name](origin, (0.5,) * len(FORMS[name]))]
    fixed = torch.tensor([(0.0, 0.0, 0.0) if isinstance(c, str) else c for c in colours])
    return fixed, torch.tensor([c == MAIN for c in colours]), torch.tensor([c == ACCENT for c in colours])
