"""From an arrow to a slope: the weight of (3.21), and the loss that carries it back into what made the picture."""

from torch import Tensor

from ..diffusion.forward import rows


def weighted(arrow: Tensor, alpha_bar: Tensor) -> Tensor:
    """w(t) times an arrow of `gradients`, with w(t) = 1 - alpha_bar_t: the slope of (3.21) at the latents.

    arrow (B, c, h, w), alpha_bar (B,) in 0..1 -> (B, c, h, w), in single precision at least. The network's Jacobian is
    left out: that is what makes it score distillation and not the gradient of (3.19). Source: Poole et al. 2022, eq. 3.
    """
    return rows(1 - alpha_bar, arrow) * arrow


def injected(latents: Tensor, gradient: Tensor) -> Tensor:
    """A loss whose gradient with respect to the latents is exactly `gradient` / (c h w), summed over the batch.

    >>> z = torch.ones(1, 4, 2, 2, requires_grad=True)
    >>> injected(z, torch.full_like(z, 16.0)).backward()
    >>> z.grad.unique()
    tensor([1.])
    """
    return (gradient.detach() * latents).sum() / latents[0].numel()
