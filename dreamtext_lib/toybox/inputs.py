"""The twenty input images of the thesis' figure 6.1, as toys: instances that no sentence of the toybox describes.

Each is drawn from a seed that no training set has, so its true shape and all its other views are known. Ten are for
development, ten only for final tables.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..radiance.cameras import Cameras, orbit
from .colours import COLOURS, difference
from .objects import CONTRAST, ToyObject, random_object
from .render import render, studio

SEED = 5_000_011
NAMES = (
    *("castle",) * 5, "mug", "watch", "purse", "cactus", "sneaker",
    "bird", "teapot", "statue", "cactus", "statue", "donut", "fish", "microphone", "cherries", "teddy",
)  # fmt: skip
DEVELOPMENT = (0, 2, 4, 5, 7, 9, 11, 13, 16, 19)  # of each kind some; the other ten are for final tables alone


class Input(NamedTuple):
    """One input image: the object, and where the camera stands."""

    number: int  # 1..20, as in figure 6.1, row by row
    thing: ToyObject
    camera: Cameras  # a single one
    development: bool  # methods may be tuned on it

    @property
    def title(self) -> str:
        """Its name in the figure, such as 'castle 3'; a class that stands there once has no number."""
        of_class = [i for i, name in enumerate(NAMES) if name == self.thing.name]
        return self.thing.name + (f" {of_class.index(self.number - 1) + 1}" if len(of_class) > 1 else "")

    def picture(self, size: int = 64) -> Tensor:
        """The image, (S, S, 3) in 0..1, on a light grey wall."""
        return render([self.thing], self.camera, size, studio(self.camera)).rgb[0]


def beyond_words(thing: ToyObject) -> bool:
    """Whether no sentence of the vocabulary describes the object: its own colour is far from what any word means."""
    return min(difference(thing.colour, middle) for middle in COLOURS.values()) >= 0.7 * CONTRAST


def inputs() -> list[Input]:
    """The twenty input images, in the order of the figure; the same at every call."""
    made = []
    for i, name in enumerate(NAMES):
        rng = np.random.default_rng((SEED, i))
        while not beyond_words(thing := random_object(rng, name)):
            pass
        azimuth, elevation = rng.uniform(-35, 35), rng.uniform(8, 25)
        camera = orbit(azimuth, elevation)
        made.append(Input(i + 1, thing, camera, i in DEVELOPMENT))
    return made
