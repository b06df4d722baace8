"""Toy objects: a class and numbers, the words that fit them, captions, and their exact geometry.

An object is richer than its words: of two red, striped castles one may have pink roofs and short towers. The words of
an object are derived from its numbers, its colour's by nearness, 'tall', 'wide' and its pattern's by thresholds.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from math import exp, log
from typing import NamedTuple

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor

from ..radiance.cameras import VIEW_WORDS
from .classes import ACCENTS, CLASSES, FORMS, aspect, distance
from .colours import COLOUR_NAMES, COLOURS, MARGIN, RGB, any_colours, colour_called, difference, name_colours

PATTERNS = ("plain", "striped", "spotted")
SHAPES: dict[str, RGB] = {"": (1.0, 1.0, 1.0), "tall": (0.78, 0.78, 1.2), "wide": (1.15, 1.15, 0.72)}
CLASS_NAMES, SHAPE_NAMES = tuple(CLASSES), tuple(SHAPES)
BOUND = 1.1  # every object, of every shape, lies inside the ball of this radius

TALL, WIDE = 1.25, 0.8  # height over width, against the class as drawn, from which an object is called so
NEAR = 0.08  # an object is on a border if the logarithm of that ratio is less than this from one
CONTRAST = 0.15  # a pattern whose two paints are nearer than this in OKLab cannot be seen
FINEST = 0.06  # nor can one whose stripes are thinner than this
OFF_WHITE, DARK = (0.93, 0.93, 0.9), (0.2, 0.2, 0.25)  # a pattern's second paint, unless told
LONGEST_FORM = max(map(len, FORMS.values()))


class Words(NamedTuple):
    """What a caption can say of an object, or whether each of it is beyond doubt."""

    name: str | bool
    colour: str | bool
    pattern: str | bool
    shape: str | bool


@dataclass(frozen=True)
class ToyObject:
    """One object of the toybox. Where a word is given, it stands for its usual numbers.

    >>> ToyObject("castle", (0.95, 0.6, 0.7), "striped", scale=(0.8, 0.8, 1.15), form=(1.0, 0.2, 0.5)).caption("front")
    'an image of a tall, pink, striped castle, front view'

    Raises ValueError for a word that the toybox does not know, and for numbers out of range.
    """

    name: str
    colour: str | RGB = "red"  # its own paint: a basic colour term, or red, green, blue in 0..1
    pattern: str = "plain"  # how a second paint is laid on
    _: KW_ONLY
    scale: str | RGB = ""  # stretch along x, y, z: '' (as drawn), 'tall', 'wide', or numbers in 0.5..1.5
    second: RGB | None = None  # that second paint; None: off-white, or dark where that would not be seen
    grain: float = 0.2  # width of a stripe in the object's own units; spots are an eighth wider
    accent: RGB | None = None  # paint of a second part, such as a castle's roofs; None: the usual one of its class
    form: tuple[float, ...] | None = None  # the class's own numbers (`classes.FORMS`), each 0..1; None: as drawn

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.name, CLASS_NAMES, "class"),
            (self.colour, COLOUR_NAMES, "colour"),
            (self.pattern, PATTERNS, "pattern"),
            (self.scale, SHAPE_NAMES, "shape"),
        ):
            if isinstance(value, str) and value not in known:
                raise ValueError(f"no {what} {value!r} in the toybox; choose one of {', '.join(filter(None, known))}")
        colour = COLOURS[self.colour] if isinstance(self.colour, str) else self.colour
        plain = OFF_WHITE if difference(colour, OFF_WHITE) > 2 * CONTRAST else DARK
        for field, value, count, low, high in (
            ("colour", colour, 3, 0, 1),
            ("scale", SHAPES[self.scale] if isinstance(self.scale, str) else self.scale, 3, 0.5, 1.5),
            ("second", self.second or plain, 3, 0, 1),
            ("accent", self.accent or ACCENTS[self.name], 3, 0, 1),
            ("form", self.form or (0.5,) * len(FORMS[self.name]), len(FORMS[self.name]), 0, 1),
        ):
            value = tuple(float(v) for v in value)
            if len(value) != count or not all(low <= v <= high for v in value):
                raise ValueError(f"{field} of a {self.name} is {value}; it takes {count} numbers in {low}..{high}")
            object.__setattr__(self, field, value)
        if not 0 < self.grain <= 1:
            raise ValueError(f"grain is {self.grain}; it is a width above 0 and up to 1")

    @property
    def words(self) -> Words:
        """The words that fit: class, colour, pattern ('plain' if none can be seen) and shape ('' if neither)."""
        seen = self.grain >= FINEST and difference(self.colour, self.second) >= CONTRAST
        shape = "tall" if self.height > TALL else "wide" if self.height < WIDE else ""
        word = COLOUR_NAMES[int(name_colours(torch.tensor(self.colour))[0])]
        return Words(self.name, word, self.pattern if seen else "plain", shape)

    @property
    def clear(self) -> Words:
        """Which of these words are beyond doubt: True where the object is away from the border to another one."""
        margin = float(name_colours(torch.tensor(self.colour))[1])
        apart = min(abs(log(self.height / border)) for border in (TALL, WIDE))
        plain = self.pattern == "plain" or difference(self.colour, self.second) >= 1.5 * CONTRAST
        return Words(True, margin >= MARGIN, plain, apart >= NEAR)

    @property
    def height(self) -> float:
        """Height over width, against the class as drawn."""
        x, y, z = self.scale
        return z / (x * y) ** 0.5 * aspect(self.name, self.form)

    @property
    def numbers(self) -> list[float]:
        """All of the object but its class, as one row of numbers, of one length for all classes."""
        form = (*self.form, *(0.5,) * LONGEST_FORM)[:LONGEST_FORM]
        paints = (*self.colour, *self.second, *self.accent)
        return [*paints, *self.scale, PATTERNS.index(self.pattern), self.grain, *form]

    @classmethod
    def of_numbers(cls, name: str, row: Sequence[float]) -> "ToyObject":
        """The object whose `numbers` are this row, which may have been stored in single precision."""
        row = [round(float(v), 4) for v in row]
        form = tuple(row[14 : 14 + len(FORMS[name])])
        paint = [tuple(row[i : i + 3]) for i in (0, 3, 6, 9)]
        more = {"scale": paint[3], "second": paint[1], "grain": row[13], "accent": paint[2], "form": form}
        return cls(name, paint[0], PATTERNS[int(row[12])], **more)

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance at points (..., 3): negative inside, exact at the surface, (...)."""
        sx, sy, sz = self.scale
        p = points[..., 0] / sx, points[..., 1] / sy, points[..., 2] / sz
        return distance(self.name, p, self.form) * min(self.scale)

    def occupancy(self, points: Tensor) -> Tensor:
        """True where points (..., 3) lie inside the object, (...)."""
        return self.distance(points) < 0

    def mesh(self, resolution: int = 96) -> trimesh.Trimesh:
        """The surface as triangles, by marching cubes on `resolution`^3 samples of the distance."""
        axis = torch.linspace(-BOUND, BOUND, resolution)
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)  # (R, R, R, 3)
        volume = self.distance(grid).numpy()
        spacing = (2 * BOUND / (resolution - 1),) * 3
        vertices, faces, _, _ = marching_cubes(volume, 0.0, spacing=spacing, gradient_direction="descent")
        return trimesh.Trimesh(vertices - BOUND, faces)

    def caption(self, view: str | None = None) -> str:
        """The full sentence, 'an image of a tall, red, striped castle, front view'."""
        _, colour, pattern, shape = self.words
        return caption(self.name, [shape, colour, pattern if pattern != "plain" else ""], view)


def caption(name: str, adjectives: Sequence[str] = (), view: str | None = None, start: str = "an image of") -> str:
    """A caption in the grammar the tiny models are trained on: start, article, adjectives, noun, view."""
    words = ", ".join(filter(None, adjectives))
    thing = f"{words} {name}" if words else name
    article = "" if name == "cherries" else "an " if thing[0] in "aeiou" else "a "
    sentence = f"{start} {article}{thing}".strip()
    return f"{sentence}, {view} view" if view else sentence


def random_object(rng: np.random.Generator, name: str | None = None) -> ToyObject:
    """An object of any numbers: every colour's word is equally frequent, half are plain, half are about as drawn."""
    name = name or str(rng.choice(CLASS_NAMES))
    colour = colour_called(str(rng.choice(COLOUR_NAMES)), rng, clear=rng.random() < 0.6)
    second = apart(colour, 2 * CONTRAST, rng) if rng.random() < 0.4 else None
    usual = np.array(ACCENTS[name]) + rng.uniform(-0.06, 0.06, 3)
    accent = apart(colour, CONTRAST, rng) if rng.random() < 0.35 else tuple(usual.clip(0, 1).round(3).tolist())
    scale = random_scale(rng)
    return ToyObject(
        name,
        colour,
        str(rng.choice(PATTERNS, p=(0.5, 0.25, 0.25))),
        scale=scale,
        second=second,
        grain=round(float(rng.uniform(0.13, 0.3)), 3),
        accent=accent,
        form=tuple(rng.random(len(FORMS[name])).round(3).tolist()),
    )


def random_scale(rng: np.random.Generator) -> RGB:
    """Random stretches along x, y, z: half of them about as drawn, the others lower or higher."""
    if rng.random() < 0.5:
        ratio, size = exp(rng.uniform(-0.12, 0.12)), rng.uniform(0.94, 1.04)
    else:
        ratio, size = exp(rng.uniform(log(0.6), log(1.6))), rng.uniform(0.96, 1.0)
    z = size * ratio ** (0.42 if ratio > 1 else 0.65)  # 'tall' as much narrower as higher, 'wide' rather lower
    x, y = z / ratio * rng.uniform(0.97, 1.03, 2)
    return tuple(round(float(v), 3) for v in (x, y, z))


def apart(colour: RGB, gap: float, rng: np.random.Generator) -> RGB:
    """A random colour that differs from another by at least `gap` in OKLab."""
    while difference(colour, other := tuple(any_colours(1, rng)[0].tolist())) < gap:
        pass
    return other


def random_caption(words: Words, view: str, rng: np.random.Generator) -> str:
    """A caption as a careless person would write it: parts left out at random, 'plain' seldom said."""
    said, (name, colour, pattern, shape) = rng.random(5), words
    adjectives = (
        shape if said[0] < 0.8 else "",
        colour if said[1] < 0.85 else "",
        pattern if said[2] < (0.3 if pattern == "plain" else 0.85) else "",
    )
    start = str(rng.choice(("an image of", "", "a photo of"), p=(0.6, 0.3, 0.1)))
    return caption(name, adjectives, view if said[3] < 0.9 else None, start)


def vocabulary() -> list[str]:
    """Every word that a caption can hold."""
    frame = "a an image photo of view".split()
    return [*frame, *VIEW_WORDS, *CLASS_NAMES, *COLOUR_NAMES, *PATTERNS, *filter(None, SHAPE_NAMES)]
