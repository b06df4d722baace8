"""The derivation of the bound, line by line (thesis 4.1.1, 4.3 to 4.19 and 4.22), as numbers on sampled paths.

A path x_0, x_1, ..., x_T is one run of the forward chain. Every line of the derivation is a function of N paths and
gives one number a path, in nats. Lines that are equal as algebra agree on each path; a step that needs the expectation
(4.5, 4.18) agrees in the mean over paths.

Here t is the text's, 1..T, because then x[t] is x_t; schedules and reverse models count it from 0, as everywhere else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .bound import prior_term, step_term
from .forward import noising_step, rows
from .posterior import mean_of_noise, posterior
from .schedule import Schedule

# p(x_{t-1} | x_t): x_t (N, D) and t (N,) counted from 0 -> mean (N, D), variance that broadcasts to it
Reverse = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """log N(x; mean, variance) summed over dimensions: x (N, D), mean and variance that broadcast -> (N,)."""
    return -0.5 * ((x - mean) ** 2 / variance + (2 * math.pi * variance).log()).expand_as(x).sum(1)


@dataclass(frozen=True)
class Paths:
    """N paths of a forward chain, and the log densities, (N,) each, of which the derivation is made."""

    schedule: Schedule
    x: Tensor  # (T + 1, N, D): x[t] is x_t, x[0] the clean picture
    reverse: Reverse  # p(x_{t-1} | x_t)

    def __post_init__(self) -> None:
        if self.x.ndim != 3 or len(self.x) != self.steps + 1:
            raise ValueError(f"x is (T + 1, N, D) with T = {self.steps}, not {tuple(self.x.shape)}")

    @property
    def steps(self) -> int:
        """T."""
        return len(self.schedule.beta)

    def code_t(self, t: int) -> Tensor:
        """The text's t, 1..T, as schedules and models count it: t - 1 for each path, (N,)."""
        return torch.full((self.x.shape[1],), t - 1, device=self.x.device)

    def q_step(self, t: int) -> Tensor:
        """log q(x_t | x_{t-1}), the density of 3.1."""
        beta = self.schedule.beta[t - 1].to(self.x)
        return log_normal(self.x[t], (1 - beta).sqrt() * self.x[t - 1], beta)

    def q_jump(self, t: int) -> Tensor:
        """log q(x_t | x_0), the density of 3.2."""
        alpha_bar = self.schedule.alpha_bar[t - 1].to(self.x)
        return log_normal(self.x[t], alpha_bar.sqrt() * self.x[0], 1 - alpha_bar)

    def q_back(self, t: int) -> Tensor:
        """log q(x_{t-1} | x_t, x_0), the density of 4.20. ValueError for t = 1, where it is a point and has none."""
        if t < 2:
            raise ValueError("q(x_{t-1} | x_t, x_0) has a density from t = 2 on: for t = 1 it is the point x_0")
        return log_normal(self.x[t - 1], *posterior(self.schedule, self.x[0], self.x[t], self.code_t(t)))

    def p_step(self, t: int) -> Tensor:
        """log p(x_{t-1} | x_t) of the reverse model."""
        return log_normal(self.x[t - 1], *self.reverse(self.x[t], self.code_t(t)))

    def p_last(self) -> Tensor:
        """log p(x_T), with p(x_T) = N(0, I): it has no parameters."""
        one = torch.ones((), dtype=self.x.dtype, device=self.x.device)
        return log_normal(self.x[-1], 0 * one, one)


def sample_paths(schedule: Schedule, x_0: Tensor, reverse: Reverse, generator: torch.Generator) -> Paths:
    """One path of 3.1 from each row of x_0 (N, D); repeat a row to get several from one picture."""
    x = [x_0]
    for beta in schedule.beta:
        noise = torch.randn(x_0.shape, generator=generator, device=generator.device, dtype=x_0.dtype).to(x_0.device)
        x.append(noising_step(x[-1], noise, beta.expand(len(x_0))))
    return Paths(schedule, torch.stack(x), reverse)


def log_likelihood(paths: Paths, each: int) -> Tensor:
    """Eq. 4.3: log p(x_0) as the mean of p(x_{0:T}) / q(x_{1:T} | x_0) over paths drawn from q.

    `each` consecutive paths start from the same x_0: (N,) -> (N / each,). The mean is unbiased, its log nearly so.
    """
    log_ratio = log_p_from(paths, 0) - log_q_until(paths, paths.steps)
    return log_ratio.reshape(-1, each).logsumexp(1) - math.log(each)  # (N / each,)


def negative_log_likelihood(log_p: Tensor) -> Tensor:
    """Eq. 3.3 and 4.4: E[-log p(x_0)] over the data, from log p of pictures drawn from it: (N,) -> ().

    The data are an empirical measure, 1/k at each of k pictures, so the integral is this mean. (The thesis calls 1/k a
    density.)
    """
    return -log_p.mean()


def integral_inside(paths: Paths, each: int) -> Tensor:
    """Eq. 4.5: 4.4 with 4.3 in it; the integral stands inside the log, where no mean over paths may enter: ()."""
    return negative_log_likelihood(log_likelihood(paths, each))


def jensen(paths: Paths) -> Tensor:
    """Eq. 4.6: -log p(x_{0:T}) / q(x_{1:T} | x_0) for each path, (N,).

    Its mean is at least 4.5, by Jensen's inequality; the gap is KL(q(x_{1:T} | x_0) || p(x_{1:T} | x_0)).
    """
    return log_q_until(paths, paths.steps) - log_p_from(paths, 0)


def log_p_from(paths: Paths, t: int) -> Tensor:
    """Eq. 4.7: log p(x_{t:T}) by p(x_{t:T}) = p(x_t | x_{t+1}) p(x_{t+1:T}), down to p(x_T).

    That x_t needs only x_{t+1} is how p is made, an assumption; it does not follow from q being a Markov chain.
    """
    return paths.p_last() if t == paths.steps else paths.p_step(t + 1) + log_p_from(paths, t + 1)


def log_p_chain(paths: Paths) -> Tensor:
    """Eq. 4.8: log p(x_{0:T}) = log p(x_T) + sum_{t=1}^T log p(x_{t-1} | x_t)."""
    return paths.p_last() + sum(paths.p_step(t) for t in range(1, paths.steps + 1))


def log_q_until(paths: Paths, t: int) -> Tensor:
    """Eq. 4.9: log q(x_{1:t} | x_0) by q(x_{0:t}) = q(x_t | x_{t-1}) q(x_{0:t-1}), over q(x_0)."""
    return torch.zeros_like(paths.x[0, :, 0]) if t == 0 else paths.q_step(t) + log_q_until(paths, t - 1)


def log_q_chain(paths: Paths) -> Tensor:
    """Eq. 4.10: log q(x_{1:T} | x_0) = sum_{t=1}^T log q(x_t | x_{t-1})."""
    return sum(paths.q_step(t) for t in range(1, paths.steps + 1))


def log_of_product(paths: Paths) -> Tensor:
    """Eq. 4.11: -log [prod_t p(x_{t-1} | x_t) / q(x_t | x_{t-1}) p(x_T)], computed as it stands.

    Long chains leave the range of floating point here, which 4.12 does not.
    """
    ratios = torch.stack([(paths.p_step(t) - paths.q_step(t)).exp() for t in range(1, paths.steps + 1)])  # (T, N)
    return -(ratios.prod(0) * paths.p_last().exp()).log()


def sum_of_logs(paths: Paths) -> Tensor:
    """Eq. 4.12: -sum_{t=1}^T log p(x_{t-1} | x_t) / q(x_t | x_{t-1}) - log p(x_T). No theta in the last term."""
    return -sum(paths.p_step(t) - paths.q_step(t) for t in range(1, paths.steps + 1)) - paths.p_last()


def bayes(paths: Paths, t: int) -> Tensor:
    """Eq. 4.13: log q(x_t | x_{t-1}) as log q(x_{t-1} | x_t, x_0) q(x_t | x_0) / q(x_{t-1} | x_0), for t >= 2.

    ValueError for t = 1, where it says nothing.
    """
    return paths.q_back(t) + paths.q_jump(t) - paths.q_jump(t - 1)


def telescope(paths: Paths) -> Tensor:
    """Eq. 4.14, its left side: log prod_{t=2}^T q(x_{t-1} | x_0) / q(x_t | x_0).

    All but two densities cancel: it is log q(x_1 | x_0) / q(x_T | x_0).
    """
    return sum(paths.q_jump(t - 1) - paths.q_jump(t) for t in range(2, paths.steps + 1))


def first_taken_out(paths: Paths) -> Tensor:
    """Eq. 4.15: 4.12 with t = 1 apart, - log p(x_0 | x_1) / q(x_1 | x_0). The thesis loses this last log."""
    rest = -sum(paths.p_step(t) - paths.q_step(t) for t in range(2, paths.steps + 1))
    return rest - paths.p_last() - (paths.p_step(1) - paths.q_step(1))


def bayes_put_in(paths: Paths) -> Tensor:
    """Eq. 4.16: 4.15 with 4.13 in its sum."""
    rest = -sum(paths.p_step(t) - bayes(paths, t) for t in range(2, paths.steps + 1))
    return rest - paths.p_last() - (paths.p_step(1) - paths.q_step(1))


def collected(paths: Paths) -> Tensor:
    """Eq. 4.17, 4.16 with 4.14 in it, so that q(x_1 | x_0) cancels.

    -sum_{t=2}^T log p(x_{t-1} | x_t) / q(x_{t-1} | x_t, x_0) - log p(x_T) / q(x_T | x_0) - log p(x_0 | x_1)
    """
    rest = sum(paths.q_back(t) - paths.p_step(t) for t in range(2, paths.steps + 1))
    return rest - (paths.p_last() - paths.q_jump(paths.steps)) - paths.p_step(1)


def step_kl(paths: Paths, t: int) -> Tensor:
    """Eq. 4.18: KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), the mean of the log ratio over x_{t-1}, for t >= 2."""
    index = paths.code_t(t)
    mean, variance = paths.reverse(paths.x[t], index)
    return step_term(paths.schedule, paths.x[0], paths.x[t], index, mean, variance)


def sum_of_kls(paths: Paths) -> Tensor:
    """Eq. 4.19, which is 3.4: KL(q(x_T | x_0) || p(x_T)) + sum_{t>1} KL(q(x_{t-1} | x_t, x_0) || p) - log p(x_0 | x_1).

    Of the same mean as 4.6 to 4.17, but no longer the same on each path: x_T and each x_{t-1} are integrated by hand.
    """
    steps = sum(step_kl(paths, t) for t in range(2, paths.steps + 1))
    return prior_term(paths.schedule, paths.x[0]) + steps - paths.p_step(1)


def mean_loss(schedule: Schedule, x_t: Tensor, eps: Tensor, t: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Eq. 4.22 without C: |(x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t) - mean|^2 / (2 sigma_t^2).

    x_t, eps and the model's mean (B, ...), its variance sigma_t^2 (B,), t (B,) counted from 0 -> (B,).
    """
    gap = (mean_of_noise(schedule, x_t, eps, t) - mean) ** 2
    return (gap / (2 * rows(variance, x_t))).flatten(1).sum(1)
