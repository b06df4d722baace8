"""How time and guidance move through a run (thesis 5.1.1): the ranges and schedules that were tried against 20-980."""

import math

import torch
from torch import Tensor

from ..diffusion.forward import uniform_steps
from .recipe import Score, Shape


def falls(shape: Shape, fraction: float, waves: int = 4) -> float:
    """Where a schedule is between its start, 1, and its end, 0, when `fraction` 0..1 of the run is over.

    constant: 1; falling: 1 - f; cosine: (1 + cos(pi f)) / 2; waves: (1 + cos(2 pi n f)) / 2 for n = `waves`, which goes
    down and up again. Raises ValueError for another shape.

    >>> [falls(shape, 0.5) for shape in ("constant", "falling", "cosine", "waves")]
    [1.0, 0.5, 0.5, 1.0]
    """
    if shape == "constant":
        return 1.0
    if shape == "falling":
        return 1.0 - fraction
    if shape == "cosine":
        return (1 + math.cos(math.pi * fraction)) / 2
    if shape == "waves":
        return (1 + math.cos(2 * math.pi * waves * fraction)) / 2
    raise ValueError(f"a schedule is constant, falling, cosine or waves, not {shape!r}")


def guidance_at(score: Score, fraction: float) -> float:
    """s of (3.8) when `fraction` of the run is over: from `guidance` to `guidance_end` by `guidance_shape`."""
    share = falls(score.guidance_shape, fraction, score.waves)
    return score.guidance_end + (score.guidance - score.guidance_end) * share


def times_at(score: Score, fraction: float, count: int, generator: torch.Generator) -> Tensor:
    """Time steps (count,) of a batch when `fraction` of the run is over.

    constant: uniform in t_min..t_max, or ..t_max_late from `late_from` on. Any other shape gives no choice: the step is
    the schedule's, from t_max to t_min, and `generator` is not used.
    """
    if score.time_shape == "constant":
        latest = score.t_max if fraction < score.late_from else score.t_max_late
        return uniform_steps(count, score.t_min, latest, generator)
    share = falls(score.time_shape, fraction, score.waves)
    return torch.full((count,), round(score.t_min + (score.t_max - score.t_min) * share))
