"""Guidance: without a classifier, in the thesis' convention, and with one."""

from torch import Tensor

from .forward import rows


def guide(eps_text: Tensor, eps_none: Tensor, s: float) -> Tensor:
    """Eq. 3.8: eps(y) + s (eps(y) - eps(none)).

    s = 0 is the conditional prediction. diffusers' `guidance_scale` g writes the same as
    eps(none) + g (eps(y) - eps(none)), with g = 1 + s. Source: Ho & Salimans 2022, eq. 6.

    >>> text, none = torch.tensor([3.0]), torch.tensor([1.0])
    >>> guide(text, none, 0.0), guide(text, none, 2.0)  # of diffusers' scale 1 and 3
    (tensor([3.]), tensor([7.]))
    """
    return eps_text + s * (eps_text - eps_none)


def classifier_guide(eps: Tensor, gradient: Tensor, alpha_bar: Tensor, s: float) -> Tensor:
    """eps - s sqrt(1 - alpha_bar_t) grad log p(y | x_t): the noise whose score is that of p(x_t) p(y | x_t)^s.

    eps, gradient (B, ...), alpha_bar (B,) in 0..1 -> (B, ...). The classifier must have been trained on noised x_t.
    With eps(y) instead of eps(none), and the exact gradient, it is `guide`; from eps(none) that takes g = 1 + s.
    Source: Dhariwal & Nichol 2021, algorithm 2.
    """
    return (eps - s * (1 - rows(alpha_bar, eps)).sqrt() * gradient).to(eps)
