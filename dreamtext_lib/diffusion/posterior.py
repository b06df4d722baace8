"""One step back: the exact q(x_{t-1} | x_t, x_0), and the model's step of the same form."""

from torch import Tensor

from .forward import clean_estimate, rows
from .schedule import Schedule


def posterior(schedule: Schedule, x_0: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 4.20: mean (B, ...) and variance (B, 1, ...) of q(x_{t-1} | x_t, x_0), for t >= 1 counted from 0.

    mean = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0
         + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t
    variance = (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t, which is 0 for t = 0.
    x_0, x_t (B, ...), t (B,). Source: Ho et al. 2020, eq. 6 and 7.
    """
    beta, alpha, now, before = (
        rows(v[t], x_t) for v in (schedule.beta, schedule.alpha, schedule.alpha_bar, schedule.alpha_bar_before)
    )
    mean = before.sqrt() * beta / (1 - now) * x_0 + alpha.sqrt() * (1 - before) / (1 - now) * x_t
    return mean.to(x_t), (1 - before) / (1 - now) * beta


def mean_of_noise(schedule: Schedule, x_t: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Eq. 4.23, and 4.24 for a predicted eps: (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t).

    x_t, eps (B, ...), t (B,) -> (B, ...): the mean of 4.20 with x_0 taken from 3.2 (not from 3.1, as the thesis says).
    """
    beta, alpha, now = (rows(v[t], x_t) for v in (schedule.beta, schedule.alpha, schedule.alpha_bar))
    return ((x_t - beta / (1 - now).sqrt() * eps) / alpha.sqrt()).to(x_t)


def model_step(
    schedule: Schedule, x_t: Tensor, eps: Tensor, t: Tensor, clip: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance (beta_tilde) of p_theta(x_{t-1} | x_t) for a predicted eps.

    `clip` keeps the clean estimate (4.30) in a range, as DDPM does for pictures in -1..1; None is 4.24 itself.
    """
    if clip is None:
        return mean_of_noise(schedule, x_t, eps, t), rows(schedule.beta_tilde[t], x_t)
    x_0 = clean_estimate(x_t, eps, schedule.alpha_bar[t]).clamp(*clip)
    return posterior(schedule, x_0, x_t, t)
