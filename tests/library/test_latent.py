"""A field of latents, the views that are decoded of it, and the field of colours that is made of these."""

import pytest
import torch

from dreamtext_lib.distillation import ending as e
from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.look import look
from dreamtext_lib.distillation.recipe import RECIPES, TOY_LATENT
from dreamtext_lib.radiance.cameras import orbit, turntable
from dreamtext_lib.radiance.latent import LatentGrid, trilinear
from dreamtext_lib.radiance.volume import Volume
from dreamtext_lib.runs import COLOURS, stream

SHORT = TOY_LATENT.with_fields(steps=6, samples=16, lattice=12, ending_views=6, ending_steps=4)


def draw(purpose):
    return stream(0, 0, purpose)


def test_a_lattice_gives_back_linear_functions_and_its_axes_are_z_y_x():
    axis = torch.linspace(-2, 2, 5)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    points = torch.rand(50, 3) * 4 - 2
    found = trilinear(torch.stack([x, y, z, x + 2 * y - z]), points, 2.0)
    torch.testing.assert_close(found[:3].t(), points)
    torch.testing.assert_close(found[3], points @ torch.tensor([1.0, 2.0, -1.0]), atol=1e-5, rtol=1e-5)
    outside = trilinear(x[None], torch.tensor([[9.0, 0.0, 0.0]]), 2.0)
    assert outside.item() == pytest.approx(2)


def test_a_field_of_latents_answers_as_a_field_of_colours_by_its_palette():
    field = LatentGrid(6, 2, generator=torch.Generator().manual_seed(0))
    field.set_colours(torch.tensor([[1.0, 0, 0], [0, 0.5, 0], [0.25, 0.25, 0.25]]), torch.zeros(2, 2))
    points = torch.rand(20, 3) - 0.5
    density, latents = field.features(points)
    again, colour = field(points)
    torch.testing.assert_close(density, again)
    torch.testing.assert_close(density, field.density(points))
    wanted = torch.stack([latents[:, 0] + 0.25, latents[:, 1] / 2 + 0.25, torch.full((20,), 0.25)], 1)
    torch.testing.assert_close(colour, wanted.clamp(0, 1))


def test_the_palette_is_the_same_bits_wherever_memory_lies(prior, monkeypatch):
    """In single precision the last digits of a least-squares fit differ from one place in memory to another."""
    told = e.palette(prior)
    z, solve = e.flat(prior, torch.rand(27, 3)), torch.linalg.lstsq
    asked = []
    monkeypatch.setattr(torch.linalg, "lstsq", lambda a, b: (asked.append((a.dtype, b.dtype)), solve(a, b))[1])
    assert torch.equal(e.palette(prior), told) and told.dtype == z.dtype == torch.float32
    assert asked == [(torch.float64, torch.float64)]


def test_flat_pictures_have_the_colours_that_the_palette_says(prior):
    colours = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.3, 0.8], [0.9, 0.9, 0.9], [0.3, 0.7, 0.3]])
    z = e.flat(prior, colours)
    said = torch.cat([z, torch.ones(4, 1)], 1) @ e.palette(prior)
    assert (said - colours).abs().mean() < 0.06
    assert (said - colours.roll(1, 0)).abs().mean() > 0.2  # not what any palette would say


def test_a_dream_in_latents_needs_no_encoder_in_its_loop(prior, monkeypatch):
    dream = Dream("a red mug", prior, SHORT, seed=1)
    before = dream.volume.field.lattice.clone()
    monkeypatch.setattr(prior, "encode_image", None)  # whoever calls it fails
    records = list(dream.run())
    assert [r.step for r in records] == [1, 2, 3, 4, 5, 6]
    assert not torch.equal(before, dream.volume.field.lattice)
    assert dream.pictures(turntable(2)).shape == (2, 64, 64, 3)


def test_a_dream_in_latents_goes_on_bit_for_bit(prior, tmp_path):
    whole = Dream("a red mug", prior, SHORT, seed=1)
    list(whole.run())
    half = Dream("a red mug", prior, SHORT, seed=1, model="tiny")
    walk = half.run()
    for _ in range(3):
        next(walk)
    half.save(tmp_path)
    again = Dream("a red mug", prior, SHORT, seed=1)
    again.load(tmp_path)
    list(again.run())
    assert torch.equal(again.volume.field.lattice, whole.volume.field.lattice)
    seen = Volume.load(tmp_path / "checkpoint.safetensors").pictures(turntable(2), 16)  # roughly, without the prior
    assert seen.shape == (2, 16, 16, 3) and seen.isfinite().all()


def test_air_shows_the_walls_latents_and_a_solid_its_own(prior):
    volume = e.fresh_latents(SHORT, prior, 0)
    volume.field.lattice.data[0] = -100.0
    view = look(volume, SHORT, 0.0, draw)
    dark, light = volume.field.walls
    assert view.rgb.shape == (1, 4, 16, 16)
    share = (view.rgb[0] - dark[:, None, None]) / (light - dark)[:, None, None]
    assert share.std() < 1e-2 and 0 <= share.mean() <= 1
    volume.field.lattice.data[0], volume.field.lattice.data[1:] = 500.0, 7.0
    torch.testing.assert_close(look(volume, SHORT, 0.0, draw).rgb[0, :, 8, 8], torch.full((4,), 7.0), atol=1e-3, rtol=0)


def test_recipe_and_model_have_to_agree_on_the_size(prior):
    with pytest.raises(ValueError, match="size is 24; a field of latents has one ray a latent, and this model has 16"):
        Dream("a red mug", prior, SHORT.with_fields(size=24))


def test_views_vote_for_what_most_of_them_show():
    cameras = orbit(torch.arange(8) * 45.0, 0.0, size=32)
    alpha = torch.zeros(8, 32, 32)
    alpha[:, 12:20, 12:20] = 1.0  # a square in the middle of each view
    alpha[0] = 0.0  # but for one, which shows nothing
    votes = e.vote(alpha, cameras, 16, 1.0)
    assert votes[8, 8, 8] == pytest.approx(7 / 8) and votes[0, 0, 0] == 0
    one = torch.zeros(1, 32, 32)
    one[0, :16, 16:] = 1.0  # above, to the right of the camera in front: towards positive y
    up = e.vote(one, orbit(0.0, 0.0, size=32), 16, 1.0)
    assert up[8, 12, 12] == 1 and up[8, 4, 12] == 0 and up[8, 12, 4] == 0


class Painted:
    """Instead of a prior: latents are colours, four times as coarse as the picture."""

    device, dtype, pixels = torch.device("cpu"), torch.float32, 64

    @staticmethod
    def decode(z):
        return z[:, :3].repeat_interleave(4, 2).repeat_interleave(4, 3).clamp(0, 1)


def test_the_ending_keeps_shape_and_colour():
    field = LatentGrid(24, 4, bound=1.1, blob_value=200.0, blob_radius=0.5)
    field.lattice.data.zero_()
    field.lattice.data[1], field.lattice.data[3] = 0.9, 0.2  # a red ball, blue by a little
    field.set_colours(torch.zeros(5, 3), torch.tensor([[0.75, 0.75, 0.75, 0.0], [1.0, 1.0, 1.0, 0.0]]))
    recipe = TOY_LATENT.with_fields(ending_views=24, ending_steps=120, ending_rays=512)
    made = e.ending(Volume(field, None, 1.1), Painted(), recipe, 0)
    picture = made.pictures(orbit(60.0, 20.0), 64)[0]
    torch.testing.assert_close(picture[32, 32], torch.tensor([0.9, 0.0, 0.2]), atol=0.1, rtol=0)
    torch.testing.assert_close(picture[2, 2], torch.full((3,), 0.9), atol=0.02, rtol=0)
    sides = made.mesh(48).extents / 2  # a latent is four pixels wide here, and the vote takes the inner ones
    assert 0.36 < sides.min() and sides.max() < 0.6 and sides.max() / sides.min() < 1.15
    assert list(e.ending(Volume(field, None, 1.1), Painted(), recipe.with_fields(ending_steps=2), 0).modules) == [
        "field",
        "occupancy",
    ]


def test_an_empty_dream_has_no_ending(prior):
    volume = e.fresh_latents(SHORT, prior, 0)
    volume.field.lattice.data[0] = -100.0
    with pytest.raises(ValueError, match="the dream is empty"):
        e.ending(volume, prior, SHORT, 0)


def test_a_finished_dream_in_latents_keeps_its_colours_and_one_in_colours_has_none_to_keep(prior, tmp_path):
    dream = Dream("a red mug", prior, SHORT, seed=1)
    made = dream.finish(tmp_path)
    seen = Volume.load(tmp_path / COLOURS).pictures(turntable(2), 16)
    assert torch.equal(seen, made.pictures(turntable(2), 16))
    plain = Dream("a red mug", prior, RECIPES["toy"]["fitfusion"].with_fields(levels=2, voxels=8), seed=1)
    assert plain.finish(tmp_path / "other") is plain.volume and not (tmp_path / "other").exists()
