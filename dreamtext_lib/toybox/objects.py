"""Toy objects: a class with a colour, a pattern and a shape; their captions, and their exact geometry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor

from ..radiance.cameras import VIEW_WORDS
from .classes import CLASSES, distance

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.82, 0.12, 0.10),
    "orange": (0.95, 0.50, 0.08),
    "yellow": (0.95, 0.85, 0.15),
    "green": (0.15, 0.60, 0.20),
    "blue": (0.13, 0.30, 0.85),
    "purple": (0.50, 0.15, 0.65),
    "white": (0.93, 0.93, 0.93),
    "black": (0.14, 0.14, 0.15),
}
PATTERNS = ("plain", "striped", "spotted")
SHAPES: dict[str, tuple[float, float, float]] = {
    "": (1.0, 1.0, 1.0),
    "tall": (0.78, 0.78, 1.2),
    "wide": (1.15, 1.15, 0.72),
}
CLASS_NAMES, COLOUR_NAMES, SHAPE_NAMES = tuple(CLASSES), tuple(COLOURS), tuple(SHAPES)
SECOND = {"white": (0.20, 0.20, 0.25)}  # the pattern's second colour, where it is not off-white
BOUND = 1.1  # every object, of every shape, lies inside the ball of this radius


@dataclass(frozen=True)
class ToyObject:
    """One object of the toybox. `shape` is '' (as drawn), 'tall' or 'wide'."""

    name: str
    colour: str = "red"
    pattern: str = "plain"
    shape: str = ""

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.name, CLASS_NAMES, "class"),
            (self.colour, COLOUR_NAMES, "colour"),
            (self.pattern, PATTERNS, "pattern"),
            (self.shape, SHAPE_NAMES, "shape"),
        ):
            if value not in known:
                raise ValueError(f"no {what} {value!r} in the toybox; choose one of {', '.join(filter(None, known))}")

    @property
    def scale(self) -> tuple[float, float, float]:
        """Stretch along x, y, z."""
        return SHAPES[self.shape]

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance at points (..., 3): negative inside, exact at the surface, (...)."""
        sx, sy, sz = self.scale
        p = points[..., 0] / sx, points[..., 1] / sy, points[..., 2] / sz
        return distance(self.name, p) * min(self.scale)

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
        words = [self.shape, self.colour, self.pattern if self.pattern != "plain" else ""]
        return caption(self.name, words, view)


def caption(name: str, adjectives: Sequence[str] = (), view: str | None = None, start: str = "an image of") -> str:
    """A caption in the grammar the tiny models are trained on: start, article, adjectives, noun, view."""
    words = ", ".join(filter(None, adjectives))
    thing = f"{words} {name}" if words else name
    article = "" if name == "cherries" else "an " if thing[0] in "aeiou" else "a "
    sentence = f"{start} {article}{thing}".strip()
    return f"{sentence}, {view} view" if view else sentence


def random_object(rng: np.random.Generator, name: str | None = None) -> ToyObject:
    """An object with a random colour; half are plain, half keep their drawn shape."""
    return ToyObject(
        name or str(rng.choice(CLASS_NAMES)),
        str(rng.choice(COLOUR_NAMES)),
        str(rng.choice(PATTERNS, p=(0.5, 0.25, 0.25))),
        str(rng.choice(SHAPE_NAMES, p=(0.5, 0.25, 0.25))),
    )


def random_caption(thing: ToyObject, view: str, rng: np.random.Generator) -> str:
    """A caption as a careless person would write it: parts left out at random, 'plain' seldom said."""
    said = rng.random(5)
    adjectives = (
        thing.shape if said[0] < 0.8 else "",
        thing.colour if said[1] < 0.85 else "",
        thing.pattern if said[2] < (0.3 if thing.pattern == "plain" else 0.85) else "",
    )
    start = str(rng.choice(("an image of", "", "a photo of"), p=(0.6, 0.3, 0.1)))
    return caption(thing.name, adjectives, view if said[3] < 0.8 else None, start)


def vocabulary() -> list[str]:
    """Every word that a caption can hold."""
    frame = "a an image photo of view".split()
    return [*frame, *VIEW_WORDS, *CLASS_NAMES, *COLOUR_NAMES, *PATTERNS, *filter(None, SHAPE_NAMES)]
