"""Bits per dimension: how many bits a number of a picture costs if a model of the step back does the coding.

The bound (3.4) has a term for each t. Near t = 0 the terms are large and differ, later they are small and alike, so
the times are cut into strata that grow, and each picture draws one time from each: unbiased, with little spread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .bound import bits_per_dimension, discretised_log_likelihood, prior_term, step_term
from .forward import add_noise
from .schedule import Schedule

Reverse = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # x_t, t -> mean and variance of p(x_{t-1} | x_t)


@dataclass(frozen=True)
class Bits:
    """The three parts of the bound for N pictures, in bits per dimension, (N,) each; `steps` is the sum over t."""

    last: Tensor  # L_T: what x_T still tells of the picture
    steps: Tensor  # the sum of L_{t-1} over t > 1
    first: Tensor  # L_0: the discretised decoder (3.6)
    each: Tensor  # (strata,) mean term of one step in each stratum
    strata: list[tuple[int, int]]  # low and high time of each stratum, counted from 0, both included

    @property
    def total(self) -> Tensor:
        """Their sum, (N,)."""
        return self.last + self.steps + self.first


def time_strata(total: int, count: int) -> list[tuple[int, int]]:
    """About `count` ranges of growing length that cover the times 1..total - 1 without gap or overlap."""
    edges = torch.logspace(0, torch.log10(torch.tensor(float(total))).item(), count + 1, dtype=torch.float64)
    edges = sorted({int(e) for e in edges.round().tolist()})
    return [(low, high - 1) for low, high in pairwise(edges)]


@torch.no_grad()
def bits(
    reverse: Reverse, schedule: Schedule, x_0: Tensor, generator: torch.Generator, *, count: int = 40, levels: int = 256
) -> Bits:
    """The bound (3.4) of pictures x_0 (N, ...) in -1..1 of `levels` grey levels, by one noise for each stratum."""
    alpha_bar, dimensions = schedule.alpha_bar, x_0[0].numel()

    def noised(t: Tensor) -> Tensor:
        eps = torch.randn(x_0.shape, generator=generator, dtype=x_0.dtype).to(x_0.device)
        return add_noise(x_0, eps, alpha_bar[t])

    strata, each, steps = time_strata(len(schedule.beta), count), [], torch.zeros(len(x_0), dtype=torch.float64)
    for low, high in strata:
        t = torch.randint(low, high + 1, (len(x_0),), generator=generator)
        x_t = noised(t)
        term = step_term(schedule, x_0, x_t, t, *reverse(x_t, t)).double()  # (N,)
        steps += (high - low + 1) * term
        each.append(bits_per_dimension(term.mean(), dimensions))
    t = torch.zeros(len(x_0), dtype=torch.long)
    decoder = discretised_log_likelihood(x_0, *reverse(noised(t), t), levels).flatten(1).sum(1)
    last = prior_term(schedule, x_0).double()
    parts = (bits_per_dimension(nats, dimensions) for nats in (last, steps, -decoder.double()))
    return Bits(*parts, torch.stack(each), strata)
