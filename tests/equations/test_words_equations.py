"""Equations 5.2 to 5.4: the losses by which words learn, against closed forms, diffusers, and differences."""

from itertools import chain

import pytest
import torch
from diffusers import StableDiffusionPipeline

from dreamtext_lib.diffusion.forward import add_noise
from dreamtext_lib.distillation.prior import LatentPrior
from dreamtext_lib.words.losses import fit_loss, stay_loss, words_loss
from dreamtext_lib.words.recipe import WordsRecipe
from dreamtext_lib.words.sentence import Sentence
from dreamtext_lib.words.training import Words
from dreamtext_lib.zoo import MODELS

A, SPREAD, DRAWS = 0.3, 0.7, 200_000  # alpha_bar, the standard deviation of x, draws


@pytest.fixture(scope="module")
def words():
    """Words on the tiny model, moved away from where they began so that both losses are well above 0."""
    pipeline = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", use_safetensors=True, safety_checker=None)
    words = Words(torch.full((3, 64, 64), 0.6), Sentence("mug", ("red", "tall")), LatentPrior(pipeline), WordsRecipe())
    with torch.no_grad():
        words.rows.moved += torch.randn(words.rows.moved.shape, generator=torch.Generator().manual_seed(0)) / 5
    return words


@pytest.fixture(scope="module")
def draw(words):
    """Latents, times and noise of a batch of two."""
    generator = torch.Generator().manual_seed(1)
    z = words.prior.encode_image(torch.rand(2, 3, 64, 64, generator=generator))
    return z, torch.tensor([300, 800]), torch.randn(z.shape, generator=generator)


def gaussian(x_t, mean):
    """The exact noise in x_t for x ~ N(mean, SPREAD^2): the mean of eps given x_t."""
    return (1 - A) ** 0.5 * (x_t - A**0.5 * mean) / (A * SPREAD**2 + 1 - A)


def drawn():
    generator = torch.Generator().manual_seed(0)
    x = 0.4 + SPREAD * torch.randn(DRAWS, 1, generator=generator)
    eps = torch.randn(DRAWS, 1, generator=generator)
    return add_noise(x, eps, torch.full((DRAWS,), A)), eps


@pytest.mark.equation("5.2")
def test_fit_is_the_closed_form_of_a_gaussian_world_and_least_at_the_true_mean():
    x_t, eps = drawn()
    v = A * SPREAD**2 + 1 - A
    for mean in (0.4, -0.5, 1.5):  # what the words say the mean is; it is 0.4
        exact = A * (1 - A) / v**2 * ((mean - 0.4) ** 2 + SPREAD**2) + (A * SPREAD**2 / v) ** 2
        found, error = (
            fit_loss(gaussian(x_t, mean), eps).item(),
            (gaussian(x_t, mean) - eps).square().std() / DRAWS**0.5,
        )
        assert abs(found - exact) < 4 * error
    mean = torch.tensor(1.5, requires_grad=True)
    (slope,) = torch.autograd.grad(fit_loss(gaussian(x_t, mean), eps), mean)
    assert slope.item() == pytest.approx(2 * A * (1 - A) / v**2 * (1.5 - 0.4), rel=0.03)


@pytest.mark.equation("5.2")
@pytest.mark.equation("5.3")
def test_the_training_asks_what_diffusers_would(words, draw):
    """Both losses of the training, from diffusers' own noising and U-Net and a table with the rows put in."""
    z, t, eps = draw
    pipe, rows = words.prior.pipeline, words.rows
    x_t = pipe.scheduler.add_noise(z, eps, t)
    table = pipe.text_encoder.get_input_embeddings().weight
    kept = table.data.clone()
    with torch.no_grad():
        base = pipe.encode_prompt("an image of a mug", "cpu", 1, False)[0]
        table.data[rows.places] = rows.moved.data
        told = pipe.encode_prompt("an image of a red, tall mug", "cpu", 1, False)[0]
        table.data.copy_(kept)
        by_words, by_noun = (pipe.unet(x_t, t, s.expand(2, -1, -1)).sample for s in (told, base))
        fit, stay = words.losses(z, t, eps)
    assert fit.item() == pytest.approx(((by_words - eps) ** 2).mean().item(), rel=1e-4)
    assert stay.item() == pytest.approx(((by_words - by_noun) ** 2).mean().item(), rel=1e-4) and stay > 1e-4


@pytest.mark.equation("5.2")
def test_the_gradient_reaches_the_rows_alone_and_is_that_of_differences(words, draw):
    rows, prior = words.rows, words.prior
    fit, _ = words.losses(*draw)
    (slope,) = torch.autograd.grad(fit, rows.moved)
    assert (slope.abs().sum(1) > 0).all()
    others = chain(prior.unet.parameters(), prior.vae.parameters(), prior.text_encoder.parameters())
    assert not any(p.requires_grad for p in others)
    way = slope / slope.norm()
    with torch.no_grad():
        ends = []
        for step in (0.03, -0.03):
            rows.moved += step * way
            ends.append(words.losses(*draw)[0].item())
            rows.moved -= step * way
    assert (ends[0] - ends[1]) / 0.06 == pytest.approx(slope.norm().item(), rel=0.05)


@pytest.mark.equation("5.3")
def test_stay_is_zero_where_both_sentences_agree_and_the_anchor_is_a_constant():
    x_t, _ = drawn()
    own, other = (torch.tensor(m, requires_grad=True) for m in (1.5, 0.4))
    assert stay_loss(gaussian(x_t, own), gaussian(x_t, own.detach())) == 0
    loss = stay_loss(gaussian(x_t, own), gaussian(x_t, other))
    v = A * SPREAD**2 + 1 - A
    assert loss.item() == pytest.approx(A * (1 - A) / v**2 * 1.1**2, rel=1e-4)  # the two differ by a constant
    loss.backward()
    assert own.grad.item() == pytest.approx(2 * A * (1 - A) / v**2 * 1.1, rel=1e-4) and other.grad is None


@pytest.mark.equation("5.4")
def test_the_sum_draws_to_the_middle_of_the_true_noise_and_the_nouns():
    p, eps, anchor = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    fit, stay = fit_loss(p, eps), stay_loss(p, anchor)
    both = words_loss(fit, stay)
    assert both.item() == pytest.approx((((p - eps) ** 2).mean() + ((p - anchor) ** 2).mean()).item(), rel=1e-5)
    middle = 2 * (p - (eps + anchor) / 2).square().mean() + (eps - anchor).square().mean() / 2
    assert both.item() == pytest.approx(middle.item(), rel=1e-5)
    assert words_loss(fit, stay, fit_weight=0.5, stay_weight=3.0).item() == pytest.approx(
        0.5 * fit.item() + 3 * stay.item(), rel=1e-5
    )


@pytest.mark.equation("5.4")
def test_a_step_of_the_training_descends_the_weighted_sum(words):
    """The first step of Adam goes against the sign of the gradient of (5.4), with the recipe's weights."""
    seen, recipe = [], WordsRecipe(steps=1, batch=1, fit_weight=0.0, stay_weight=2.0, rate=1e-3)
    one = Words(words.picture, words.sentence, words.prior, recipe)
    with torch.no_grad():
        one.rows.moved.copy_(words.rows.moved)
    losses = one.losses
    one.losses = lambda *given: seen.append(given) or losses(*given)
    before = one.rows.moved.detach().clone()
    list(one.run())
    moved = one.rows.moved.detach() - before
    with torch.no_grad():
        one.rows.moved.copy_(before)
    (slope,) = torch.autograd.grad(2.0 * losses(*seen[0])[1], one.rows.moved)
    clear = slope.abs() > 1e-6
    assert clear.float().mean() > 0.5 and torch.equal(moved.sign()[clear], -slope.sign()[clear])
