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
from dreamtext_lib.diffusion.guidance import guide
from dreamtext_lib.diffusion.posterior import mean_of_noise, model_step, posterior
from dreamtext_lib.diffusion.samplers import ddim, ddpm, even_times
from dreamtext_lib.diffusion.schedule import Schedule, cosine, linear, scaled_linear
from dreamtext_lib.mixture import Mixture

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


@pytest.mark.equation("4.1")
def test_the_sum_of_two_noises_is_one_noise():
    a, b = sp.symbols("alpha_t alpha_s", positive=True)
    variance = (sp.sqrt(a * (1 - b))) ** 2 + sp.sqrt(1 - a) ** 2
    assert sp.simplify(variance - (1 - a * b)) == 0
    e1, e2 = draw(300_000), draw(300_000, seed=1)
    found = (0.9 * (1 - 0.8)) ** 0.5 * e1 + 0.1**0.5 * e2
    assert found.var() == pytest.approx(1 - 0.9 * 0.8, rel=1e-2)


@pytest.mark.equation("4.2")
def test_noise_in_one_step_by_induction():
    """If x_t has coefficients (sqrt(A), sqrt(1 - A)), a step with beta gives A' = A (1 - beta); A_1 = 1 - beta_1."""
    big, beta = sp.symbols("A beta", positive=True)
    variance = (1 - beta) * (1 - big) + beta
    assert sp.expand(variance - (1 - big * (1 - beta))) == 0
    s = linear(50)
    x, sigma2 = torch.ones(1, dtype=F64), torch.zeros(1, dtype=F64)
    for t in range(50):
        x, sigma2 = noising_step(x, torch.zeros(1, dtype=F64), s.beta[t : t + 1]), (1 - s.beta[t]) * sigma2 + s.beta[t]
        torch.testing.assert_close(x[0], s.alpha_bar[t].sqrt())
        torch.testing.assert_close(sigma2[0], 1 - s.alpha_bar[t])


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


@pytest.mark.equation("4.13")
def test_bayes_conditioned_on_the_clean_picture():
    s, t = linear(20), 8
    normal = torch.distributions.Normal
    for x0, x1, x2 in draw(20, 3):
        forward = normal(s.alpha[t].sqrt() * x1, s.beta[t].sqrt()).log_prob(x2)
        mean, variance = posterior(s, x0.reshape(1, 1), x2.reshape(1, 1), torch.tensor([t]))
        back = normal(mean, variance.sqrt()).log_prob(x1)

        def marginal(x, i, x0=x0):
            return normal(s.alpha_bar[i].sqrt() * x0, (1 - s.alpha_bar[i]).sqrt()).log_prob(x)

        assert forward.item() == pytest.approx((back + marginal(x2, t) - marginal(x1, t - 1)).item(), rel=1e-9)


@pytest.mark.equation("4.23")
@pytest.mark.equation("4.24")
def test_the_posterior_mean_in_terms_of_the_noise():
    s, t = linear(100), torch.tensor([3, 50, 99])
    x0, eps = draw(3, 4), draw(3, 4, seed=1)
    x_t = add_noise(x0, eps, s.alpha_bar[t])
    torch.testing.assert_close(mean_of_noise(s, x_t, eps, t), posterior(s, x0, x_t, t)[0])
    own = DDPMScheduler(num_train_timesteps=100, clip_sample=False)
    mean, _ = model_step(s, x_t, eps, t)
    for i, step in enumerate(t.tolist()):
        step_of_theirs = own._get_variance(step)  # their step adds noise: compare with it taken away
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
    # finite, with finite gradients, at the ends and very far away
    far = torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0], dtype=torch.float32)
    mean = torch.tensor([30.0, -30.0, 20.0, -30.0, 30.0], requires_grad=True)
    out = bound.discretised_log_likelihood(far, mean, torch.tensor(1e-3))
    out.sum().backward()
    assert out.isfinite().all() and mean.grad.isfinite().all()


def exact_terms(schedule, x0, eps_of, x_T=6.0, points=4001):
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


@pytest.mark.equation("3.4")
def test_the_bound_is_exact_for_a_gaussian_world_and_its_exact_reverse():
    """For Gaussian data one reverse step is Gaussian: with its exact mean and variance the bound meets -log p(x_0)."""
    mean, variance, s = 0.5, 0.3, linear(30, 0.01, 0.4)
    normal = torch.distributions.Normal
    x0, count, g = 0.9, 400_000, torch.Generator().manual_seed(0)
    now = torch.full((count,), x0, dtype=F64)
    ratio = torch.zeros(count, dtype=F64)  # log q(x_{1:T} | x_0) - log p(x_{0:T}) on sampled paths (4.6)
    for t in range(30):
        beta = s.beta[t]
        following = noising_step(now, torch.randn(count, generator=g, dtype=F64), beta.expand(count))
        ratio += normal((1 - beta).sqrt() * now, beta.sqrt()).log_prob(following)
        a = s.alpha_bar_before[t]
        prior_mean, prior_variance = a.sqrt() * mean, a * variance + 1 - a  # of x_{t-1}
        precision = 1 / prior_variance + (1 - beta) / beta
        back = (prior_mean / prior_variance + (1 - beta).sqrt() / beta * following) / precision
        ratio -= normal(back, precision**-0.5).log_prob(now)
        now = following
    a = s.alpha_bar[-1]
    ratio -= normal(a.sqrt() * mean, (a * variance + 1 - a).sqrt()).log_prob(now)
    nll = -normal(mean, variance**0.5).log_prob(torch.tensor(x0)).item()
    assert ratio.std() < 1e-6 and ratio.mean().item() == pytest.approx(nll, abs=1e-6)


@pytest.mark.equation("4.6")
@pytest.mark.equation("4.3")
def test_jensens_gap_and_the_importance_form_in_one_dimension():
    """-log E_q[p/q] = -log p(x_0) (4.3), and E_q[-log p/q] lies above it by KL(q || p(x_1 | x_0)) (4.6), one step."""
    x0, grid = torch.tensor(0.4, dtype=F64), torch.linspace(-8, 8, 20_001, dtype=F64)
    normal = torch.distributions.Normal
    p1, p0 = normal(0.0, 1.0).log_prob(grid), normal(0.6 * grid, 0.7).log_prob(x0)
    q = normal(0.3, 0.9).log_prob(grid)
    nll = -integrate((p1 + p0).exp(), grid).log()
    importance = -integrate(q.exp() * (p1 + p0 - q).exp(), grid).log()
    upper = integrate(q.exp() * (q - p1 - p0), grid)
    true_posterior = p1 + p0 + nll
    gap = integrate(q.exp() * (q - true_posterior), grid)
    assert importance.item() == pytest.approx(nll.item(), abs=1e-6)
    assert upper > nll and (upper - nll).item() == pytest.approx(gap.item(), abs=1e-6)


@pytest.mark.equation("4.12")
@pytest.mark.equation("4.15")
@pytest.mark.equation("4.17")
def test_three_lines_of_the_derivation_are_one_number_on_a_path():
    s, normal = linear(6, 0.05, 0.4), torch.distributions.Normal
    path = [torch.tensor(0.7, dtype=F64)]
    for t in range(6):
        path.append(noising_step(path[-1][None], draw(1, seed=t), s.beta[t : t + 1])[0])

    def q_step(t):
        return normal(s.alpha[t].sqrt() * path[t], s.beta[t].sqrt()).log_prob(path[t + 1])

    def q_jump(t):
        return normal(s.alpha_bar[t].sqrt() * path[0], (1 - s.alpha_bar[t]).sqrt()).log_prob(path[t + 1])

    def p_step(t):
        return normal(0.9 * path[t + 1] - 0.1, 0.5).log_prob(path[t])

    def q_back(t):
        mean, variance = posterior(s, path[0].reshape(1, 1), path[t + 1].reshape(1, 1), torch.tensor([t]))
        return normal(mean[0, 0], variance[0, 0].sqrt()).log_prob(path[t])

    last = normal(0.0, 1.0).log_prob(path[6])
    line_12 = -sum(p_step(t) - q_step(t) for t in range(6)) - last
    line_15 = -sum(p_step(t) - q_step(t) for t in range(1, 6)) - last - (p_step(0) - q_step(0))
    line_17 = -sum(p_step(t) - q_back(t) for t in range(1, 6)) - (last - q_jump(5)) - p_step(0)
    assert line_12.item() == pytest.approx(line_15.item(), abs=1e-9)
    assert line_12.item() == pytest.approx(line_17.item(), abs=1e-9)


@pytest.mark.equation("4.14")
def test_the_product_telescopes():
    q = sp.symbols("q1:7", positive=True)  # q(x_t | x_0) for t = 1..6
    assert sp.simplify(sp.prod(q[t - 1] / q[t] for t in range(1, 6)) - q[0] / q[5]) == 0


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
