"""The two losses of the thesis' words (5.2, 5.3) and their sum (5.4).

Both look at one noised latent x_t = sqrt(alpha_bar_t) x + sqrt(1 - alpha_bar_t) eps and at what the network takes for
its noise: once told the whole sentence, with the words that are trained, and once the noun alone. Norms are means over
elements, which changes the scale of a loss and not where it is least.
"""

from torch import Tensor


def fit_loss(predicted: Tensor, eps: Tensor) -> Tensor:
    """Eq. 5.2: E || eps_phi(x_t, t, tau_theta(y)) - eps ||^2, as a mean: the words fit the image.

    predicted: the noise by the whole sentence, eps: the true one, both (B, ...) -> a number in single precision.
    """
    return (predicted.float() - eps.float()).square().mean()


def stay_loss(predicted: Tensor, anchor: Tensor) -> Tensor:
    """Eq. 5.3: E || eps_phi(x_t, t, tau_theta(y)) - eps_phi(x_t, t, tau_b) ||^2, as a mean: the words stay near.

    anchor: the noise by the noun's sentence (B, ...), a constant: no gradient goes into it. Zero where both agree.
    """
    return (predicted.float() - anchor.detach().float()).square().mean()


def words_loss(fit: Tensor, stay: Tensor, *, fit_weight: float = 1.0, stay_weight: float = 1.0) -> Tensor:
    """Eq. 5.4: fit_weight (5.2) + stay_weight (5.3); the thesis weighs both with 1.

    With these weights it equals 2 || predicted - (eps + anchor) / 2 ||^2 plus what no word changes: the words are
    trained towards the middle of the true noise and the noun's.
    """
    return fit_weight * fit + stay_weight * stay
