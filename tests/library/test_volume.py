"""A volume is all that is looked at: saved, loaded and seen without what it was made of."""

import pytest
import torch

from dreamtext_lib.files import write_tensors
from dreamtext_lib.radiance.cameras import orbit
from dreamtext_lib.radiance.encoding import HashGrid
from dreamtext_lib.radiance.field import HashField, ViewField
from dreamtext_lib.radiance.nerf import NeRF
from dreamtext_lib.radiance.occupancy import Occupancy
from dreamtext_lib.radiance.volume import March, Volume, World


def volumes():
    g = torch.Generator().manual_seed(0)
    grid = HashGrid(levels=3, features=2, log2_table=9, coarsest=4, finest=12, bound=1.1, generator=g)
    hidden = Occupancy(8, 1.1)
    hidden.update(lambda p: (p[:, 0] > 0).float() * 9, g)
    yield "a dream", Volume(HashField(grid, 8, blob_value=20.0, generator=g), hidden, 1.1)
    where = World((1.0, -2.0, 0.5), 3.0)
    yield "a fit", Volume(ViewField(grid, 8, generator=g), hidden, world=where, march=March(24, stop=1e-3), sight=True)
    fine, coarse = (NeRF(16, 2, 3, 1, g) for _ in range(2))
    yield "a NeRF", Volume(fine, march=March(8, 6), coarse=coarse, sight=True)


@pytest.mark.parametrize("name, volume", [*volumes()])
def test_a_volume_comes_back_whole(name, volume, tmp_path):
    volume.save(tmp_path / "v.safetensors")
    state = torch.get_rng_state()
    again = Volume.load(tmp_path / "v.safetensors")
    assert torch.equal(torch.get_rng_state(), state), "reading draws no random numbers"
    cameras = orbit([20.0, 200.0], 10.0).around(*volume.world)
    seen = volume.pictures(cameras, 12)
    assert seen.shape == (2, 12, 12, 3) and torch.equal(again.pictures(cameras, 12), seen)
    assert again.about == volume.about and (again.world, again.march) == (volume.world, volume.march)


def test_the_mesh_is_in_units_of_the_world():
    _, dream = next(volumes())
    moved = Volume(dream.field, None, 1.1, world=World((1.0, -2.0, 0.5), 3.0))
    at = Volume(dream.field, None, 1.1).mesh(24)
    assert abs(moved.mesh(24).vertices - (at.vertices * 3 + [1, -2, 0.5])).max() < 1e-6


def test_what_was_never_rendered_is_not_solid():
    (_, dream), (_, fit) = [*volumes()][:2]
    behind, before = torch.tensor([[-0.9, 0.0, 0.0]]), torch.tensor([[0.9, 0.0, 0.0]])
    for volume in (dream, fit):
        assert volume.solid.density(behind) == 0 < volume.field.density(behind)
        assert volume.solid.density(before) == volume.field.density(before) == volume.solid(before)[0]


def test_a_file_without_a_volume_is_refused_in_one_sentence(tmp_path):
    _, volume = next(volumes())
    write_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"step": 3})
    with pytest.raises(ValueError, match="holds no volume"):
        Volume.load(tmp_path / "a.safetensors")
    about = volume.about | {"radius": 1.0}
    del about["march"]
    with pytest.raises(ValueError, match="another version"):
        Volume.of(about, {})
    with pytest.raises(ValueError, match="another recipe or version"):
        Volume.of(volume.about, {})
