"""The prior, the prompts and the dream: bit for bit by seed, across a resume, on any device."""

import pytest
import torch

from dreamtext_lib.diffusion.guidance import guide
from dreamtext_lib.distillation.dream import Dream, entropy, read_run
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.distillation.prompts import view_states
from dreamtext_lib.distillation.recipe import Recipe
from dreamtext_lib.radiance.cameras import turntable

SHORT = Recipe(steps=6, size=16, samples=16, occupancy=16, late=0.5, albedo_until=0.3, albedo=0.2, textureless=0.4)


def parameters(dream):
    return torch.cat([p.detach().flatten() for p in dream.field.parameters()])


def test_a_seed_fixes_a_dream_bit_for_bit_and_across_a_resume(prior, tmp_path):
    whole = Dream("a red mug", prior, SHORT, seed=3, model="tiny")
    records = [r._replace(seconds=None) for r in whole.run()]
    again = Dream("a red mug", prior, SHORT, seed=3)
    assert [r._replace(seconds=None) for r in again.run()] == records
    assert torch.equal(parameters(whole), parameters(again))

    half = Dream("a red mug", prior, SHORT, seed=3, model="tiny")
    for _ in range(3):
        half.advance()
    half.save(tmp_path)
    prompt, seed, recipe, model = read_run(tmp_path)
    assert (prompt, seed, recipe, model) == ("a red mug", 3, SHORT, "tiny")
    resumed = Dream(prompt, prior, recipe, seed, model)
    resumed.load(tmp_path)
    assert [r._replace(seconds=None) for r in resumed.run()] == records[3:]
    assert torch.equal(parameters(whole), parameters(resumed))

    other = Dream("a red mug", prior, SHORT, seed=4)
    other.advance()
    assert not torch.equal(parameters(other), parameters(whole))


def test_a_step_moves_the_field_along_the_score(prior):
    """The gradient that reaches the latents is the score's own, so a view moves towards what the prior suggests."""
    dream = Dream("a red mug", prior, SHORT.with_fields(steps=40, opacity=0.0, entropy=0.0, guidance=3.0), seed=0)
    before = dream.views(turntable(4), 32)
    records = list(dream.run())
    after = dream.views(turntable(4), 32)
    assert (after - before).abs().mean() > 0.01
    assert {r.shading for r in records} == {"albedo", "textureless", "lambertian"}
    assert all(0 < r.opacity < 1 and r.loss > 0 for r in records)
    assert len({r.view for r in records}) >= 3


def test_a_fresh_field_is_a_grey_ball_in_the_middle(prior):
    picture = Dream("a red mug", prior, SHORT).views(turntable(1), 64)[0]
    ball = (picture - 0.9).abs().amax(-1) > 0.1
    assert ball[32, 32] and not ball[:4].any() and not ball[:, :4].any()
    assert 0.02 < ball.float().mean() < 0.3


def test_view_words_reach_the_prompt(prior):
    states = view_states(prior, "  a red mug ")
    assert set(states) == {"front", "side", "back", "overhead", ""}
    torch.testing.assert_close(states["back"], prior.encode_text(["a red mug, back view"]))
    assert not torch.allclose(states["back"], states["front"])


@pytest.mark.parametrize(("prompt", "words"), [("", "empty"), (" \n", "empty"), ("a red mug " * 20, "tokens long")])
def test_prompts_that_cannot_be_used(prior, prompt, words):
    with pytest.raises(ValueError, match=words):
        view_states(prior, prompt)


def test_encoding_is_differentiable_and_close_to_invertible(prior):
    from dreamtext_lib.toybox.objects import ToyObject
    from dreamtext_lib.toybox.render import render

    picture = render([ToyObject("mug")], turntable(1)).rgb.permute(0, 3, 1, 2).requires_grad_()
    latents = prior.encode_image(picture)
    assert latents.shape == (1, 4, 16, 16)
    latents.square().sum().backward()
    assert picture.grad.isfinite().all() and picture.grad.abs().sum() > 0
    assert (prior.decode(latents.detach()) - picture).abs().mean() < 0.03
    assert prior.encode_image(torch.rand(1, 3, 32, 32)).shape == (1, 4, 16, 16)  # another size is resized


def test_our_guidance_gives_the_pipelines_own_picture(prior):
    """DDIM with (3.8) written out and s = g - 1 draws what diffusers' pipeline draws with guidance_scale g."""
    pipe, text = prior.pipeline, "a red mug, front view"
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = pipe(text, guidance_scale=4.0, num_inference_steps=4, latents=z.clone(), output_type="latent").images
        states, none = prior.encode_text([text, ""]).split(1)
        pipe.scheduler.set_timesteps(4)
        for t in pipe.scheduler.timesteps:
            e = guide(prior.eps(z, t, states), prior.eps(z, t, none), 3.0)
            z = pipe.scheduler.step(e, t, z).prev_sample
    torch.testing.assert_close(z, own, atol=1e-4, rtol=1e-4)


def test_entropy_is_least_where_a_ray_is_decided():
    e = entropy(torch.tensor([0.01, 0.5, 0.99]))
    assert e[1] == pytest.approx(0.6931, abs=1e-4) and e[0] < 0.1 and e[2] < 0.1


def test_models_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="no model 'nobody/nothing'"):
        load_prior("nobody/nothing")
    with pytest.raises(ValueError, match="holds no diffusers pipeline"):
        load_prior(str(tmp_path))
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(ValueError, match="model"):
        load_prior(str(tmp_path))


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        read_run(tmp_path)


def test_half_precision_on_the_cpu_gives_the_same_score():
    from dreamtext_lib.distillation.score import score_gradient
    from dreamtext_lib.zoo import MODELS

    found = []
    for dtype in (torch.float32, torch.bfloat16):
        p = load_prior(str(MODELS / "tiny"), dtype=dtype)
        text, none = p.encode_text(["a red mug, front view", ""]).split(1)
        g = torch.Generator().manual_seed(0)
        z, eps = (torch.randn(1, 4, 16, 16, generator=g).to(dtype) for _ in range(2))
        found.append(score_gradient(p, z, text, none, torch.tensor([500]), eps, 3.0).float())
    assert torch.nn.functional.cosine_similarity(*(f.flatten() for f in found), dim=0) > 0.98


def test_the_full_profile_fits_together_on_the_meta_device():
    from benchmarks.full import random_prior

    prior = random_prior("meta", torch.float16)
    count = sum(p.numel() for part in (prior.unet, prior.vae, prior.text_encoder) for p in part.parameters())
    assert 1.28e9 < count < 1.30e9 and prior.pixels == 512 and prior.tokenizer.model_max_length == 77
    latents = prior.encode_image(torch.empty(1, 3, 256, 256, device="meta"))
    states = prior.text_encoder(input_ids=torch.empty(1, 77, dtype=torch.long, device="meta")).last_hidden_state
    assert (latents.shape, states.shape, latents.dtype) == ((1, 4, 64, 64), (1, 77, 1024), torch.float16)
    t = torch.empty(2, dtype=torch.long, device="meta")
    assert prior.eps(torch.cat([latents] * 2), t, torch.cat([states] * 2)).shape == (2, 4, 64, 64)
