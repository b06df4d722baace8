"""From noise to a picture: ancestral sampling (DDPM) and the deterministic kind (DDIM), with one signature.

A denoiser is any function eps(x_t, t) -> noise, with x_t (B, ...) and t (B,): learned, guided or exact. A sampler
yields x at each step, so that pictures, bars and tests live outside it.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from .forward import clean_estimate, rows
from .posterior import model_step
from .schedule import Schedule

Denoiser = Callable[[Tensor, Tensor], Tensor]


def ddpm(
    eps: Denoiser,
    schedule: Schedule,
    x: Tensor,
    generator: torch.Generator,
    clip: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    """All T steps of ancestral sampling from x_T = `x` (B, ...): x_{t-1} = mean_theta + sqrt(beta_tilde_t) noise.

    Yields x_{T-1}, ..., x_0. Source: Ho et al. 2020, algorithm 2.
    """
    for step in reversed(range(len(schedule.beta))):
        t = torch.full((len(x),), step, device=x.device)
        mean, variance = model_step(schedule, x, eps(x, t), t, clip)
        noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
        x = (mean + variance.sqrt() * noise).to(x) if step else mean
        yield x


def even_times(total: int, steps: int) -> list[int]:
    """`steps` times from total - 1 down to 0, as even as whole numbers allow. ValueError if they do not fit.

    >>> even_times(1000, 4)
    [999, 666, 333, 0]
    """
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} steps do not fit a schedule of {total}; choose 1 to {total}")
    return torch.linspace(total - 1, 0, steps, dtype=torch.float64).round().long().tolist()


def ddim(
    eps: Denoiser,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[int],
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    clip: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    """Steps through falling times, from x (B, ...) at the first of them to x_0; `even_times` spaces them.

    x' = sqrt(alpha_bar') x_0_hat + sqrt(1 - alpha_bar' - sigma^2) eps + sigma noise, with
    sigma = eta sqrt((1 - alpha_bar') / (1 - alpha_bar)) sqrt(1 - alpha_bar / alpha_bar'). eta = 0 draws no noise: the
    same start gives the same picture; eta = 1 with all T steps is DDPM. Source: Song et al. 2020, eq. 12 and 16.
    Raises ValueError if eta is above 0 without a generator.
    """
    if eta > 0 and generator is None:
        raise ValueError("eta above 0 draws noise: give a generator")
    alpha_bar = schedule.alpha_bar.to(x.device, torch.promote_types(x.dtype, torch.float32))
    for step, following in zip(times, [*times[1:], -1]):
        t = torch.full((len(x),), step, device=x.device)
        noise = eps(x, t)
        now, then = rows(alpha_bar[t], x), alpha_bar[following] if following >= 0 else alpha_bar.new_ones(())
        x_0 = clean_estimate(x, noise, alpha_bar[t])
        if clip is not None:
            x_0 = x_0.clamp(*clip)
            noise = ((x - now.sqrt() * x_0) / (1 - now).sqrt()).to(x)
        sigma = eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
        x = (then.sqrt() * x_0 + (1 - then - sigma**2).clamp(min=0).sqrt() * noise).to(x)
        if eta > 0:
            fresh = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x)
            x = (x + sigma * fresh).to(x)
        yield x
