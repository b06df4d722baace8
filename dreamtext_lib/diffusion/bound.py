"""The variational bound on -log p(x_0), term by term, in nats; and as bits per dimension."""

import math

import torch
from torch import Tensor

from .posterior import posterior
from .schedule import Schedule


def gaussian_kl(mean_q: Tensor, variance_q: Tensor, mean_p: Tensor, variance_p: Tensor) -> Tensor:
    """Eq. 4.21 for each element: KL(N(mean_q, variance_q) || N(mean_p, variance_p)), in nats.

    1/2 [log(variance_p / variance_q) + variance_q / variance_p - 1 + (mean_q - mean_p)^2 / variance_p]; sum over the
    elements for D dimensions. The thesis prints it for D = 1 and without the brackets.
    """
    ratio = variance_q / variance_p
    return 0.5 * (ratio - 1 - ratio.log() + (mean_q - mean_p) ** 2 / variance_p)


def noise_weight(schedule: Schedule, t: Tensor, variance: Tensor) -> Tensor:
    """The weight of 3.5: beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)), sigma_t^2 = `variance` (B,), t >= 1."""
    beta, alpha, now = (v[t] for v in (schedule.beta, schedule.alpha, schedule.alpha_bar))
    return beta**2 / (2 * variance * alpha * (1 - now))


def prior_term(schedule: Schedule, x_0: Tensor) -> Tensor:
    """L_T of 3.4: KL(q(x_T | x_0) || N(0, I)), summed over dimensions: x_0 (B, ...) -> (B,)."""
    last = schedule.alpha_bar[-1].to(x_0)
    one = torch.ones((), dtype=x_0.dtype, device=x_0.device)
    return gaussian_kl(last.sqrt() * x_0, 1 - last, 0 * one, one).flatten(1).sum(1)


def step_term(schedule: Schedule, x_0: Tensor, x_t: Tensor, t: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """L_{t-1} of 3.4: KL(q(x_{t-1} | x_t, x_0) || N(mean, variance)), summed over dimensions, for t >= 1: (B,)."""
    true_mean, true_variance = posterior(schedule, x_0, x_t, t)
    return gaussian_kl(true_mean, true_variance, mean, variance).flatten(1).sum(1)


def discretised_log_likelihood(x: Tensor, mean: Tensor, variance: Tensor, levels: int = 256) -> Tensor:
    """Eq. 3.6: log of the Gaussian's mass in the bin of each value, for pictures in -1..1 of `levels` grey levels.

    A bin reaches 1 / (levels - 1) to both sides; the first and the last are open. x, mean (...), variance that
    broadcasts -> (...). The value is finite however far the mean is. In single precision its gradients are right to 1 %
    up to 300 deviations from the mean; further out they are lost to rounding, and from some 1e5 on they may be no
    number. Source: Ho et al. 2020, eq. 13.
    """
    half, deviation = 1 / (levels - 1), variance.sqrt()
    upper, lower = ((x - mean + d) / deviation for d in (half, -half))
    log_below = torch.special.log_ndtr(upper)  # log Phi(upper): the first bin, open to the left
    log_above = torch.special.log_ndtr(-lower)  # log (1 - Phi(lower)): the last bin, open to the right
    # log (Phi(upper) - Phi(lower)), on the side of the mean where neither is close to 1
    flip = lower + upper > 0
    a, b = torch.where(flip, -lower, upper), torch.where(flip, -upper, lower)
    log_a, log_b = torch.special.log_ndtr(a), torch.special.log_ndtr(b)
    log_between = log_a + torch.log(-torch.expm1((log_b - log_a).clamp(max=-1e-12)))
    return torch.where(x < -1 + half, log_below, torch.where(x > 1 - half, log_above, log_between))


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Nats of a whole picture as bits for each of its numbers."""
    return nats / (dimensions * math.log(2))
