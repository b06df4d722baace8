"""Schedules, posterior, bound, samplers and attention: against symbols, diffusers, torch, and an exact world."""

import math

import numpy as np
import pytest
import sympy as sp
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from dreamtext_lib.diffusion import bound
from dreamtext_lib.diffusion.attention import attention
from dreamtext_lib.diffusion.forward import add_noise, noising_step
from dreamtext_lib.diffusion.guidance import classifier_guide, guide
from dreamtext_lib.diffusion.mixture import Mixture
from dreamtext_lib.diffusion.posterior import mean_of_noise, model_step, posterior
from dreamtext_lib.diffusion.samplers import ddim, ddpm, even_times
from dreamtext_lib.diffusion.schedule import Schedule, cosine, linear, scaled_linear

F64 = torch.float64
WORLD = Mixture(*(torch.tensor(v, dtype=F64) for v in ([0.3, 0.7], [[-1.2], [0.8]], [0.04, 0.09])))


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def integrate(values, grid):
    return torch.trapezoid(values, grid)


@pytest.mark.equation("3.1")
def test_one_noising_step_has_its_mean_and_variance():
    x = noising_step(torch.full((400_000,), 2.0, dtype=F64), draw(400_000), torch.full((400_000,), 0.19, dtype=F64))
    assert x.mean() == pytest.approx(1.8, abs=3e-3) and x.var() == pytest.approx(0.19, rel=1e-2)


def ones(count):
    return torch.ones(count, dtype=F64)


@pytest.mark.equation("4.1")
def test_the_sum_of_two_noises_is_one_noise():
    """Two steps of 3.1 are linear: fed with one unit each, they show the coefficients of x, eps' and eps''."""
    a, b = sp.symbols("alpha_t alpha_s", positive=True)
    variance = (sp.sqrt(a * (1 - b))) ** 2 + sp.sqrt(1 - a) ** 2
    assert sp.simplify(variance - (1 - a * b)) == 0
    x, first, second = torch.eye(3, dtype=F64)
    coefficients = noising_step(noising_step(x, first, 0.2 * ones(3)), second, 0.1 * ones(3))
    expected = torch.tensor([0.9 * 0.8, 0.9 * (1 - 0.8), 0.1], dtype=F64).sqrt()
    torch.testing.assert_close(coefficients, expected)
    assert coefficients[1:].square().sum().item() == pytest.approx(1 - 0.9 * 0.8)


@pytest.mark.equation("4.2")
def test_noise_in_one_step_by_induction():
    """If x_t has coefficients (sqrt(A), sqrt(1 - A)), a step with beta gives A' = A (1 - beta); A_1 = 1 - beta_1.

    In numbers: 50 steps of 3.1, with a unit for x_0 and for each noise, have the coefficients of 3.2.
    """
    big, beta = sp.symbols("A beta", positive=True)
    variance = (1 - beta) * (1 - big) + beta
    assert sp.expand(variance - (1 - big * (1 - beta))) == 0
    s, units = linear(50), torch.eye(51, dtype=F64)
    x = units[0]
    for t in range(50):
        x = noising_step(x, units[t + 1], s.beta[t].expand(51))
        jump = add_noise(units[0], units[1], s.alpha_bar[t].expand(51))
        torch.testing.assert_close(x[0], jump[0])
        torch.testing.assert_close(x[1:].square().sum(), jump[1] ** 2)


@pytest.mark.equation("3.7")
def test_cosine_schedule_is_diffusers_own():
    own = DDPMScheduler(beta_schedule="squaredcos_cap_v2").betas.double()
    torch.testing.assert_close(cosine().beta, own, rtol=1e-4, atol=1e-6)
    assert cosine().beta.max() == 0.999  # clipped: the last would be 1
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in (0, 401)]
    assert cosine().alpha_bar[400] == pytest.approx(f[1] / f[0], rel=1e-9)


@pytest.mark.parametrize(("ours", "name"), [(linear, "linear"), (scaled_linear, "scaled_linear")])
def test_the_other_schedules_are_diffusers_own(ours, name):
    first, last = (1e-4, 0.02) if name == "linear" else (0.00085, 0.012)
    own = DDPMScheduler(beta_schedule=name, beta_start=first, beta_end=last)
    torch.testing.assert_close(ours().beta, own.betas.double(), rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(ours().alpha_bar, own.alphas_cumprod.double(), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="beta"):
        Schedule(torch.tensor([0.1, 1.0]))


@pytest.mark.equation("4.20")
def test_posterior_by_completing_the_square():
    """log q(x_t | x_{t-1}) + log q(x_{t-1} | x_0) - log N(x_{t-1}; mean, variance) is free of x_{t-1}."""
    x, xt, x0 = sp.symbols("x x_t x_0", real=True)
    alpha, before = sp.symbols("alpha A", positive=True)
    beta, now = 1 - alpha, alpha * before
    exponent = (xt - sp.sqrt(alpha) * x) ** 2 / beta + (x - sp.sqrt(before) * x0) ** 2 / (1 - before)
    mean = sp.sqrt(before) * beta / (1 - now) * x0 + sp.sqrt(alpha) * (1 - before) / (1 - now) * xt
    variance = (1 - before) / (1 - now) * beta
    assert sp.simplify(sp.diff(exponent - (x - mean) ** 2 / variance, x)) == 0
    # the library holds the same numbers
    s, t = linear(10), torch.tensor([6])
    found_mean, found_variance = posterior(s, torch.tensor([[0.7]], dtype=F64), torch.tensor([[-0.2]], dtype=F64), t)
    values = {alpha: s.alpha[6].item(), before: s.alpha_bar[5].item(), x0: 0.7, xt: -0.2}
    assert found_mean.item() == pytest.approx(float(mean.subs(values)), rel=1e-9)
    assert found_variance.item() == pytest.approx(float(variance.subs(values)), rel=1e-9)


@pytest.mark.equation("4.23")
@pytest.mark.equation("4.24")
def test_the_posterior_mean_in_terms_of_the_noise():
    s, t = linear(100), torch.tensor([3, 50, 99])
    x0, eps = draw(3, 4), draw(3, 4, seed=1)
    x_t = add_noise(x0, eps, s.alpha_bar[t])
    torch.testing.assert_close(mean_of_noise(s, x_t, eps, t), posterior(s, x0, x_t, t)[0])
    own = DDPMScheduler(num_train_timesteps=100, clip_sample=False)
    mean, variance = model_step(s, x_t, eps, t)
    for i, step in enumerate(t.tolist()):
        step_of_theirs = own._get_variance(step)  # their step adds noise: compare with it taken away
        assert variance[i].item() == pytest.approx(step_of_theirs.item(), rel=1e-3)
        generator = torch.Generator().manual_seed(5)
        theirs = own.step(eps[i : i + 1], step, x_t[i : i + 1], generator=generator).prev_sample
        noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(5), dtype=F64)
        torch.testing.assert_close(mean[i : i + 1], theirs - step_of_theirs**0.5 * noise, rtol=1e-4, atol=1e-5)


@pytest.mark.equation("4.21")
def test_kl_of_gaussians_is_torchs_own():
    mq, mp = draw(50), draw(50, seed=1)
    vq, vp = draw(50, seed=2).exp(), draw(50, seed=3).exp()
    q, p = torch.distributions.Normal(mq, vq.sqrt()), torch.distributions.Normal(mp, vp.sqrt())
    own = torch.distributions.kl_divergence(q, p)
    torch.testing.assert_close(bound.gaussian_kl(mq, vq, mp, vp), own)


@pytest.mark.equation("3.5")
@pytest.mark.equation("4.25")
def test_the_weighted_noise_loss_is_the_kl_up_to_its_constant():
    """For sigma^2 = beta_tilde the constant is 0: the KL of 3.4 is the weight of 3.5 times the squared error."""
    s, t = linear(100), torch.tensor([1, 40, 99])
    x0, eps, guess = draw(3, 5), draw(3, 5, seed=1), draw(3, 5, seed=2)
    x_t = add_noise(x0, eps, s.alpha_bar[t])
    mean, variance = model_step(s, x_t, guess, t)
    kl = bound.step_term(s, x0, x_t, t, mean, variance)
    weighted = bound.noise_weight(s, t, s.beta_tilde[t]) * (eps - guess).square().sum(1)
    torch.testing.assert_close(kl, weighted)


@pytest.mark.equation("3.6")
def test_the_discretised_decoder_is_a_distribution_over_the_levels():
    levels = torch.linspace(-1, 1, 256, dtype=F64)
    for mean, variance in ((0.0, 1e-4), (0.99, 1e-3), (-3.0, 0.01), (0.2, 4.0)):
        log_p = bound.discretised_log_likelihood(levels, torch.tensor(mean), torch.tensor(variance, dtype=F64))
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
    normal = torch.distributions.Normal(0.1, 0.05)
    x = levels[140]
    mass = normal.cdf(x + 1 / 255) - normal.cdf(x - 1 / 255)
    found = bound.discretised_log_likelihood(x, torch.tensor(0.1, dtype=F64), torch.tensor(0.05**2, dtype=F64))
    assert found.exp().item() == pytest.approx(mass.item(), rel=1e-5)
    # far from the mean, by the complementary error function on the left, and on the right by its mirror image
    below = lambda z: math.erfc(-z / 2**0.5) / 2  # noqa: E731
    mass = below((-1.1 + 1 / 255) / 0.1) - below((-1.1 - 1 / 255) / 0.1)
    x = torch.tensor([-0.6, 0.6], dtype=F64)
    found = bound.discretised_log_likelihood(x, torch.tensor([0.5, -0.5]).double(), torch.tensor(0.01, dtype=F64))
    assert found.tolist() == pytest.approx([math.log(mass)] * 2, rel=1e-9)
    # finite at the ends and very far away; gradients in single precision are those in double up to 300 deviations
    far = torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0], dtype=torch.float32)
    mean = torch.tensor([30.0, -30.0, 20.0, -30.0, 30.0], requires_grad=True)
    out = bound.discretised_log_likelihood(far, mean, torch.tensor(1e-3))
    out.sum().backward()
    assert out.isfinite().all() and mean.grad.isfinite().all()
    assert bound.discretised_log_likelihood(far, 1e4 * mean.detach(), torch.tensor(1e-3)).isfinite().all()
    x = levels.float().repeat(4)
    mean, variance = x - 0.03 * torch.linspace(-300, 300, len(x)), torch.full_like(x, 0.03**2)
    single, double = (
        torch.autograd.functional.jacobian(
            lambda m, v: bound.discretised_log_likelihood(x.to(m), m, v).sum(), (mean.to(kind), variance.to(kind))
        )
        for kind in (torch.float32, F64)
    )
    for found, wanted in zip(single, double):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-2, atol=1e-2)


def exact_terms(schedule, x0, eps_of, x_T=6.0, points=1501):
    """The bound (3.4) of a 1-D model, all expectations by quadrature; the decoder is N(mean, beta_1)."""
    grid = torch.linspace(-x_T, x_T, points, dtype=F64)
    total = bound.prior_term(schedule, x0.reshape(1, 1)).item()
    for t in range(len(schedule.beta)):
        a = schedule.alpha_bar[t]
        q = torch.distributions.Normal(a.sqrt() * x0, (1 - a).sqrt()).log_prob(grid).exp()
        steps = torch.full((points,), t)
        mean = mean_of_noise(schedule, grid[:, None], eps_of(grid[:, None], steps), steps)
        if t:
            variance = schedule.beta_tilde[t] * torch.ones(points, 1, dtype=F64)
            term = bound.step_term(schedule, x0.expand(points, 1), grid[:, None], steps, mean, variance)
        else:
            term = -torch.distributions.Normal(mean[:, 0], schedule.beta[0].sqrt()).log_prob(x0)
        total += integrate(q * term, grid).item()
    return total


@pytest.mark.equation("3.3")
@pytest.mark.equation("3.4")
def test_the_bound_is_above_the_exact_likelihood_and_close_for_the_best_model():
    """On the mixture -log p(x_0) is known. Averaged over x_0, the bound of the best noise prediction lies above the
    negative log-likelihood of the world and nears it with more steps; a worse prediction has a higher bound."""
    x0s = WORLD.sample(12, torch.Generator().manual_seed(3))[:, 0]

    def mean_bound(steps, worse=0.0):
        s = linear(steps, 1e-3, 20 / steps)
        eps = lambda x, t: WORLD.eps(x, s.alpha_bar[t[0]]) + worse  # noqa: E731
        return np.mean([exact_terms(s, x0, eps) for x0 in x0s])

    nll = -WORLD.log_density(x0s[:, None]).mean().item()
    short, long = mean_bound(40), mean_bound(160)
    assert nll < long < short
    assert long - nll < 0.5 * (short - nll)
    assert mean_bound(40, worse=0.3) > short + 0.1


@pytest.mark.equation("3.9")
def test_attention_is_torchs_own():
    q, k, v = draw(2, 3, 5, 8), draw(2, 3, 7, 8, seed=1), draw(2, 3, 7, 4, seed=2)
    own = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attention(q, k, v), own)
    assert not torch.allclose((q @ k.mT).softmax(-1) / 8**0.5 @ v, own)  # the scale belongs inside


def marginal_error(samples, world):
    """Largest gap between the samples' and the world's distribution function, in one dimension."""
    ordered = samples[:, 0].sort().values
    deviation = world.variances.sqrt()
    cdf = (world.weights * torch.special.ndtr((ordered[:, None] - world.means[:, 0]) / deviation)).sum(1)
    return (cdf - torch.linspace(0, 1, len(ordered), dtype=F64)).abs().max().item()


@pytest.mark.parametrize("kind", ["ddpm", "ddim"])
def test_samplers_draw_the_exact_world(kind):
    s = linear(200, 1e-4, 0.1)
    eps = lambda x, t: WORLD.eps(x, s.alpha_bar[t[0]])  # noqa: E731
    g, start = torch.Generator().manual_seed(1), draw(4000, 1, seed=7)
    chain = ddpm(eps, s, start, g) if kind == "ddpm" else ddim(eps, s, start, even_times(200, 100))
    *_, x = chain
    assert marginal_error(x, WORLD) < 0.035  # the 1 % point of Kolmogorov's statistic is 0.026
    assert marginal_error(start, WORLD) > 0.1


def test_ddim_is_diffusers_own_and_without_noise_deterministic():
    s = scaled_linear()
    own = DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False,
        set_alpha_to_one=True,
    )  # fmt: skip
    own.set_timesteps(10)
    x = y = draw(2, 3, 4, 4)
    eps = lambda x, t: 0.3 * x + 0.1  # noqa: E731
    frames = list(ddim(eps, s, x, own.timesteps.tolist()))
    for t in own.timesteps:
        y = own.step(eps(y, t), t, y).prev_sample
    torch.testing.assert_close(frames[-1], y, rtol=1e-4, atol=1e-4)
    assert len(frames) == 10 and torch.equal(list(ddim(eps, s, x, own.timesteps.tolist()))[-1], frames[-1])
    assert even_times(1000, 5) == [999, 749, 500, 250, 0]
    with pytest.raises(ValueError, match="1001 steps"):
        even_times(1000, 1001)
    with pytest.raises(ValueError, match="generator"):
        next(ddim(eps, s, x, [999], eta=1.0))


def test_ddim_with_all_noise_and_all_steps_is_ddpm():
    s = linear(50, 1e-3, 0.2)
    eps = lambda x, t: WORLD.eps(x, s.alpha_bar[t[0]])  # noqa: E731
    start = draw(20, 1)
    a = list(ddpm(eps, s, start, torch.Generator().manual_seed(3)))
    b = list(ddim(eps, s, start, even_times(50, 50), eta=1.0, generator=torch.Generator().manual_seed(3)))
    torch.testing.assert_close(a[-2], b[-2])


@pytest.mark.equation("3.8")
def test_guidance_is_the_score_of_the_tilted_density():
    """eps(y) + s (eps(y) - eps(none)) is -sqrt(1 - alpha_bar) times the gradient of log p(x | y) + s log p(y | x)."""
    given, a, strength = WORLD.given(torch.tensor([1])), torch.tensor(0.6, dtype=F64), 2.5
    x = draw(30, 1).requires_grad_()
    tilted = given.noised(a).log_density(x) + strength * (
        given.noised(a).log_density(x) - WORLD.noised(a).log_density(x)
    )
    gradient = torch.autograd.grad(tilted.sum(), x)[0]
    found = guide(given.eps(x, a), WORLD.eps(x, a), strength)
    torch.testing.assert_close(found, -(1 - a).sqrt() * gradient)


@pytest.mark.equation("3.8")
def test_guidance_by_a_classifier_is_guidance_without_one():
    """With the exact p(y | x_t) a classifier that pushes eps(none) by g = 1 + s is 3.8; eps(y) by s too (Bayes)."""
    s, a = 2.5, torch.linspace(0.05, 0.95, 30, dtype=F64)
    x = draw(30, 1, seed=4).requires_grad_()
    shares = torch.stack(
        [WORLD.noised(b).component_log_density(x[i : i + 1])[0].log_softmax(0) for i, b in enumerate(a)]
    )
    (gradient,) = torch.autograd.grad(shares[:, 1].sum(), x)  # of log p(second component | x_t)
    given = WORLD.given(torch.tensor([1]))
    text, none = (torch.cat([w.eps(x[i : i + 1], b) for i, b in enumerate(a)]) for w in (given, WORLD))
    wanted = guide(text, none, s)
    torch.testing.assert_close(classifier_guide(none, gradient, a, 1 + s), wanted)
    torch.testing.assert_close(classifier_guide(text, gradient, a, s), wanted)
    pictures = classifier_guide(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4), torch.tensor([0.0, 0.75]), 2.0)
    torch.testing.assert_close(pictures[:, 0, 0, 0], torch.tensor([-2.0, -1.0]))


def test_the_mixture_agrees_with_itself():
    x = draw(50, 1).requires_grad_()
    world = WORLD.noised(0.5)
    torch.testing.assert_close(world.score(x), torch.autograd.grad(world.log_density(x).sum(), x)[0])
    grid = torch.linspace(-8, 8, 20_001, dtype=F64)
    assert integrate(world.log_density(grid[:, None]).exp(), grid).item() == pytest.approx(1, abs=1e-9)
    share, mean, variance = WORLD.clean_posterior(x.detach(), 0.5)
    best = (share[..., None] * mean).sum(1)  # E[x_0 | x_t]
    from dreamtext_lib.diffusion.forward import clean_estimate

    half = torch.full((50,), 0.5, dtype=F64)
    torch.testing.assert_close(best, clean_estimate(x.detach(), WORLD.eps(x.detach(), 0.5), half))
    assert (variance > 0).all() and (variance < WORLD.variances).all()
    with pytest.raises(ValueError, match="weights"):
        Mixture(torch.ones(2), torch.zeros(3, 1), torch.ones(2))
