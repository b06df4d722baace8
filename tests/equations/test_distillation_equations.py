"""Noise, clean estimate, guidance and the score-distillation gradient, each against an independent truth."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from dreamtext_lib.diffusion.forward import add_noise, clean_estimate, noise_of_velocity
from dreamtext_lib.diffusion.guidance import classifier_guide, guide
from dreamtext_lib.diffusion.samplers import ddim
from dreamtext_lib.diffusion.schedule import scaled_linear
from dreamtext_lib.distillation.score import injected, score_gradient
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
    x = torch.full((count, 1, 4, 4), -0.3, dtype=torch.float64)
    states, none = torch.ones(count, 1, 1).double(), torch.zeros(count, 1, 1).double()
    t = torch.full((count,), step)
    found = score_gradient(prior, x, states, none, t, noise(count, 1, 4, 4), guidance=0.0)

    a, point = prior.alpha_bar[step], torch.tensor(-0.3, dtype=torch.float64, requires_grad=True)
    q = torch.distributions.Normal(a.sqrt() * point, (1 - a).sqrt())
    p = torch.distributions.Normal(a.sqrt() * prior.mean, (a * prior.spread**2 + 1 - a).sqrt())
    torch.distributions.kl_divergence(q, p).backward()
    expected = (1 - a) * (1 - a).sqrt() / a.sqrt() * point.grad
    assert found.mean().item() == pytest.approx(expected.item(), rel=0.05, abs=2e-3)


@pytest.mark.equation("3.21")
def test_there_is_no_gradient_where_the_noise_is_known():
    """If all data are one picture and the rendering is that picture, the prediction is the noise, whichever it is."""
    prior, x = GaussianPrior(mean=0.7, spread=0.0), torch.full((6, 1, 4, 4), 0.7, dtype=torch.float64)
    states, t = torch.ones(6, 1, 1).double(), torch.tensor([20, 100, 300, 500, 800, 980])
    found = score_gradient(prior, x, states, 0 * states, t, noise(6, 1, 4, 4), guidance=0.0)
    torch.testing.assert_close(found, torch.zeros_like(x))


@pytest.mark.equation("3.21")
def test_subtracting_the_noise_keeps_the_mean_and_lowers_the_variance():
    prior, count = GaussianPrior(), 20_000
    x, t = torch.full((count, 1, 1, 1), 0.2).double(), torch.full((count,), 600)
    states, eps = torch.ones(count, 1, 1).double(), noise(count, 1, 1, 1)
    with_noise = score_gradient(prior, x, states, 0 * states, t, eps, 0.0)
    without = with_noise + (1 - prior.alpha_bar[600]) * eps
    assert with_noise.mean().item() == pytest.approx(without.mean().item(), abs=0.02)
    assert with_noise.var() < 0.5 * without.var()


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


def test_values_that_are_not_finite_become_zero():
    class Broken(GaussianPrior):
        def eps(self, x_t, t, states):
            out = super().eps(x_t, t, states)
            out[:, :, 0, 0] = torch.nan
            return out

    x = torch.zeros(1, 1, 2, 2).double()
    one = torch.ones(1, 1, 1).double()
    found = score_gradient(Broken(), x, one, 0 * one, torch.tensor([500]), noise(1, 1, 2, 2), 5.0)
    assert found[0, 0, 0, 0] == 0 and found.isfinite().all() and found.abs().sum() > 0
