"""The dream: bit for bit by seed, across a resume, on any device, with any arrow; and what it does with nan."""

import pytest
import torch

from dreamtext_lib.diffusion.guidance import guide
from dreamtext_lib.distillation import dream as dream_module
from dreamtext_lib.distillation import ending
from dreamtext_lib.distillation.dream import Dream, distil, read_run
from dreamtext_lib.distillation.gradients import VSD, Words, sds
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.distillation.prompts import view_states
from dreamtext_lib.distillation.recipe import RECIPES, Recipe
from dreamtext_lib.distillation.score import weighted
from dreamtext_lib.drive import drive
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.zoo import MODELS

SHORT = Recipe().with_fields(
    steps=6,
    size=16,
    samples=16,
    voxels=16,
    renew_every=4,
    late_from=0.5,
    albedo_until=0.3,
    albedo_share=0.2,
    textureless_share=0.4,
)


def parameters(dream):
    return torch.cat([p.detach().flatten() for p in dream.volume.field.parameters()])


def untimed(records):
    return [r._replace(seconds=None) for r in records]


def pictures(dream, count=4, size=32):
    cameras = turntable(count)
    return dream.volume.pictures(cameras, size)


def test_a_seed_fixes_a_dream_bit_for_bit_and_across_a_resume(prior, tmp_path):
    whole = Dream("a red mug", prior, SHORT, seed=3, model="tiny")
    records = untimed(whole.run())
    again = Dream("a red mug", prior, SHORT, seed=3)
    assert untimed(again.run()) == records and [r.step for r in records] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(parameters(whole), parameters(again))

    half = Dream("a red mug", prior, SHORT, seed=3, model="tiny")
    walk = half.run()
    for _ in range(3):
        next(walk)
    half.save(tmp_path)
    prompt, seed, recipe, model, _ = read_run(tmp_path)
    assert (prompt, seed, recipe, model) == ("a red mug", 3, SHORT, "tiny")
    resumed = Dream(prompt, prior, recipe, seed, model)
    resumed.load(tmp_path)
    assert untimed(resumed.run()) == records[3:]
    assert torch.equal(parameters(whole), parameters(resumed))
    assert torch.equal(whole.volume.occupancy.mask, resumed.volume.occupancy.mask)

    other = Dream("a red mug", prior, SHORT, seed=4)
    next(other.run())
    assert not torch.equal(parameters(other), parameters(whole))


@pytest.mark.parametrize("arrow", ["csd", "sdi", "vsd"])
def test_every_arrow_goes_through_the_same_loop_and_across_a_resume(prior, tmp_path, arrow):
    recipe = SHORT.with_fields(steps=3, arrow=arrow, inversion_steps=2, albedo_share=1.0, textureless_share=0.0)
    whole = Dream("a red mug", prior, recipe, seed=3)
    records = untimed(whole.run())
    assert len(records) == 3 and not any(r.nonfinite for r in records) and parameters(whole).isfinite().all()

    plain = Dream("a red mug", prior, recipe.with_fields(arrow="sds"), seed=3)
    assert untimed(plain.run()) != records and not torch.equal(parameters(plain), parameters(whole))

    half = Dream("a red mug", prior, recipe, seed=3)
    next(half.run())
    half.save(tmp_path)
    resumed = Dream("a red mug", prior, recipe, seed=3)
    resumed.load(tmp_path)
    assert untimed(resumed.run()) == records[1:]
    assert torch.equal(parameters(whole), parameters(resumed))


def test_a_step_goes_against_the_arrow_and_takes_nothing_else(prior):
    """With an arrow that is known, the field's gradient is that of w(t) (arrow . z) / (c h w) alone."""
    recipe = SHORT.with_fields(opacity_weight=0.0, entropy_weight=0.0, manifold_weight=0.0, batch=2)
    seen = {}

    def arrow(prior, z, t, words, s, generator):
        assert not z.requires_grad and words.text.shape == words.none.shape == (2, *words.text.shape[1:])
        assert len(words.cameras.azimuth) == 2 and s == recipe.score.guidance
        seen.update(z=z, t=t)
        return torch.ones_like(z)

    dream = Dream("a red mug", prior, recipe, seed=3)
    walk = distil(dream.volume, prior, dream.states, recipe, 3, dream.optimiser, arrow=arrow)
    latents, encode = [], prior.encode_image
    prior.encode_image = lambda rgb: latents.append(encode(rgb)) or latents[-1]
    try:
        record = next(walk)
    finally:
        del prior.encode_image
    found = [p.grad.clone() for p in dream.volume.field.parameters()]
    again = Dream("a red mug", prior, recipe, seed=3)
    view = dream_module.look(again.volume, recipe, 0.0, lambda purpose: dream_module.stream(3, 0, purpose))
    z = prior.encode_image(view.rgb)
    torch.testing.assert_close(z, latents[0])
    w = (1 - prior.alpha_bar[seen["t"]]).view(-1, 1, 1, 1)
    (w * z).flatten(1).mean(1).mean().backward()
    for a, p in zip(found, again.volume.field.parameters()):
        torch.testing.assert_close(a, p.grad, rtol=1e-3, atol=1e-9)
    assert record.loss == pytest.approx(w.mean().item(), rel=1e-5)


@pytest.fixture(scope="module")
def half():
    return load_prior(str(MODELS / "tiny"), dtype=torch.float16)


def test_small_slopes_go_through_an_encoder_in_half_precision(prior, half):
    """At an early time a mean over the entries of a latent leaves slopes that half precision would take for 0."""
    weights = {"opacity_weight": 0.0, "entropy_weight": 0.0}
    recipe = SHORT.with_fields(steps=1, t_min=20, t_max=20, t_max_late=20, albedo_until=1.0, **weights)
    found = []
    for p in (prior, half):
        dream = Dream("a mug", p, recipe)
        dream.arrow = lambda prior, z, *_: torch.full(z.shape, 1e-2)
        assert next(dream.run()).nonfinite == 0
        found.append(torch.cat([p.grad.flatten() for p in dream.volume.field.parameters()]))
    assert found[1].norm() == pytest.approx(found[0].norm().item(), rel=0.02)
    assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.999


def test_a_dream_in_latents_asks_a_prior_in_half_precision(half, monkeypatch):
    monkeypatch.setattr(ending, "palette", lambda prior: torch.zeros(5, 3))  # of 27 pictures, which are not asked here
    recipe = RECIPES["toy"]["latent"].with_fields(steps=1, lattice=8, samples=8)
    dream = Dream("a mug", half, recipe)
    before = dream.volume.field.lattice.detach().clone()
    assert next(dream.run()).nonfinite == 0 and not torch.equal(dream.volume.field.lattice, before)


def test_a_student_learns_from_latents_in_half_precision_in_single(prior):
    class Seen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.share, self.asked = torch.nn.Parameter(torch.zeros(())), []

        def forward(self, x_t, t, states):
            self.asked.append(x_t.dtype)
            return self.share * x_t

    student = Seen()
    VSD(student).learn(prior, torch.zeros(1, 4, 16, 16).half(), Words(None, None), torch.Generator())
    assert student.asked == [torch.float32] and student.share.grad.dtype == torch.float32


def test_a_step_moves_the_field_along_the_score(prior):
    recipe = SHORT.with_fields(steps=60, opacity_weight=0.0, entropy_weight=0.0, guidance=3.0)
    dream = Dream("a red mug", prior, recipe, seed=0)
    before = pictures(dream)
    records = list(dream.run())
    assert (pictures(dream) - before).abs().mean() > 0.01
    assert {r.shading for r in records} == {"albedo", "textureless", "lambertian"}
    assert all(0 < r.opacity < 1 and r.loss > 0 and r.nonfinite == 0 for r in records)
    assert len({r.view for r in records}) >= 3 and all(len(r.seconds) == 4 for r in records)


def test_the_time_range_and_the_rates_follow_the_run(prior):
    recipe = SHORT.with_fields(steps=20, size=8, samples=4, t_min=100, t_max=900, t_max_late=150, rate_end=0.01)
    dream, rates, times = Dream("a red mug", prior, recipe), [], []
    for record in dream.run():
        times.append(record.t)
        rates.append(dream.optimiser.param_groups[0]["lr"])
    assert max(times[:10]) > 150 and max(times[10:]) <= 150 and min(times) >= 100
    assert rates[-1] == pytest.approx(0.01 * recipe.descent.rate_grid)


class Broken:
    """A prior that answers nan from a step on."""

    def __init__(self, prior, last_good):
        self.prior, self.left = prior, last_good

    def __getattr__(self, name):
        return getattr(self.prior, name)

    def eps(self, x_t, t, states):
        out = self.prior.eps(x_t, t, states)
        self.left -= 1
        return out if self.left >= 0 else out * torch.nan


def test_nan_from_the_prior_is_counted_and_moves_nothing(prior):
    recipe = SHORT.with_fields(opacity_weight=0.0, entropy_weight=0.0, manifold_weight=0.0)
    dream, moved = Dream("a red mug", Broken(prior, 2), recipe), []
    for record in dream.run():
        moved.append((record.nonfinite, dream.volume.field.grid.table.detach().abs().sum().item()))
    assert [n for n, _ in moved] == [0, 0, 1024, 1024, 1024, 1024]  # every entry of a latent of 4 x 16 x 16
    assert parameters(dream).isfinite().all()
    with torch.no_grad():
        assert pictures(dream).isfinite().all()


def test_a_run_that_stays_broken_stops_and_says_why(prior, tmp_path):
    class Burnt(Broken):
        def encode_image(self, rgb):
            return self.prior.encode_image(rgb) * torch.nan

        def eps(self, x_t, t, states):
            return self.prior.eps(x_t, t, states)

    def line(records):
        return {"step": records[-1].step}

    def bar(record):
        seen.append(record)
        return {}

    recipe, seen = SHORT.with_fields(steps=20, size=8, samples=4), []
    for broken, good, words in ((Broken(prior, 2), 2, "the model's answer"), (Burnt(prior, 0), 0, "the view's latent")):
        seen.clear()
        with pytest.raises(ValueError) as error:
            drive(Dream("a red mug", broken, recipe), tmp_path / "run", every=50, line=line, bar=bar)
        assert [r.step for r in seen] == list(range(1, good + 6))
        assert str(error.value).startswith(f"stopped at step {good + 5}: {words} was not finite for 5 steps in a row (")
        assert "\n" not in str(error.value)
        assert [r.culprit for r in seen] == [""] * good + [words] * 5


def test_nan_on_the_way_to_the_field_is_counted_and_kept_from_it(prior):
    class Burnt(Broken):
        def encode_image(self, rgb):
            self.left -= 1
            return self.prior.encode_image(rgb if self.left >= 0 else rgb * torch.nan)

        def eps(self, x_t, t, states):
            return self.prior.eps(x_t, t, states)

    dream = Dream("a red mug", Burnt(prior, 2), SHORT)
    counts = [record.nonfinite for record in dream.run()]
    assert counts[:2] == [0, 0] and min(counts[2:]) > 1024
    assert parameters(dream).isfinite().all()
    dream = Dream("a red mug", Burnt(prior, 0), SHORT.with_fields(steps=1, size=8, samples=4, arrow="vsd"))
    assert next(dream.run()).nonfinite > 0
    assert all(p.isfinite().all() for p in dream.arrow.student.parameters()), "nor does a student learn from it"


def test_a_fresh_field_is_a_grey_ball_in_the_middle(prior):
    picture = pictures(Dream("a red mug", prior, SHORT), 1, 64)[0]
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
    with pytest.raises(ValueError, match="the negative prompt holds bytes that are no text"):
        view_states(prior, "a mug", negative="r\udce9d")


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        read_run(tmp_path)


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


def test_models_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="no model 'nobody/nothing'"):
        load_prior("nobody/nothing")
    with pytest.raises(ValueError, match="holds no diffusers pipeline"):
        load_prior(str(tmp_path))
    (tmp_path / "model_index.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="model"):
        load_prior(str(tmp_path))


def test_half_precision_on_the_cpu_gives_the_same_score():
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        p = load_prior(str(MODELS / "tiny"), dtype=dtype)
        words = Words(*p.encode_text(["a red mug, front view", ""]).split(1))
        g, t = torch.Generator().manual_seed(0), torch.tensor([500])
        z = torch.randn(1, 4, 16, 16, generator=g).to(dtype)
        found.append(weighted(sds(p, z, t, words, 3.0, g), p.alpha_bar[t]))
    assert found[1].dtype == torch.float32
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
