"""The U-Net, its learned variance and its bits per dimension: against diffusers, brute force and closed forms."""

import json
import math

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from safetensors.torch import load_file

from dreamtext_lib.diffusion import bound, learned_variance, likelihood
from dreamtext_lib.diffusion.forward import add_noise, clean_estimate
from dreamtext_lib.diffusion.mixture import Mixture
from dreamtext_lib.diffusion.posterior import model_step
from dreamtext_lib.diffusion.samplers import ddim, even_times
from dreamtext_lib.diffusion.schedule import cosine, linear
from dreamtext_lib.diffusion.unet import SelfAttention, UNet, time_embedding
from dreamtext_lib.zoo import MODELS, train_pixels
from dreamtext_lib.zoo.training import train

F64 = torch.float64


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def small(out_channels=3, tile=2):
    torch.manual_seed(0)
    model = UNet([8, 16], out_channels, tile)
    for p in model.parameters():  # away from the zeros it begins with
        torch.nn.init.normal_(p, std=0.2)
    return model


@pytest.mark.parametrize("width", [8, 32, 128])
def test_the_time_embedding_is_diffusers_own(width):
    t = torch.tensor([0, 1, 37, 999])
    torch.testing.assert_close(time_embedding(t, width), get_timestep_embedding(t, width), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("tile", "side"), [(1, 8), (2, 16), (4, 16)])
@pytest.mark.parametrize("out", [3, 6])
def test_shapes(tile, side, out):
    assert small(out, tile)(draw(2, 3, side, side), torch.tensor([0, 9])).shape == (2, out, side, side)


def test_a_fresh_network_says_that_all_of_it_is_noise():
    x = draw(2, 3, 16, 16)
    assert torch.equal(UNet([8, 16])(x, torch.tensor([0, 9])), x)
    out = UNet([8, 16], out_channels=6)(x, torch.tensor([0, 9]))
    assert torch.equal(out[:, :3], x) and not out[:, 3:].any()


def test_every_pixel_and_the_time_reach_every_pixel():
    """At the coarsest level attention joins all places; without it a corner would not know of the other."""
    model, x = small(), draw(1, 3, 32, 32).requires_grad_()
    t = torch.tensor([500])
    out = model(x, t)
    (slope,) = torch.autograd.grad(out[0, :, 0, 0].sum(), x)
    assert (slope != 0).all()
    assert (model(x, t + 100) != out).all()


def test_no_picture_of_a_batch_sees_another():
    model, x, t = small(), draw(3, 3, 16, 16), torch.tensor([3, 500, 999])
    together = model(x, t)
    for i in range(3):
        torch.testing.assert_close(model(x[i : i + 1], t[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-4)


def test_self_attention_does_not_know_where_a_pixel_stands():
    torch.manual_seed(0)
    layer, x = SelfAttention(16), draw(1, 16, 4, 4)
    order = torch.randperm(16)
    shuffled = x.flatten(2)[..., order].reshape(x.shape)
    expected = layer(x).flatten(2)[..., order].reshape(x.shape)
    torch.testing.assert_close(layer(shuffled), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "squaredcos_cap_v2"])
def test_the_learned_variance_is_diffusers_own(name):
    own = DDPMScheduler(beta_schedule=name, variance_type="learned_range")
    schedule = linear() if name == "linear" else cosine()
    v = draw(1, 3, 2, 2).clamp(-1, 1)
    for t in (1, 2, 50, 500, 999):
        theirs = own._get_variance(t, predicted_variance=v)  # a logarithm
        ours = learned_variance.log_variance(schedule, v, torch.tensor([t]))
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)
    ends = [learned_variance.log_variance(schedule, torch.tensor([[s]]), torch.tensor([70])).exp() for s in (-1.0, 1.0)]
    assert ends[0].item() == pytest.approx(schedule.beta_tilde[70].item(), rel=1e-5)
    assert ends[1].item() == pytest.approx(schedule.beta[70].item(), rel=1e-5)
    first = learned_variance.log_variance(schedule, torch.tensor([[-1.0]]), torch.tensor([0]))
    assert first.exp().item() == pytest.approx(schedule.beta_tilde[1].item(), rel=1e-5)


def test_the_hybrid_loss_keeps_the_two_teachers_apart():
    model, schedule = small(6), linear()
    x_0, eps, t = draw(4, 3, 16, 16).clamp(-1, 1), draw(4, 3, 16, 16, seed=1), torch.tensor([0, 1, 400, 999])
    simple, vlb = learned_variance.hybrid_loss(model, schedule, x_0, eps, t)
    assert simple.shape == vlb.shape == (4,) and simple.isfinite().all() and vlb.isfinite().all()
    last = model.out[-1]
    (slope,) = torch.autograd.grad(vlb.sum(), last.bias, retain_graph=True)
    assert not slope[:12].any() and slope[12:].all()  # 3 channels of 2 x 2 tiles each: noise first, then v
    (slope,) = torch.autograd.grad(simple.sum(), last.bias)
    assert slope[:12].all() and not slope[12:].any()


def test_the_hybrid_loss_is_made_of_the_bounds_terms():
    schedule, x_0, eps = linear(), draw(2, 3, 4, 4).clamp(-1, 1), draw(2, 3, 4, 4, seed=1)
    t = torch.tensor([0, 300])
    out = torch.cat([0.9 * eps, torch.full_like(eps, -1.0)], 1)  # v = -1: beta_tilde
    simple, vlb = learned_variance.hybrid_loss(lambda x, t: out, schedule, x_0, eps, t)
    torch.testing.assert_close(simple, (0.01 * eps**2).mean((1, 2, 3)))
    x_t = add_noise(x_0, eps, schedule.alpha_bar[t])
    mean, variance = model_step(schedule, x_t, 0.9 * eps, t)
    kl = bound.step_term(schedule, x_0, x_t, t, mean, variance)[1] / 48
    nll = -bound.discretised_log_likelihood(x_0[:1], mean[:1], schedule.beta_tilde[1].float()).sum() / 48
    torch.testing.assert_close(vlb, torch.stack([nll, kl]), rtol=1e-3, atol=1e-5)


def test_the_steps_of_the_learned_chain_have_the_learned_variance():
    schedule = linear(4, 0.1, 0.4)
    out = lambda x, t: torch.cat([0 * x, torch.full_like(x, 0.4)], 1)  # noqa: E731
    start = torch.zeros(1, 3, 200, 200)
    x = next(learned_variance.ddpm_learned(out, schedule, start, torch.Generator().manual_seed(0)))
    expected = schedule.beta[3] ** 0.7 * schedule.beta_tilde[3] ** 0.3
    assert x.var().item() == pytest.approx(expected.item(), rel=0.02)
    *_, last = learned_variance.ddpm_learned(out, schedule, start, torch.Generator().manual_seed(0))
    assert last.isfinite().all()


@pytest.mark.parametrize(("total", "count"), [(1000, 40), (50, 12), (10, 3)])
def test_strata_cover_the_times_once(total, count):
    strata = likelihood.time_strata(total, count)
    assert [t for low, high in strata for t in range(low, high + 1)] == list(range(1, total))
    assert len(strata) <= count


def test_bits_are_the_bound_summed_over_all_times():
    """On 1-D pictures of a mixture with the exact eps: against the sum over every t, many noises each."""
    world = Mixture(*(torch.tensor(v, dtype=F64) for v in ([0.3, 0.7], [[-0.6], [0.4]], [0.01, 0.02])))
    schedule = linear(60, 1e-4, 0.3)
    reverse = lambda x, t: model_step(  # noqa: E731
        schedule, x, torch.cat([world.eps(r[None], schedule.alpha_bar[s]) for r, s in zip(x, t)]), t
    )
    one = torch.tensor([[round((0.35 + 1) * 127.5) / 127.5 - 1]], dtype=F64)
    x_0 = one.expand(1000, 1)

    def floor(mean_variance):  # the variance at t = 0 is 0; any other will do for both
        mean, variance = mean_variance
        return mean, variance.clamp(min=1e-4)

    found = likelihood.bits(lambda x, t: floor(reverse(x, t)), schedule, x_0, torch.Generator().manual_seed(0), count=8)
    total, g = [], torch.Generator().manual_seed(1)
    for t in range(60):
        eps = torch.randn(1000, 1, generator=g, dtype=F64)
        times = torch.full((1000,), t)
        x_t = add_noise(x_0, eps, schedule.alpha_bar[times])
        mean, variance = floor(reverse(x_t, times))
        if t:
            total.append(bound.step_term(schedule, x_0, x_t, times, mean, variance).mean())
        else:
            first = -bound.discretised_log_likelihood(x_0, mean, variance).mean().item() / math.log(2)
    spread = found.steps.std().item() / 1000**0.5
    assert abs(found.steps.mean().item() - sum(total).item() / math.log(2)) < 4 * spread + 0.02
    assert found.first.mean().item() == pytest.approx(first, abs=0.1)
    assert found.last[0].item() == pytest.approx(bound.prior_term(schedule, one).item() / math.log(2))
    assert torch.equal(found.total, found.last + found.steps + found.first)


def test_pictures_are_shrunk_to_the_mean_of_four():
    images = torch.arange(2 * 64 * 64 * 3, dtype=torch.int64).reshape(2, 64, 64, 3).remainder(251).byte()
    small = train_pixels.pool(images)
    assert small.shape == (2, 3, 32, 32) and small.dtype == torch.uint8
    four = images[1, 10:12, 20:22, 2].float().mean()
    assert small[1, 2, 5, 10] == int(four + 0.5)
    x = train_pixels.pixels(torch.tensor([0, 255], dtype=torch.uint8))
    assert x.tolist() == [-1, 1]


def test_renders_are_plain_toys_and_the_same_each_time():
    a, b = train_pixels.renders(20, seed=3), train_pixels.renders(20, seed=3)
    assert a.shape == (20, 3, 32, 32) and torch.equal(a, b) and not torch.equal(a, train_pixels.renders(20, seed=4))
    one, other = (train_pixels.renders(16, seed=3, classes=(name,)) for name in ("mug", "bird"))
    assert torch.equal(one, a[:16]) and not torch.equal(one, other)  # a batch of 16 is of one class


def test_the_weights_of_the_loss_count_noise_and_clean_estimate():
    alpha_bar = torch.tensor([0.999, 0.8, 0.5, 0.1, 1e-4])
    weight = train_pixels.loss_weight(alpha_bar)
    assert weight.mean().item() == pytest.approx(1)
    eps, other, x_0 = draw(1, 3), draw(1, 3, seed=1), draw(1, 3, seed=2)
    for i in (2, 3):  # where neither limit is met, against 0.5's
        a = alpha_bar[i : i + 1]
        x_t = add_noise(x_0, eps, a)
        both = (eps - other).square().sum() + (x_0 - clean_estimate(x_t, other, a)).square().sum()
        ratio = both / (eps - other).square().sum()
        assert (weight[i] / weight[2]).item() == pytest.approx(ratio.item() / 2, rel=1e-4)
    assert (weight[4] / weight[2]).item() == pytest.approx(15)
    assert (weight[0] / weight[2]).item() == pytest.approx((1 + 1 / 999) * 5 / 999 / 2, rel=1e-3)


def test_training_resumes_and_exports(tmp_path):
    pictures = (draw(20, 3, 32, 32) * 50 + 128).clamp(0, 255).byte()

    def stage():
        torch.manual_seed(0)
        return train_pixels.stage(UNet(**train_pixels.CONFIG), pictures, batch=2)

    losses = [r["loss"] for r in train(stage(), 4, tmp_path / "whole")]
    first = train(stage(), 4, tmp_path / "parts", every=2)
    assert [next(first)["loss"] for _ in range(2)] == losses[:2]
    next(first)
    assert [r["loss"] for r in train(stage(), 4, tmp_path / "parts")] == losses[2:]
    train_pixels.export(tmp_path / "whole" / "checkpoint.safetensors", tmp_path / "out")
    model = train_pixels.load(tmp_path / "out")
    assert model(draw(1, 3, 32, 32), torch.tensor([5])).isfinite().all()
    assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_the_shipped_pixel_model_draws_what_it_learned():
    """Its noise prediction on held-out renders, and that 20 DDIM steps from noise give light walls with something."""
    folder = MODELS / "pixels"
    assert (folder / "model.safetensors").stat().st_size < 4e6
    assert {w.dtype for w in load_file(folder / "model.safetensors").values()} == {torch.float16}
    assert json.loads((folder / "config.json").read_text(encoding="utf-8")) == train_pixels.CONFIG
    model, schedule = train_pixels.load(), linear()
    x_0 = train_pixels.pixels(train_pixels.renders(56, seed=9_000_001))
    eps = draw(*x_0.shape, seed=2)
    for t, most in ((100, 0.12), (400, 0.03), (800, 0.01)):
        times = torch.full((56,), t)
        error = (model(add_noise(x_0, eps, schedule.alpha_bar[times]), times) - eps).square().mean()
        assert error.item() < most, t
    *_, x = ddim(model, schedule, draw(8, 3, 32, 32, seed=3), even_times(1000, 20), clip=(-1, 1))
    walls = x[:, :, :2].mean((1, 2, 3))  # the upper rows
    assert (walls > 0.2).float().mean() > 0.8 and (x.std((1, 2, 3)) > 0.1).float().mean() > 0.8
