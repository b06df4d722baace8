"""Noise, clean estimate, guidance and the score-distillation gradient, each against an independent truth."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from dreamtext_lib.diffusion.forward import add_noise, clean_estimate, noise_of_velocity
from dreamtext_lib.diffusion.guidance import classifier_guide, guide
from dreamtext_lib.diffusion.samplers import ddim
from dreamtext_lib.diffusion.schedule import scaled_linear
from dreamtext_lib.distillation.gradients import VSD, Words, csd, invert, sdi, sds
from dreamtext_lib.distillation.score import injected, weighted
from dreamtext_lib.zoo.architectures import scheduler


class GaussianPrior:
    """A prior whose data are N(mean, spread^2 I) for the text 1 and N(0, I) for none: its best eps is known exactly."""

    device, dtype = torch.device("cpu"), torch.float64

    def __init__(self, mean: float = 0.7, spread: float = 0.5):
        self.mean, self.spread = mean, spread
        self.alpha_bar = scheduler().alphas_cumprod.double()

    def eps(self, x_t, t, states):
        a = self.alpha_bar[t].reshape(-1, 1, 1, 1)
        has_text = states[:, :1, :1, None]
        mean, variance = self.mean * has_text, has_text * self.spread**2 + (1 - has_text)
        return (1 - a).sqrt() * (x_t - a.sqrt() * mean) / (a * variance + 1 - a)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(z, seed):  # the noise that an arrow draws
    return torch.randn(z.shape, generator=torch.Generator().manual_seed(seed)).to(z)


def ask(arrow, prior, z, t, s=0.0, seed=0, **options):
    states = torch.ones(len(z), 1, 1).double()
    return arrow(prior, z, t, Words(states, 0 * states), s, torch.Generator().manual_seed(seed), **options)


def gaussian_score(prior, z, t, with_text):  # of the noised data, by autograd through torch's own density
    a, z = prior.alpha_bar[t].view(-1, 1, 1, 1), z.clone().requires_grad_()
    mean, variance = (prior.mean, prior.spread**2) if with_text else (0.0, 1.0)
    p = torch.distributions.Normal(a.sqrt() * mean, (a * variance + 1 - a).sqrt())
    (score,) = torch.autograd.grad(p.log_prob(z).sum(), z)
    return score


@pytest.mark.equation("3.2")
def test_noise_in_one_step_agrees_with_diffusers_and_with_many_single_steps():
    s = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    x, eps, t = noise(5, 4, 3, 3), noise(5, 4, 3, 3, seed=1), torch.tensor([0, 10, 400, 700, 999])
    torch.testing.assert_close(add_noise(x, eps, s.alphas_cumprod[t]), s.add_noise(x, eps, t), rtol=1e-5, atol=1e-6)
    chain, g = torch.full((200_000,), 1.5), torch.Generator().manual_seed(2)
    for beta in s.betas[:100]:  # eq. 3.1, a hundred times
        chain = (1 - beta).sqrt() * chain + beta.sqrt() * torch.randn(len(chain), generator=g)
    a = s.alphas_cumprod[99]
    assert chain.mean() == pytest.approx(1.5 * a.sqrt().item(), abs=5e-3)
    assert chain.var() == pytest.approx(1 - a.item(), rel=2e-2)


@pytest.mark.equation("4.30")
def test_clean_estimate_inverts_the_noise_and_is_the_schedulers_own():
    s = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    x, eps = noise(1, 4, 3, 3), noise(1, 4, 3, 3, seed=1)
    for t in (1, 300, 980):
        a = s.alphas_cumprod[t : t + 1].double()
        x_t = add_noise(x, eps, a)
        torch.testing.assert_close(clean_estimate(x_t, eps, a), x)
        s.set_timesteps(1000)
        own = s.step(eps, t, x_t).pred_original_sample
        torch.testing.assert_close(clean_estimate(x_t, eps, a), own, rtol=1e-5, atol=1e-5)


def test_a_velocity_holds_the_same_noise():
    x, eps, a = noise(2, 4, 3, 3), noise(2, 4, 3, 3, seed=1), torch.tensor([0.9, 0.2]).double()
    r = a.reshape(2, 1, 1, 1)
    velocity = r.sqrt() * eps - (1 - r).sqrt() * x
    torch.testing.assert_close(noise_of_velocity(velocity, add_noise(x, eps, a), a), eps)


@pytest.mark.equation("3.2")
@pytest.mark.equation("4.30")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_a_weight_is_rounded_once(dtype):
    """1 - alpha_bar formed in half precision is off by up to 0.3 %, in bfloat16 by 4.6 %; rounded once it is not."""
    exact, unit = scheduler().alphas_cumprod, torch.finfo(dtype).eps / 2  # the largest relative error of one rounding
    one = torch.ones(1000, 1, dtype=dtype)
    before = (1 - exact.to(dtype)).sqrt().double() / (1 - exact.double()).sqrt() - 1
    assert before.abs().max() > 0.002
    for found, true in (
        (add_noise(0 * one, one, exact), (1 - exact.double()).sqrt()),
        (add_noise(one, 0 * one, exact), exact.double().sqrt()),
        (clean_estimate(0 * one, -one, exact), (1 / exact.double() - 1).sqrt()),
        (noise_of_velocity(0 * one, one, exact), (1 - exact.double()).sqrt()),
        (classifier_guide(0 * one, -one, exact, 1.0), (1 - exact.double()).sqrt()),
    ):
        assert found.dtype == dtype
        assert (found[:, 0].double() / true - 1).abs().max() < 1.01 * unit + 1e-4  # alpha_bar itself is in float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_samplers_step_in_half_precision_is_the_exact_one_rounded(dtype):
    """From the same x and the same noise; a step is a sum of two products, so three roundings at most."""
    schedule = scaled_linear()
    x, eps = (noise(1000, 1, seed=seed).to(dtype) for seed in (0, 1))
    for times in ([20, 0], [400, 380], [999, 979]):
        found = next(ddim(lambda x_t, t: eps, schedule, x, times))
        exact = next(ddim(lambda x_t, t: eps.double(), schedule, x.double(), times))
        largest = torch.maximum(x.abs(), eps.abs()).double() / schedule.alpha_bar[times[0]].sqrt()
        assert found.dtype == dtype
        assert ((found.double() - exact).abs() / largest).max() < 1.5 * torch.finfo(dtype).eps


@pytest.mark.equation("3.8")
def test_guidance_in_both_conventions():
    text, none = noise(2, 4), noise(2, 4, seed=1)
    assert torch.equal(guide(text, none, 0.0), text)
    for s in (-1.0, 0.5, 6.0, 100.0):
        g = 1 + s
        torch.testing.assert_close(guide(text, none, s), none + g * (text - none))


@pytest.mark.equation("3.21")
def test_injected_gradient_is_exact():
    latents, gradient = noise(2, 4, 3, 3).requires_grad_(), noise(2, 4, 3, 3, seed=1)
    injected(latents, gradient).backward()
    torch.testing.assert_close(latents.grad, gradient / latents[0].numel())


@pytest.mark.equation("3.21")
@pytest.mark.parametrize("step", [100, 500, 900])
def test_score_gradient_is_that_of_the_kl_on_a_gaussian(step):
    """E[w (eps_phi - eps)] = w sqrt(1 - a) / sqrt(a) d/dx KL(q(z_t | x) || p_t), DreamFusion appendix A.4."""
    prior, count = GaussianPrior(), 4000
    x, t = torch.full((count, 1, 4, 4), -0.3, dtype=torch.float64), torch.full((count,), step)
    found = weighted(ask(sds, prior, x, t), prior.alpha_bar[t])

    a, point = prior.alpha_bar[step], torch.tensor(-0.3, dtype=torch.float64, requires_grad=True)
    q = torch.distributions.Normal(a.sqrt() * point, (1 - a).sqrt())
    p = torch.distributions.Normal(a.sqrt() * prior.mean, (a * prior.spread**2 + 1 - a).sqrt())
    torch.distributions.kl_divergence(q, p).backward()
    expected = (1 - a) * (1 - a).sqrt() / a.sqrt() * point.grad
    assert found.mean().item() == pytest.approx(expected.item(), rel=0.05, abs=2e-3)


@pytest.mark.equation("3.21")
@pytest.mark.parametrize("s", [-1.0, 0.0, 7.0])
def test_the_arrow_is_the_guided_error_of_the_noise_that_it_drew(s):
    prior, t = GaussianPrior(), torch.tensor([20, 500, 980])
    z = noise(3, 1, 4, 4)
    eps, a = drawn(z, seed=5), prior.alpha_bar[t].view(-1, 1, 1, 1)
    z_t = a.sqrt() * z + (1 - a).sqrt() * eps
    text, none = (-(1 - a).sqrt() * gaussian_score(prior, z_t, t, with_text) for with_text in (True, False))
    torch.testing.assert_close(ask(sds, prior, z, t, s, seed=5), none + (1 + s) * (text - none) - eps)


@pytest.mark.equation("3.21")
def test_there_is_no_gradient_where_the_noise_is_known():
    """If all data are one picture and the rendering is that picture, the prediction is the noise, whichever it is."""
    prior, x = GaussianPrior(mean=0.7, spread=0.0), torch.full((6, 1, 4, 4), 0.7, dtype=torch.float64)
    found = ask(sds, prior, x, torch.tensor([20, 100, 300, 500, 800, 980]))
    torch.testing.assert_close(found, torch.zeros_like(x))


@pytest.mark.equation("3.21")
def test_subtracting_the_noise_keeps_the_mean_and_lowers_the_variance():
    prior, count = GaussianPrior(), 20_000
    x, t = torch.full((count, 1, 1, 1), 0.2).double(), torch.full((count,), 600)
    with_noise = ask(sds, prior, x, t, seed=3)
    without = with_noise + drawn(x, seed=3)
    assert with_noise.mean().item() == pytest.approx(without.mean().item(), abs=0.02)
    assert with_noise.var() < 0.5 * without.var()


@pytest.mark.equation("3.21")
def test_the_classifiers_arrow_is_the_slope_of_the_text_given_the_picture():
    """-sqrt(1 - a) grad log p(y | z_t), and what guidance multiplies in the other arrow."""
    prior, t, z = GaussianPrior(), torch.tensor([20, 500, 980]), noise(3, 1, 4, 4)
    a = prior.alpha_bar[t].view(-1, 1, 1, 1)
    z_t = a.sqrt() * z + (1 - a).sqrt() * drawn(z, seed=2)
    slope = gaussian_score(prior, z_t, t, True) - gaussian_score(prior, z_t, t, False)  # of log p(y | z_t), by Bayes
    found = ask(csd, prior, z, t, s=50.0, seed=2)
    torch.testing.assert_close(found, -(1 - a).sqrt() * slope)
    torch.testing.assert_close(ask(sds, prior, z, t, 4.0, 2) - ask(sds, prior, z, t, 1.0, 2), 3 * found)


@pytest.mark.equation("3.21")
def test_inversion_follows_the_known_flow_of_a_gaussian():
    """DDIM without noise keeps quantiles, z_t = sqrt(a) m + sqrt(a v + 1 - a) (z - m) / sqrt(v), to first order."""
    prior, t, z = GaussianPrior(), torch.tensor([100, 500, 980]), noise(3, 1, 4, 4)
    a, m, v = prior.alpha_bar[t].view(-1, 1, 1, 1), prior.mean, prior.spread**2
    exact = a.sqrt() * m + (a * v + 1 - a).sqrt() * (z - m) / v**0.5
    words = Words(torch.ones(3, 1, 1).double(), torch.zeros(3, 1, 1).double())
    errors = [(invert(prior, z, t, words, 0.0, steps) - exact).abs().mean().item() for steps in (20, 40, 80)]
    assert errors[0] < 0.2 and errors[1] == pytest.approx(errors[0] / 2, rel=0.3)
    assert errors[2] == pytest.approx(errors[1] / 2, rel=0.3)

    schedule, far = scaled_linear(), torch.full((3,), 980)
    z_t = invert(prior, z, far, words, 0.0, 980)
    *_, back = ddim(lambda x, at: prior.eps(x, at, words.text), schedule, z_t, [*range(980, -1, -1)])
    torch.testing.assert_close(back, z, atol=0.01, rtol=0.01)


@pytest.mark.equation("3.21")
def test_the_arrow_by_inversion_subtracts_the_noise_that_was_found():
    prior, t, z = GaussianPrior(), torch.tensor([100, 500, 980]), noise(3, 1, 4, 4)
    a, now = prior.alpha_bar[t].view(-1, 1, 1, 1), torch.zeros(3, dtype=torch.long)

    def guided(x, t, s):
        a = prior.alpha_bar[t].view(-1, 1, 1, 1)
        text, none = (-(1 - a).sqrt() * gaussian_score(prior, x, t, w) for w in (True, False))
        return none + (1 + s) * (text - none)

    kappa = guided(z, now, -3.0)  # one step: the noise that is seen in z itself
    z_t = a.sqrt() * z + (1 - a).sqrt() * kappa
    expected = guided(z_t, t, 6.0) - kappa
    found = ask(sdi, prior, z, t, 6.0, steps=1, invert_s=-3.0)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found, ask(sdi, prior, z, t, 6.0, seed=9, steps=1, invert_s=-3.0))  # nothing is drawn
    each = [ask(sdi, prior, z[i : i + 1], t[i : i + 1], 6.0) for i in range(3)]
    torch.testing.assert_close(ask(sdi, prior, z, t, 6.0), torch.cat(each))


class Line(torch.nn.Module):
    """A student with one number for each of two kinds of states."""

    def __init__(self):
        super().__init__()
        self.share = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x_t, t, states):
        return x_t * self.share[states[:, 0, 0].long()].view(-1, 1, 1, 1)


@pytest.mark.equation("3.21")
def test_the_variational_arrow_subtracts_what_the_student_says():
    prior, t, z = GaussianPrior(), torch.tensor([20, 500, 980]), noise(3, 1, 4, 4)

    class Same(Line):  # knows what the prior knows
        def forward(self, x_t, t, states):
            return prior.eps(x_t, t, states) + 0 * self.share[0]

    class Point(Line):  # knows this z alone, so it names the noise
        def forward(self, x_t, t, states):
            a = prior.alpha_bar[t].view(-1, 1, 1, 1)
            return (x_t - a.sqrt() * z) / (1 - a).sqrt() + 0 * self.share[0]

    torch.testing.assert_close(ask(VSD(Same()), prior, z, t), torch.zeros_like(z))
    torch.testing.assert_close(ask(VSD(Same()), prior, z, t, 4.0, 1), 4 * ask(csd, prior, z, t, seed=1))
    torch.testing.assert_close(ask(VSD(Point()), prior, z, t, 4.0, 1), ask(sds, prior, z, t, 4.0, 1))


@pytest.mark.equation("3.21")
def test_the_student_learns_the_noise_in_the_views_as_they_are():
    """At one time and for views of variance v the best share of z_t is sqrt(1 - a) / (a v + 1 - a)."""
    prior, arrow, time = GaussianPrior(), None, 600
    arrow = VSD(Line(), rate=0.05, t_min=time, t_max=time)
    generator = torch.Generator().manual_seed(0)
    words = Words(torch.ones(256, 1, 1).double(), torch.zeros(256, 1, 1).double())
    first = arrow.learn(prior, noise(256, 1, 4, 4), words, generator)
    for seed in range(200):
        last = arrow.learn(prior, 0.3 * noise(256, 1, 4, 4, seed=seed), words, generator)
    a = prior.alpha_bar[time]
    best = (1 - a).sqrt() / (a * 0.09 + 1 - a)
    assert first == pytest.approx(1, abs=0.1) and last == pytest.approx((1 - (1 - a).sqrt() * best).item(), abs=0.02)
    assert arrow.student.share[1].item() == pytest.approx(best.item(), abs=0.02)
    assert arrow.student.share[0] == 0  # the empty text is not taught


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("arrow", [sds, csd, sdi])
def test_arrows_of_a_prior_in_half_precision_are_differences_in_single(arrow, dtype):
    class Half(GaussianPrior):
        def eps(self, x_t, t, states):
            assert x_t.dtype == dtype
            return super().eps(x_t.double(), t, states).to(dtype)

    t, z = torch.tensor([20, 500, 980]), noise(3, 1, 16, 16).to(dtype)
    found, exact = ask(arrow, Half(), z, t, s=100.0), ask(arrow, GaussianPrior(), z.double(), t, s=100.0)
    assert found.dtype == torch.float32 and weighted(found, GaussianPrior().alpha_bar[t]).dtype == torch.float32
    # the two predictions are rounded, at most 101 times that is left, and a little more by the inputs
    assert (found - exact).abs().max() < 120 * 2 * torch.finfo(dtype).eps * max(1, exact.abs().max() / 100)


@pytest.mark.equation("3.20")
def test_the_dropped_factor_is_the_networks_jacobian():
    """The gradient of (3.19) is 2 w (eps_phi - eps) J_phi sqrt(a); 3.21 leaves J_phi sqrt(a) and the 2 out."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    x, eps, a = noise(1, 3).requires_grad_(), noise(1, 3, seed=1), torch.tensor([0.4]).double()
    z = add_noise(x, eps, a)
    w = 1 - a
    (w * (net(z) - eps).square().sum()).backward()
    jacobian = torch.autograd.functional.jacobian(net, z.detach())[0, :, 0]  # (3, 3)
    product = 2 * w * ((net(z) - eps) @ jacobian) * a.sqrt()
    torch.testing.assert_close(x.grad, product.detach())
