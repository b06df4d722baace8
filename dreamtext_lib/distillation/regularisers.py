"""What the score does not say: terms against fog, and against pictures that fool the encoder (thesis 4.3.4, 6.1.8)."""

from torch import Tensor
from torch.nn.functional import interpolate

from .look import View
from .prior import Prior
from .recipe import Regular

DECIDED = 1e-4  # an opacity this near to 0 or 1 pulls no further: the slope of its entropy would have no bound


def regulariser(weights: Regular, prior: Prior, view: View, z: Tensor, fraction: float) -> Tensor:
    """The weighted sum of all terms, `fraction` 0..1 of the run being over; z (B, c, h, w) are the view's latents."""
    opacity = view.seen.opacity.clamp(DECIDED, 1 - DECIDED)  # (R,)
    loss = weights.opacity_weight * presence(opacity)
    loss = loss + weights.entropy_weight * fraction * entropy(opacity).mean()
    if weights.orientation_weight > 0 and view.averted is not None:
        loss = loss + weights.orientation_weight * view.averted.mean()
    if weights.manifold_weight > 0:
        loss = loss + weights.manifold_weight * manifold(prior, view.rgb, z)
    return loss


def presence(opacity: Tensor) -> Tensor:
    """How much there is: the mean of sqrt(opacity^2 + 0.01), 0.1 for nothing (4.3.4)."""
    return (opacity**2 + 0.01).sqrt().mean()


def entropy(p: Tensor) -> Tensor:
    """Binary entropy -p log p - (1 - p) log(1 - p), in nats, for p inside 0..1: low where a ray is decided."""
    return -(p * p.log() + (1 - p) * (1 - p).log())


def manifold(prior: Prior, rgb: Tensor, z: Tensor) -> Tensor:
    """Mean squared gap between views (B, 3, S, S) and their reconstruction by the autoencoder, which is held fixed.

    An encoder may give colours that it never saw the latents of others. The score sees latents alone and would not
    mind; this keeps a view where encoding and decoding agree.
    """
    back = prior.decode(z.detach()).to(rgb)  # (B, 3, S', S')
    return (interpolate(rgb, back.shape[-2:], mode="bilinear", align_corners=False) - back).square().mean()
