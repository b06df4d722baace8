"""Noise schedules: how much of a picture each step takes away.

Steps are counted as in diffusers: t = 0..T-1 in the code is t = 1..T in the text, so `alpha_bar[t]` belongs to the
picture after t + 1 noising steps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """A schedule given by its variances beta_t, (T,), each in (0, 1)."""

    beta: Tensor

    def __post_init__(self) -> None:
        if self.beta.ndim != 1 or not ((self.beta > 0) & (self.beta < 1)).all():
            raise ValueError(f"beta is one value in (0, 1) for each step, not {tuple(self.beta.shape)} values")

    @property
    def alpha(self) -> Tensor:
        """alpha_t = 1 - beta_t, (T,)."""
        return 1 - self.beta

    @property
    def alpha_bar(self) -> Tensor:
        """alpha_bar_t = prod_{s <= t} alpha_s, (T,): the share of the picture's variance that is left."""
        return self.alpha.cumprod(0)

    @property
    def alpha_bar_before(self) -> Tensor:
        """alpha_bar_{t-1}, (T,), which is 1 before the first step."""
        return torch.cat([torch.ones_like(self.beta[:1]), self.alpha_bar[:-1]])

    @property
    def beta_tilde(self) -> Tensor:
        """Variance of q(x_{t-1} | x_t, x_0) (4.20): (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t, (T,); 0 first."""
        return (1 - self.alpha_bar_before) / (1 - self.alpha_bar) * self.beta


def of_alpha_bar(alpha_bar: Tensor) -> Schedule:
    """The schedule that has these alpha_bar_t (T,), falling within (0, 1): beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}.

    In float64, on the CPU. Raises ValueError if they do not fall all the time.
    """
    a = alpha_bar.detach().cpu().double()
    return Schedule(1 - a / torch.cat([a.new_ones(1), a[:-1]]))


def linear(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """DDPM's schedule: beta rises evenly. Source: Ho et al. 2020, section 4.

    >>> linear().alpha_bar[[0, 499, 999]]  # after 1, 500 and 1000 steps
    tensor([9.9990e-01, 7.8587e-02, 4.0358e-05], dtype=torch.float64)
    """
    return Schedule(torch.linspace(first, last, steps, dtype=torch.float64))


def scaled_linear(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> Schedule:
    """Stable Diffusion's schedule: the root of beta rises evenly. The thesis gives DDPM's numbers: an erratum."""
    return Schedule(torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2)


def cosine(steps: int = 1000, s: float = 0.008, most: float = 0.999) -> Schedule:
    """Eq. 3.7: alpha_bar_t = f(t) / f(0), f(t) = cos^2(((t / T + s) / (1 + s)) pi / 2), with beta_t <= `most`.

    The thesis leaves out the clipping, without which the last beta is 1. Source: Nichol & Dhariwal 2021, eq. 17.
    """
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + s) / (1 + s) * torch.pi / 2) ** 2
    return Schedule((1 - f[1:] / f[:-1]).clamp(max=most))
