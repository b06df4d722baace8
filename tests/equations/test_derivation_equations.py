"""The lines of the bound's derivation, on paths of a chain whose joint densities are one Gaussian each.

The reverse model here is x_{t-1} = a_t x_t + c_t + sqrt(v_t) noise, so p(x_{0:T}) and q(x_{1:T} | x_0) are known as
multivariate normals, built below by linear algebra alone, without any formula of the derivation.
"""

import pytest
import torch
from torch.distributions import MixtureSameFamily, MultivariateNormal, Normal, kl_divergence

from dreamtext_lib.diffusion import derivation as lines
from dreamtext_lib.diffusion.forward import add_noise
from dreamtext_lib.diffusion.mixture import Mixture
from dreamtext_lib.diffusion.schedule import Schedule, linear

F64 = torch.float64
BETA = torch.tensor([0.1, 0.25, 0.4, 0.55], dtype=F64)
STEPS = len(BETA)
A, C, V = (torch.tensor(v, dtype=F64) for v in ([0.9, 0.8, 0.6, 0.5], [0.1, -0.1, 0.2, 0.05], [0.12, 0.2, 0.3, 0.5]))
STARTS = torch.tensor([[-0.6, 0.3], [0.2, 0.9], [1.1, -0.4]], dtype=F64)  # x_0, (3, D) with D = 2


def reverse(x_t, t):
    return A[t, None] * x_t + C[t, None], V[t, None]


def joint_p():
    """Mean (T + 1,) and covariance of x_{0:T} under p, in each dimension: x_T is noise, the rest follows from it."""
    mean, mix = torch.zeros(STEPS + 1, dtype=F64), torch.zeros(STEPS + 1, STEPS + 1, dtype=F64)
    mix[STEPS, STEPS] = 1
    for t in range(STEPS, 0, -1):
        mean[t - 1] = A[t - 1] * mean[t] + C[t - 1]
        mix[t - 1] = A[t - 1] * mix[t]
        mix[t - 1, t - 1] = V[t - 1] ** 0.5
    return mean, mix @ mix.T


def joint_q():
    """Factors (T,) of x_0 and covariance of x_{1:T} under q(. | x_0), in each dimension."""
    factor, mix = torch.zeros(STEPS, dtype=F64), torch.zeros(STEPS, STEPS, dtype=F64)
    for t, beta in enumerate(BETA):
        factor[t] = (1 - beta) ** 0.5 * (factor[t - 1] if t else 1)
        mix[t] = (1 - beta) ** 0.5 * (mix[t - 1] if t else 0)
        mix[t, t] = beta**0.5
    return factor, mix @ mix.T


def log_p(x, first=0):
    """log p(x_{first:T}) of paths x (T + 1, N, D), (N,)."""
    mean, covariance = joint_p()
    return MultivariateNormal(mean[first:], covariance[first:, first:]).log_prob(x[first:].movedim(0, -1)).sum(1)


def log_q(x, last=STEPS):
    """log q(x_{1:last} | x_0) of paths x (T + 1, N, D), (N,)."""
    factor, covariance = joint_q()
    mean = x[0][..., None] * factor[:last]  # (N, D, last)
    return MultivariateNormal(mean, covariance[:last, :last]).log_prob(x[1 : last + 1].movedim(0, -1)).sum(1)


def sampled(each=20, seed=0):
    return lines.sample_paths(
        Schedule(BETA), STARTS.repeat_interleave(each, 0), reverse, torch.Generator().manual_seed(seed)
    )


def exact_log_likelihood():
    mean, covariance = joint_p()
    return Normal(mean[0], covariance[0, 0] ** 0.5).log_prob(STARTS).sum(1)


def back(x, t):
    """q(x_{t-1} | x_t, x_0) as a Normal, by conditioning the joint Gaussian of (x_{t-1}, x_t)."""
    factor, covariance = joint_q()
    i, j = t - 2, t - 1
    slope = covariance[i, j] / covariance[j, j]
    mean = factor[i] * x[0] + slope * (x[t] - factor[j] * x[0])
    return Normal(mean, (covariance[i, i] - slope * covariance[i, j]).sqrt())


def near(found, expected, samples):
    """Whether a mean of samples meets its expectation within four standard errors."""
    return abs(found - expected) < 4 * samples.std() / len(samples) ** 0.5


def test_paths_are_drawn_from_the_forward_chain():
    x = sampled(50_000).x[:, :50_000]
    factor, covariance = joint_q()
    torch.testing.assert_close(x[1:].mean(1), factor[:, None] * STARTS[0], atol=0.02, rtol=0)
    torch.testing.assert_close(x[1:, :, 0].cov(), covariance, atol=0.02, rtol=0)
    with pytest.raises(ValueError, match=r"T \+ 1"):
        lines.Paths(Schedule(BETA), x[1:], reverse)


@pytest.mark.equation("4.3")
@pytest.mark.equation("4.5")
def test_importance_sampling_gives_the_exact_likelihood():
    paths, exact = sampled(30_000), exact_log_likelihood()
    found = lines.log_likelihood(paths, 30_000)
    ratio = (log_p(paths.x) - log_q(paths.x)).exp().reshape(3, -1)
    error = ratio.std(1) / 30_000**0.5 / exact.exp()
    assert error.max() < 0.02 and ((found - exact).abs() < 4 * error).all()
    inside = lines.integral_inside(paths, 30_000)
    assert inside.item() == pytest.approx(-found.mean().item(), rel=1e-12)
    assert inside.item() == pytest.approx(-exact.mean().item(), abs=0.03)


@pytest.mark.equation("3.3")
@pytest.mark.equation("4.4")
def test_the_expectation_over_the_data_is_the_integral():
    """On a mixture, -E[log p(x_0)] by draws against the integral of -p log p on a grid."""
    weights, means, variances = (torch.tensor(v, dtype=F64) for v in ([0.3, 0.7], [-1.2, 0.8], [0.04, 0.09]))
    world = Mixture(weights, means[:, None], variances)
    own = MixtureSameFamily(torch.distributions.Categorical(weights), Normal(means, variances.sqrt()))
    grid = torch.linspace(-6, 6, 20_001, dtype=F64)
    torch.testing.assert_close(world.log_density(grid[:, None]), own.log_prob(grid))
    exact = torch.trapezoid(-own.log_prob(grid).exp() * own.log_prob(grid), grid)
    values = world.log_density(world.sample(100_000, torch.Generator().manual_seed(0)))
    assert near(lines.negative_log_likelihood(values), exact, values)


@pytest.mark.equation("4.6")
def test_jensens_gap_is_the_kl_to_the_true_posterior():
    """The mean of 4.6 for one x_0 is -log p(x_0) + KL(q(x_{1:T} | x_0) || p(x_{1:T} | x_0)), above -log p(x_0)."""
    paths = sampled(4000)
    found = lines.jensen(paths)
    torch.testing.assert_close(found, log_q(paths.x) - log_p(paths.x))
    (mean, covariance), (factor, of_q) = joint_p(), joint_q()
    slope = covariance[1:, 0] / covariance[0, 0]
    posterior_covariance = covariance[1:, 1:] - slope[:, None] * covariance[0, 1:]
    for x_0, nll, part in zip(STARTS, -exact_log_likelihood(), found.reshape(3, -1)):
        p = MultivariateNormal(mean[1:] + slope * (x_0[:, None] - mean[0]), posterior_covariance)
        gap = kl_divergence(MultivariateNormal(factor * x_0[:, None], of_q), p).sum()
        assert gap > 0.01 and near(part.mean(), nll + gap, part)


@pytest.mark.equation("4.7")
@pytest.mark.equation("4.8")
def test_the_reverse_chain_factorises():
    paths = sampled()
    for t in range(STEPS + 1):
        torch.testing.assert_close(lines.log_p_from(paths, t), log_p(paths.x, t))
    torch.testing.assert_close(lines.log_p_chain(paths), log_p(paths.x))


@pytest.mark.equation("4.9")
@pytest.mark.equation("4.10")
def test_the_forward_chain_factorises():
    paths = sampled()
    for t in range(1, STEPS + 1):
        torch.testing.assert_close(lines.log_q_until(paths, t), log_q(paths.x, t))
    torch.testing.assert_close(lines.log_q_chain(paths), log_q(paths.x))


@pytest.mark.equation("4.11")
@pytest.mark.equation("4.12")
@pytest.mark.equation("4.15")
@pytest.mark.equation("4.16")
@pytest.mark.equation("4.17")
@pytest.mark.parametrize(
    "line", [lines.log_of_product, lines.sum_of_logs, lines.first_taken_out, lines.bayes_put_in, lines.collected]
)
def test_each_line_is_the_same_number_on_a_path(line):
    paths = sampled()
    torch.testing.assert_close(line(paths), log_q(paths.x) - log_p(paths.x))


@pytest.mark.equation("4.13")
def test_bayes_conditioned_on_the_clean_picture():
    paths = sampled()
    for t in range(2, STEPS + 1):
        own = Normal((1 - BETA[t - 1]) ** 0.5 * paths.x[t - 1], BETA[t - 1] ** 0.5).log_prob(paths.x[t]).sum(1)
        torch.testing.assert_close(lines.bayes(paths, t), own)
    with pytest.raises(ValueError, match="t = 2"):
        lines.bayes(paths, 1)


@pytest.mark.equation("4.14")
def test_the_product_telescopes():
    paths, (factor, covariance) = sampled(), joint_q()
    first, last = (
        Normal(factor[t - 1] * paths.x[0], covariance[t - 1, t - 1] ** 0.5).log_prob(paths.x[t]).sum(1)
        for t in (1, STEPS)
    )
    torch.testing.assert_close(lines.telescope(paths), first - last)


@pytest.mark.equation("4.18")
def test_the_mean_log_ratio_is_the_kl():
    """Each KL against torch's, and against the mean of the log ratio over x_{t-1} by sampling."""
    paths = sampled(10_000)
    for t in range(2, STEPS + 1):
        q = back(paths.x, t)
        p = Normal(A[t - 1] * paths.x[t] + C[t - 1], V[t - 1] ** 0.5)
        found = lines.step_kl(paths, t)
        torch.testing.assert_close(found, kl_divergence(q, p).sum(1))
        gap = found - (q.log_prob(paths.x[t - 1]) - p.log_prob(paths.x[t - 1])).sum(1)
        assert near(gap.mean(), 0, gap)


@pytest.mark.equation("3.4")
@pytest.mark.equation("4.19")
def test_the_sum_of_kls_is_the_bound():
    """Term by term against torch, and of the mean of 4.6."""
    paths, (factor, covariance) = sampled(10_000), joint_q()
    x = paths.x
    last = Normal(factor[-1] * x[0], covariance[-1, -1] ** 0.5)
    expected = kl_divergence(last, Normal(0.0, 1.0)).sum(1)
    for t in range(2, STEPS + 1):
        p = Normal(A[t - 1] * x[t] + C[t - 1], V[t - 1] ** 0.5)
        expected = expected + kl_divergence(back(x, t), p).sum(1)
    expected = expected - Normal(A[0] * x[1] + C[0], V[0] ** 0.5).log_prob(x[0]).sum(1)
    found = lines.sum_of_kls(paths)
    torch.testing.assert_close(found, expected)
    gap = found - lines.jensen(paths)
    assert near(gap.mean(), 0, gap)


@pytest.mark.equation("3.4")
@pytest.mark.equation("4.17")
@pytest.mark.equation("4.19")
def test_the_bound_is_the_likelihood_where_the_reverse_is_exact():
    """Data from N(0, I) stay N(0, I) under noise, and the reverse of a step is N(sqrt(1 - beta) x_t, beta) exactly."""
    s, x_0 = linear(30, 0.01, 0.4), torch.tensor([[0.9, -0.3]], dtype=F64).expand(2000, 2)
    exact_reverse = lambda x, t: ((1 - s.beta[t, None]).sqrt() * x, s.beta[t, None])  # noqa: E731
    paths = lines.sample_paths(s, x_0, exact_reverse, torch.Generator().manual_seed(0))
    nll = -Normal(0.0, 1.0).log_prob(x_0).sum(1)
    torch.testing.assert_close(lines.collected(paths), nll)  # on each path, not in the mean alone
    found = lines.sum_of_kls(paths)
    assert near(found.mean(), nll[0], found)


@pytest.mark.equation("4.11")
@pytest.mark.equation("4.12")
def test_logarithms_are_taken_because_products_leave_the_range_of_numbers():
    for steps, finite in ((3, True), (1000, False)):
        s = linear(steps)
        wide = lambda x, t, s=s: ((1 - s.beta[t, None]).sqrt() * x, 1.5 * s.beta[t, None])  # noqa: E731
        paths = lines.sample_paths(s, torch.zeros(1, 64, dtype=F64), wide, torch.Generator().manual_seed(0))
        assert lines.log_of_product(paths).isfinite() == finite and lines.sum_of_logs(paths).isfinite()


@pytest.mark.equation("4.22")
def test_the_kl_in_terms_of_the_noise():
    """KL = 4.22 + C, where C is the KL of two Gaussians of one mean; the posterior comes from conditioning."""
    t, count = 3, 6
    schedule, eps = Schedule(BETA), torch.randn(count, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    x_0, index = STARTS.repeat(2, 1), torch.full((count,), t - 1)
    x_t = add_noise(x_0, eps, schedule.alpha_bar[index])
    x = torch.stack([x_0, x_0, x_0, x_t])
    q, variance = back(x, t), torch.full((count,), 0.37, dtype=F64)
    mean = 0.5 * x_t - 0.2
    kl = kl_divergence(q, Normal(mean, 0.37**0.5)).sum(1)
    constant = kl_divergence(q, Normal(q.mean, 0.37**0.5)).sum(1)
    assert constant.std() < 1e-12
    torch.testing.assert_close(lines.mean_loss(schedule, x_t, eps, index, mean, variance) + constant, kl)
