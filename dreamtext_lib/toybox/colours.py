"""Colours and their words: any colour has a name, the nearest of the eleven basic colour terms (Berlin and Kay 1969).

Nearness is measured in OKLab (Ottosson 2020), where equal distances look about equally large: black is 0, white 1, and
0.02 is just noticeable. A term covers several examples, for light and dark blue are both blue.
"""

import numpy as np
import torch
from torch import Tensor

RGB = tuple[float, float, float]

# the middle of each term, what its word alone means; then further examples of it
TERMS: dict[str, tuple[RGB, ...]] = {
    "red": ((0.82, 0.12, 0.10), (0.58, 0.08, 0.10), (0.92, 0.26, 0.20)),
    "orange": ((0.95, 0.50, 0.08), (0.96, 0.62, 0.28)),
    "yellow": ((0.95, 0.85, 0.15), (0.97, 0.93, 0.52), (0.80, 0.72, 0.15)),
    "green": ((0.15, 0.60, 0.20), (0.10, 0.34, 0.13), (0.55, 0.86, 0.28), (0.14, 0.62, 0.44), (0.62, 0.84, 0.62),
              (0.42, 0.48, 0.16)),
    "blue": ((0.13, 0.30, 0.85), (0.09, 0.13, 0.42), (0.38, 0.68, 0.95), (0.18, 0.72, 0.82), (0.40, 0.52, 0.74),
             (0.70, 0.88, 0.94), (0.30, 0.36, 0.50), (0.12, 0.28, 0.37)),
    "purple": ((0.50, 0.15, 0.65), (0.28, 0.08, 0.36), (0.66, 0.46, 0.88), (0.74, 0.22, 0.78), (0.50, 0.38, 0.56),
               (0.80, 0.72, 0.94)),
    "pink": ((0.95, 0.52, 0.68), (0.93, 0.26, 0.58), (0.97, 0.76, 0.82), (0.82, 0.52, 0.58)),
    "brown": ((0.42, 0.24, 0.12), (0.62, 0.42, 0.24), (0.28, 0.16, 0.10), (0.76, 0.62, 0.44)),
    "grey": ((0.52, 0.52, 0.53), (0.34, 0.34, 0.35), (0.72, 0.72, 0.72)),
    "white": ((0.93, 0.93, 0.93),),
    "black": ((0.14, 0.14, 0.15), (0.06, 0.06, 0.07)),
}  # fmt: skip
COLOURS: dict[str, RGB] = {name: examples[0] for name, examples in TERMS.items()}
COLOUR_NAMES = tuple(TERMS)
MARGIN = 0.03  # a colour whose second term is less than this farther than its first lies on a border


def oklab(rgb: Tensor) -> Tensor:
    """Lightness and two opponent axes (..., 3) of sRGB colours (..., 3) in 0..1. Source: B. Ottosson 2020, OKLab."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = rgb.new_tensor(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = rgb.new_tensor(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return (linear @ to_lms.T).clamp(min=0) ** (1 / 3) @ to_lab.T


_EXAMPLES = oklab(torch.tensor([rgb for examples in TERMS.values() for rgb in examples], dtype=torch.float64))
_TERM = torch.tensor([i for i, examples in enumerate(TERMS.values()) for _ in examples])


def name_colours(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """The term of each colour (..., 3) in 0..1: its index in COLOUR_NAMES (...), and its margin (...).

    The margin says how much farther in OKLab the nearest example of another term is; below MARGIN it is a border.
    """
    gap = torch.linalg.vector_norm(oklab(rgb.double())[..., None, :] - _EXAMPLES, dim=-1)  # (..., examples)
    per_term = torch.stack([gap[..., _TERM == i].amin(-1) for i in range(len(TERMS))], -1)  # (..., terms)
    least, order = per_term.sort(-1)
    return order[..., 0], least[..., 1] - least[..., 0]


def colour_word(rgb: RGB) -> str:
    """The basic colour term of one colour.

    >>> colour_word((0.0, 0.5, 0.55)), colour_word((0.95, 0.6, 0.7))
    ('blue', 'pink')
    """
    return COLOUR_NAMES[int(name_colours(torch.tensor(rgb, dtype=torch.float64))[0])]


def difference(a: RGB, b: RGB) -> float:
    """Distance of two colours in OKLab: 1 from black to white."""
    one, other = oklab(torch.tensor([a, b], dtype=torch.float64))
    return float((one - other).norm())


def any_colours(count: int, rng: np.random.Generator) -> np.ndarray:
    """Colours (count, 3) in 0.04..0.97 of any hue, saturation and value; one in eight is nearly grey."""
    hue, saturation, value = rng.random(count), rng.uniform(0.15, 1, count) ** 0.7, rng.uniform(0.2, 0.98, count)
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue[:, None]) % 6  # (count, 3)
    wave = np.minimum(k, 4 - k).clip(0, 1)
    vivid = value[:, None] * (1 - saturation[:, None] * wave)
    pale = rng.uniform(0.05, 0.96, (count, 1)) + rng.uniform(-0.03, 0.03, (count, 3))
    return np.where(rng.random((count, 1)) < 0.125, pale, vivid).clip(0.04, 0.97).round(3)


def colour_called(term: str, rng: np.random.Generator, clear: bool = False) -> RGB:
    """A random colour whose word is `term`, of all that the term covers; with `clear`, none from a border."""
    while True:
        drawn = any_colours(64, rng)
        word, margin = name_colours(torch.from_numpy(drawn))
        fitting = (word == COLOUR_NAMES.index(term)) & ((margin >= MARGIN) | (not clear))
        if fitting.any():
            return tuple(drawn[int(fitting.nonzero()[0])].tolist())
