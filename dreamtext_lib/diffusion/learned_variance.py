"""A learned variance of the step back: between beta_tilde and beta, by a number v for each pixel.

The network has six channels, three for the noise and three for v. Source: Nichol & Dhariwal 2021, section 3.1.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .bound import discretised_log_likelihood, step_term
from .forward import add_noise, rows
from .posterior import model_step
from .schedule import Schedule

LAMBDA = 0.001  # weight of the bound in the hybrid loss


def log_variance(schedule: Schedule, v: Tensor, t: Tensor) -> Tensor:
    """log sigma_t^2 = w log beta_t + (1 - w) log beta_tilde_t with w = (v + 1) / 2: v (B, ...), t (B,) -> (B, ...).

    v = -1 is beta_tilde, v = 1 is beta; v is not clipped. beta_tilde_0 = 0 has no log, the next one stands in for it.
    Source: Nichol & Dhariwal 2021, eq. 15.
    """
    smallest = torch.cat([schedule.beta_tilde[1:2], schedule.beta_tilde[1:]])
    most, least = rows(schedule.beta.log()[t], v), rows(smallest.log()[t], v)
    w = (v + 1) / 2
    return w * most + (1 - w) * least


def learned_step(
    schedule: Schedule, x_t: Tensor, out: Tensor, t: Tensor, clip: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of p_theta(x_{t-1} | x_t) from the six channels `out` (B, 6, H, W): (B, 3, H, W) each.

    `clip` keeps the clean estimate in a range, as in `model_step`.
    """
    eps, v = out.chunk(2, dim=1)
    mean, _ = model_step(schedule, x_t, eps, t, clip)
    return mean, log_variance(schedule, v, t).exp()


def hybrid_loss(
    model: Callable[[Tensor, Tensor], Tensor], schedule: Schedule, x_0: Tensor, eps: Tensor, t: Tensor
) -> tuple[Tensor, Tensor]:
    """L_simple and LAMBDA T L_t for each picture, (B,) and (B,); the loss is the mean of their sum.

    L_t is the term of 3.4 in nats for each number of the picture; T times it is the whole sum if t is uniform. The
    mean is detached there: L_simple alone teaches the noise, the bound alone teaches v. Source: eq. 16.
    """
    x_t = add_noise(x_0, eps, schedule.alpha_bar[t])
    out = model(x_t, t)
    simple = (out[:, :3] - eps).square().flatten(1).mean(1)  # (B,)
    mean, variance = learned_step(schedule, x_t, torch.cat([out[:, :3].detach(), out[:, 3:]], 1), t)
    term = torch.empty_like(simple)
    first = t == 0
    if first.any():  # L_0: 3.6
        decoder = discretised_log_likelihood(x_0[first], mean[first], variance[first])
        term[first] = -decoder.flatten(1).sum(1)
    if not first.all():
        later = ~first
        term[later] = step_term(schedule, x_0[later], x_t[later], t[later], mean[later], variance[later])
    return simple, LAMBDA * len(schedule.beta) * term / x_0[0].numel()


def ddpm_learned(
    model: Callable[[Tensor, Tensor], Tensor],
    schedule: Schedule,
    x: Tensor,
    generator: torch.Generator,
    clip: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    """All T steps back with the learned variance, from x_T = `x` (B, 3, H, W): yields x_{T-1}, ..., x_0."""
    for step in reversed(range(len(schedule.beta))):
        t = torch.full((len(x),), step, device=x.device)
        mean, variance = learned_step(schedule, x, model(x, t), t, clip)
        noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
        x = (mean + variance.sqrt() * noise).to(x) if step else mean
        yield x
