"""The photograph that one view of a dream should be: its loss by hand, what it moves, its file, and a resume."""

import pytest
import torch

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.ending import flat
from dreamtext_lib.distillation.photo import FILE, Photo, compared, photo_loss, small, target_of
from dreamtext_lib.distillation.recipe import RECIPES, Regular
from dreamtext_lib.files import write_tensors
from dreamtext_lib.radiance.rendering import Rendered
from dreamtext_lib.runs import stream
from dreamtext_lib.sweep.images import METHODS
from dreamtext_lib.sweep.kinds import KINDS

LATENT = RECIPES["toy"]["latent"].with_fields(steps=3, lattice=8, photo_weight=2.0, mask_weight=3.0)
COLOURS = RECIPES["toy"]["stable-dreamfusion"].with_fields(steps=2, size=16, levels=2, photo_weight=2.0)


def a_photo(wall=0.9, azimuth=30.0):
    mask = torch.zeros(64, 64)
    mask[16:48, 20:40] = 1
    picture = torch.where(mask.bool(), torch.tensor([0.8, 0.2, 0.1])[:, None, None], torch.tensor(wall))
    return Photo(picture, mask, wall, azimuth, 12.0)


def test_the_loss_is_that_of_the_formula():
    generator = torch.Generator().manual_seed(0)
    rgb, opacity, mask, target = (torch.rand(*shape, generator=generator) for shape in ((5, 3), (5,), (5,), (5, 3)))
    seen = Rendered(rgb * opacity[:, None], opacity, *[torch.zeros(5)] * 4)
    wall = torch.tensor([0.9, 0.5, 0.1])
    found = compared(Regular(photo_weight=2.0, mask_weight=3.0), seen, wall, target, mask)
    photo = cover = 0.0
    for i in range(5):
        shown = [opacity[i] * rgb[i, c] + (1 - opacity[i]) * wall[c] for c in range(3)]
        photo += mask[i] * sum((shown[c] - target[i, c]) ** 2 for c in range(3)) / 3 / mask.sum()
        cover += (opacity[i] - mask[i]) ** 2 / 5
    assert found.item() == pytest.approx((2 * photo + 3 * cover).item(), rel=1e-5)


def test_pictures_get_smaller_by_means():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert small(x, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5] and small(x, 4) is x


@pytest.mark.parametrize("recipe", [LATENT, COLOURS], ids=["latents", "colours"])
def test_it_pulls_the_view_of_its_camera_towards_it(prior, recipe):
    """Without the score: gradient steps on the loss alone bring that view near, and cover what the outline covers."""
    dream, v = Dream("a mug", prior, recipe, 0, photo=a_photo()), recipe.views
    weights, target = Regular(photo_weight=1.0, mask_weight=1.0), target_of(a_photo(), dream.volume, prior, v)
    optimiser = torch.optim.Adam(dream.volume.field.parameters(), lr=3e-2)
    losses = []
    for step in range(60):
        loss = photo_loss(weights, target, dream.volume, v, lambda purpose, step=step: stream(0, step, purpose))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_a_dream_with_a_photograph_goes_on_bit_for_bit(prior, tmp_path):
    whole, half = (Dream("a mug", prior, LATENT, 3, photo=a_photo()) for _ in range(2))
    records = [r._replace(seconds=()) for r in whole.run()]
    next(half.run())
    half.save(tmp_path)
    resumed = Dream("a mug", prior, LATENT, 3, photo=Photo.load(tmp_path))
    resumed.load(tmp_path)
    assert [r._replace(seconds=()) for r in resumed.run()] == records[1:]
    assert all(map(torch.equal, whole.volume.field.parameters(), resumed.volume.field.parameters()))
    other = Dream("a mug", prior, LATENT, 3, photo=a_photo(azimuth=120.0))
    list(other.run())
    assert not all(map(torch.equal, whole.volume.field.parameters(), other.volume.field.parameters()))


def test_the_photograph_is_encoded_once(prior, monkeypatch):
    """In a field of latents nothing else is: its walls and its palette are encoded when the dream is made."""
    dream, encoded, own = Dream("a mug", prior, LATENT, 0, photo=a_photo()), [], prior.encode_image
    monkeypatch.setattr(prior, "encode_image", lambda rgb: encoded.append(rgb.clone()) or own(rgb))
    assert len(list(dream.run())) == 3 and len(encoded) == 1
    assert torch.equal(encoded[0][0], a_photo().picture)
    target = target_of(a_photo(), dream.volume, prior, LATENT.views)
    assert torch.equal(target.colours, own(a_photo().picture[None])[0].flatten(1).t())


def test_a_large_photograph_is_made_smaller_by_means_before_it_is_encoded(prior):
    dream, photo = Dream("a mug", prior, LATENT, 0, photo=a_photo()), a_photo()
    fine = photo.picture.repeat_interleave(4, 1).repeat_interleave(4, 2)
    fine = fine + 0.1 * (-1.0) ** ((torch.arange(256) + 1) // 2)  # stripes whose mean over each pixel of the model is 0
    large = photo._replace(picture=fine, mask=torch.ones(256, 256))
    targets = [target_of(p, dream.volume, prior, LATENT.views).colours for p in (large, photo)]
    torch.testing.assert_close(*targets, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("greys", [(0.5, 0.5), (0.0, 0.5)])
def test_a_wall_outside_the_greys_of_the_recipe_has_its_own_latents(prior, greys):
    dream = Dream("a mug", prior, LATENT.with_fields(background_min=greys[0], background_max=greys[1]), photo=a_photo())
    wall = target_of(a_photo(), dream.volume, prior, dream.recipe.views).wall
    torch.testing.assert_close(wall, flat(prior, torch.full((1, 3), 0.9))[0])
    inside = target_of(a_photo(0.5), dream.volume, prior, dream.recipe.views).wall
    assert torch.equal(inside, dream.volume.field.walls[1])


def test_a_photograph_and_its_weights_go_together(prior):
    with pytest.raises(ValueError, match=r"photo_weight is 2\.0 and mask_weight 3\.0, but there is no photograph"):
        Dream("a mug", prior, LATENT)
    with pytest.raises(ValueError, match=r"photo_weight is 0\.0 and mask_weight 0\.0, but there is a photograph"):
        Dream("a mug", prior, LATENT.with_fields(photo_weight=0.0, mask_weight=0.0), photo=a_photo())


def test_a_photograph_at_whole_angles_is_read_again(tmp_path):
    a_photo(wall=1, azimuth=120).save(tmp_path)
    assert Photo.load(tmp_path)[2:] == (1.0, 120.0, 12.0)


def test_another_file_is_no_photograph(tmp_path):
    write_tensors(tmp_path / FILE, {"picture": torch.zeros(3, 2, 2)}, {"wall": 0.9})
    with pytest.raises(ValueError, match="holds no photograph; another program wrote it"):
        Photo.load(tmp_path)


def test_the_named_recipe_wants_a_photograph_and_is_none_of_a_sweep_of_prompts(prior):
    recipe = RECIPES["toy"]["realfusion"]
    assert recipe.regular.photo_weight == recipe.regular.mask_weight == METHODS["realfusion"].dream.regular.mask_weight
    assert METHODS["realfusion"].words.learns == "noun" and METHODS["realfusion"].words.search.longest == 1
    with pytest.raises(ValueError, match="but there is no photograph"):
        Dream("a mug", prior, recipe)
    assert "realfusion" not in KINDS["dream"].recipes() and "latent" in KINDS["dream"].recipes()
