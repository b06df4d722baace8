"""From an arrow to a slope: the weight of (3.21), and the loss that carries it back into what made the picture."""

from collections.abc import Iterable

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


def backward(loss: Tensor, z: Tensor, learns: Iterable[Tensor]) -> None:
    """`loss.backward()` for what learns, whose gradients were None, with nothing lost on the way in half precision.

    A slope of `injected` at latents z (B, c, h, w) may be too small for half precision to tell from 0. So where z is in
    half precision the loss is multiplied by c h w, and the gradients are divided by it: by 2^14 for 64 x 64 x 4.
    """
    lift = z[0].numel() if z.dtype.itemsize < 4 else 1
    (loss * lift).backward()
    if lift > 1:
        for p in learns:
            if p.grad is not None:
                p.grad /= lift
