"""Score distillation: the gradient that a frozen diffusion model gives to a picture (thesis 3.3)."""

import torch
from torch import Tensor

from ..diffusion.forward import add_noise, rows
from ..diffusion.guidance import guide
from .prior import Prior


@torch.no_grad()
def score_gradient(
    prior: Prior, latents: Tensor, states: Tensor, none: Tensor, t: Tensor, eps: Tensor, guidance: float
) -> Tensor:
    """Eq. 3.21 up to the last factor: w(t) (eps_phi(z_t; t, y) - eps), with w(t) = 1 - alpha_bar_t.

    latents z = x_0 and eps (B, c, h, w), states and none (B, L, C), t (B,), guidance s of (3.8) -> (B, c, h, w).
    The U-Net's Jacobian is left out: that is what makes it score distillation and not the gradient of (3.19).
    A value that is not finite is set to 0. Source: Poole et al. 2022, eq. 3.
    """
    alpha_bar = prior.alpha_bar[t]
    z_t = add_noise(latents, eps, alpha_bar)
    predicted = prior.eps(torch.cat([z_t, z_t]), torch.cat([t, t]), torch.cat([states, none]))
    eps_text, eps_none = predicted.chunk(2)
    gradient = rows(1 - alpha_bar, latents) * (guide(eps_text, eps_none, guidance) - eps)
    return gradient.nan_to_num(posinf=0.0, neginf=0.0)


def injected(latents: Tensor, gradient: Tensor) -> Tensor:
    """A loss whose gradient with respect to the latents is exactly `gradient` / (c h w), summed over the batch."""
    return (gradient.detach() * latents).sum() / latents[0].numel()
