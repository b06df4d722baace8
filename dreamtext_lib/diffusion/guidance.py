"""Classifier-free guidance, in the thesis' convention."""

from torch import Tensor


def guide(eps_text: Tensor, eps_none: Tensor, s: float) -> Tensor:
    """Eq. 3.8: eps(y) + s (eps(y) - eps(none)).

    s = 0 is the conditional prediction. diffusers' `guidance_scale` g writes the same as
    eps(none) + g (eps(y) - eps(none)), with g = 1 + s. Source: Ho & Salimans 2022, eq. 6.
    """
    return eps_text + s * (eps_text - eps_none)
