"""An exact world: mixtures of Gaussians, of which every distribution that diffusion speaks of is known in closed form.

x_0 ~ sum_k w_k N(m_k, v_k I) in D dimensions. Noise (3.2) turns it into another mixture, with means sqrt(alpha_bar) m_k
and variances alpha_bar v_k + 1 - alpha_bar, so the marginals, scores, best predictions and posteriors are exact.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixture:
    """K isotropic Gaussians in D dimensions."""

    weights: Tensor  # (K,), positive, of sum 1
    means: Tensor  # (K, D)
    variances: Tensor  # (K,), positive

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or not self.weights.shape == self.variances.shape == self.means.shape[:1]:
            raise ValueError(
                f"weights (K,), means (K, D), variances (K,) are wanted, not {tuple(self.weights.shape)},"
                f" {tuple(self.means.shape)}, {tuple(self.variances.shape)}"
            )
        if not (self.weights > 0).all() or not (self.variances > 0).all():
            raise ValueError("weights and variances are all above 0")

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` draws, (count, D)."""
        k = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[k] + self.variances[k, None].sqrt() * noise

    def noised(self, alpha_bar: Tensor | float) -> "Mixture":
        """The marginal of x_t: sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps (3.2)."""
        a = torch.as_tensor(alpha_bar, dtype=self.means.dtype)
        return Mixture(self.weights, a.sqrt() * self.means, a * self.variances + 1 - a)

    def component_log_density(self, x: Tensor) -> Tensor:
        """log w_k N(x; m_k, v_k I): x (N, D) -> (N, K)."""
        square = ((x[:, None] - self.means) ** 2).sum(-1)  # (N, K)
        norm = 0.5 * x.shape[1] * (2 * math.pi * self.variances).log()
        return self.weights.log() - norm - 0.5 * square / self.variances

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x): (N, D) -> (N,)."""
        return self.component_log_density(x).logsumexp(1)

    def score(self, x: Tensor) -> Tensor:
        """Gradient of log p at x: (N, D) -> (N, D)."""
        share = self.component_log_density(x).softmax(1)  # (N, K)
        pull = (self.means - x[:, None]) / self.variances[:, None]  # (N, K, D)
        return (share[..., None] * pull).sum(1)

    def eps(self, x_t: Tensor, alpha_bar: Tensor | float) -> Tensor:
        """E[eps | x_t], the best prediction of the noise: -sqrt(1 - alpha_bar_t) times the score of the marginal."""
        a = torch.as_tensor(alpha_bar, dtype=self.means.dtype)
        return -(1 - a).sqrt() * self.noised(a).score(x_t)

    def clean_posterior(self, x_t: Tensor, alpha_bar: Tensor | float) -> tuple[Tensor, Tensor, Tensor]:
        """q(x_0 | x_t), again a mixture: weights (N, K), means (N, K, D), variances (K,)."""
        a = torch.as_tensor(alpha_bar, dtype=self.means.dtype)
        share = self.noised(a).component_log_density(x_t).softmax(1)
        variance = 1 / (1 / self.variances + a / (1 - a))  # precisions add
        mean = variance[:, None] * (self.means / self.variances[:, None] + (a.sqrt() / (1 - a) * x_t)[:, None])
        return share, mean, variance

    def given(self, chosen: Tensor) -> "Mixture":
        """The mixture of the chosen components (K,) alone: p(x | y) for a condition y that names them."""
        w = self.weights[chosen]
        return Mixture(w / w.sum(), self.means[chosen], self.variances[chosen])
