"""The forward process and its inverse: noise in one step, and the clean estimate.

Weights like sqrt(1 - alpha_bar) are formed, and used, in single precision at least; what comes out has the precision of
what went in. In half precision alpha_bar itself is rounded, and where it is close to 1 the root of
the difference was off by up to 0.3 % (in bfloat16 by 4.6 %).
"""

import torch
from torch import Tensor


def rows(values: Tensor, like: Tensor) -> Tensor:
    """Values (B,) shaped to multiply a batch (B, ...), in the batch's precision but in single precision at least."""
    precision = torch.promote_types(like.dtype, torch.float32)
    return values.to(like.device, precision).reshape(-1, *[1] * (like.ndim - 1))  # (B, 1, ..., 1)


def noising_step(x: Tensor, eps: Tensor, beta: Tensor) -> Tensor:
    """Eq. 3.1: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps.

    x = x_{t-1}, eps (B, ...), beta (B,) in 0..1 -> (B, ...). Source: Ho et al. 2020, eq. 2.
    """
    b = rows(beta, x)
    return ((1 - b).sqrt() * x + b.sqrt() * eps).to(x)


def add_noise(x_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """Eq. 3.2: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

    x_0, eps (B, ...), alpha_bar (B,) in 0..1 -> (B, ...). Source: Ho et al. 2020, eq. 4.

    >>> x_0, eps = torch.tensor([[1.0], [1.0]]), torch.zeros(2, 1)
    >>> add_noise(x_0, eps, torch.tensor([1.0, 0.25]))
    tensor([[1.0000],
            [0.5000]])
    """
    a = rows(alpha_bar, x_0)
    return (a.sqrt() * x_0 + (1 - a).sqrt() * eps).to(x_0)


def clean_estimate(x_t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """Eq. 4.30: x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t), the inverse of 3.2.

    x_t, eps (B, ...), alpha_bar (B,) in 0..1, above 0 -> (B, ...). The thesis divides by alpha_bar_t: an erratum.
    """
    a = rows(alpha_bar, x_t)
    return ((x_t - (1 - a).sqrt() * eps) / a.sqrt()).to(x_t)


def noise_of_velocity(v: Tensor, x_t: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise that a velocity prediction v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0 implies.

    All (B, ...), alpha_bar (B,). Source: Salimans & Ho 2022, appendix D.
    """
    a = rows(alpha_bar, x_t)
    return (a.sqrt() * v + (1 - a).sqrt() * x_t).to(x_t)


def uniform_steps(count: int, low: int, high: int, generator: torch.Generator) -> Tensor:
    """`count` time steps, whole numbers uniform in low..high, both included.

    >>> uniform_steps(3, 7, 7, torch.Generator())
    tensor([7, 7, 7])
    """
    return torch.randint(low, high + 1, (count,), generator=generator)
