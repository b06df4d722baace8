"""A recipe refuses what cannot run, in one sentence that names the value; the named ones are the thesis' own."""

import math

import pytest
import torch

from book import recipes
from dreamtext_lib.descent import optimiser_of
from dreamtext_lib.distillation.recipe import FULL_BASE, FULL_FITFUSION, TOY_BASE, TOY_FITFUSION, TOY_LATENT, Recipe
from dreamtext_lib.distillation.regularisers import entropy
from dreamtext_lib.distillation.score import injected
from dreamtext_lib.fitting.recipe import FitRecipe
from dreamtext_lib.profile import PROFILES, profile
from dreamtext_lib.settings import paths

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("size", -64), ("batch", 0), ("samples", 0), ("levels", 2.5), ("voxels", 0), ("renew_every", 0),
        ("rate_grid", 0.0), ("rate_net", -1.0), ("rate_end", 0.0), ("beta_1", 1.0), ("beta_2", 0.0), ("eps", NAN),
        ("guidance", NAN), ("guidance", INFINITE), ("guidance", "high"), ("arrow", "sd"), ("inversion_steps", 0),
        ("opacity_weight", NAN), ("entropy_weight", -0.1), ("manifold_weight", INFINITE), ("blob_value", NAN),
        ("ambient", 1.5), ("late_from", -0.1), ("t_max", 1000), ("t_min", 990), ("t_min", -1), ("radius_min", 4.0),
        ("albedo_share", 1.2), ("log2_table", 40), ("finest", 2), ("blob_radius", 0.0), ("bound", -1.0),
        ("fov_max", 180.0), ("elevation_max", 91.0), ("overhead_min", 89.0), ("background_max", 0.5), ("steps", 1.5),
        ("lamp_spread", -0.1), ("lamp_lift", NAN), ("threshold", 0.0), ("decay", 1.1), ("student_rate", 0.0),
    ],
)  # fmt: skip
def test_bad_values_are_named(field, value):
    with pytest.raises(ValueError) as error:
        Recipe().with_fields(**{field: value})
    assert field in str(error.value) and str(value) in str(error.value) and "\n" not in str(error.value)


def test_every_number_is_refused_when_it_is_not_finite():
    for *_, name in paths(Recipe()):
        for value in (NAN, INFINITE, -INFINITE, None):
            with pytest.raises(ValueError, match=rf"^{name} is "):
                Recipe().with_fields(**{name: value})


def test_shares_that_are_more_than_all():
    with pytest.raises(ValueError, match=r"albedo_share 0.7 and textureless_share 0.6 together are more than 1"):
        Recipe().with_fields(albedo_share=0.7, textureless_share=0.6)


@pytest.mark.parametrize("recipe", [Recipe(), FULL_BASE, FitRecipe()])
def test_a_name_stands_once_in_a_recipe_and_says_what_it_is(recipe):
    names = [path[-1] for path in paths(recipe)]
    assert len(names) == len(set(names))
    for path in paths(recipe):
        group = recipe
        for name in path[:-1]:
            group = getattr(group, name)
        kind = type(group).__annotations__[path[-1]]
        words = kind.__metadata__[0].words if hasattr(kind, "__metadata__") else ""
        share_of_all = path[-1] in ("decay", "light_end")  # factors between 0 and 1
        assert ("share" in words and not share_of_all) == path[-1].endswith(("_share", "_until", "_from"))
        assert path[-1].endswith("_weight") == (path[0] == "regular")


def test_full_recipes_are_the_thesis_own():
    base, fit = FULL_BASE, FULL_FITFUSION
    assert (base.views.size, base.score.guidance, base.steps) == (64, 100, 10_000)  # table 5.1
    assert (fit.views.size, fit.score.guidance, fit.steps) == (256, 1000, 20_000)
    assert (base.ball.blob_value, base.ball.blob_radius) == (10, 0.5)  # 6.1.6
    assert (base.light.albedo_share, base.light.textureless_share) == (0.2, 0.4)  # 6.1.4
    assert (base.views.radius_min, base.views.radius_max) == (1.0, 1.5)  # 6.1.5
    assert (base.score.t_min, base.score.t_max, base.score.t_max_late) == (20, 980, 980)
    # of the code: light = normalise(camera + N(0, I)); densities kept by 0.95, empty below 0.1
    assert (base.light.lamp_lift, base.light.lamp_spread) == (0, 1)
    assert (base.voxels.voxels, base.voxels.decay, base.voxels.threshold) == (128, 0.95, 0.1)
    descent = base.descent
    assert (descent.optimiser, descent.rate_grid, descent.rate_net) == ("adan", 0.05, 0.005)
    assert (descent.eps, descent.clip) == (1e-8 / 16_384, 5 / 16_384)  # the code's, for gradients of a mean
    assert (descent.beta_1, descent.beta_change, descent.beta_2, descent.weight_decay) == (0.98, 0.92, 0.99, 2e-5)
    full, toy = PROFILES["full"].recipes, PROFILES["toy"].recipes
    assert (full["stable-dreamfusion"], full["fitfusion"]) == (base, fit)
    assert (toy["latent"], toy["stable-dreamfusion"], toy["fitfusion"]) == (TOY_LATENT, TOY_BASE, TOY_FITFUSION)
    assert full["fitfusion-as-run"] == fit.with_fields(steps=10_100)  # 101 epochs of 100 steps, whatever the text says
    assert toy["fitfusion-as-run"] == TOY_FITFUSION.with_fields(steps=505)


def test_table_5_1_is_that_of_the_thesis():
    rows = [line.split(" | ") for line in recipes.sizes().splitlines() if "full" in line]
    assert [[c.strip("| ") for c in row] for row in rows] == [
        ["Stable DreamFusion, full", "64", "100", "100"],
        ["FitFusion, full", "256", "1000", "200"],
    ]
    assert recipes.page() == recipes.PAGE.read_text(encoding="utf-8"), "python -m book.recipes writes the page anew"


def test_a_field_of_latents_has_no_pictures_to_regularise():
    with pytest.raises(ValueError, match=r"manifold_weight is 2\.0, but a field of latents has no pictures"):
        TOY_LATENT.with_fields(manifold_weight=2.0)
    with pytest.raises(ValueError, match=r"orientation_weight is 2\.0, but a field of latents has no shaded views"):
        TOY_LATENT.with_fields(orientation_weight=2.0)


def test_the_full_weights_balance_the_score_as_in_the_thesis_code():
    """There: latents.backward(gradient), a sum over 4 x 64 x 64 entries, beside 1e-4 times an entropy in bits."""
    g = torch.Generator().manual_seed(0)
    z, p = torch.randn(1, 4, 64, 64, generator=g).requires_grad_(), torch.rand(500, generator=g).requires_grad_()
    gradient = torch.randn(z.shape, generator=g)
    bits = -(p * torch.log2(p) + (1 - p) * torch.log2(1 - p)).mean()
    there = torch.autograd.grad((z * gradient).sum() + 1e-4 * bits, [z, p])
    loss = injected(z, gradient) + FULL_BASE.regular.entropy_weight * entropy(p).mean()
    here = torch.autograd.grad(loss, [z, p])
    for a, b in zip(there, here):  # the same but for one factor, which eps and clip know
        torch.testing.assert_close(a, b * 4 * 64 * 64)
    assert FULL_BASE.regular.opacity_weight == FULL_BASE.regular.manifold_weight == 0
    assert FULL_BASE.regular.entropy_weight == pytest.approx(1e-4 / math.log(2) / 16_384)


@pytest.mark.parametrize("size", [1e-9, 1.0, 40.0])  # below eps, below the norm that is cut, and above it
def test_the_full_descent_takes_the_steps_of_the_thesis_code(size):
    """There gradients of a sum over latents, an eps of 1e-8 and a norm of 5; here those of a mean."""

    def walk(settings, factor):
        g, p = torch.Generator().manual_seed(0), torch.nn.Parameter(torch.zeros(100))
        optimiser = optimiser_of([p], [], settings)
        for _ in range(5):
            p.grad = torch.randn(100, generator=g) * size / 10 * factor
            optimiser.step()
        return p.detach()

    code = FULL_BASE.with_fields(eps=1e-8, clip=5.0).descent
    torch.testing.assert_close(walk(FULL_BASE.descent, 1 / 16_384), walk(code, 1.0), rtol=1e-2, atol=1e-5)


def test_the_profile_is_read_from_the_environment(monkeypatch):
    assert profile().name == "toy"
    monkeypatch.setenv("DREAMTEXT_PROFILE", "full")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no CUDA GPU"):
        profile()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert profile().model.startswith("sd2-community/")
    monkeypatch.setenv("DREAMTEXT_PROFILE", "huge")
    with pytest.raises(ValueError, match="'huge'; choose one of toy, full"):
        profile()
