"""A training view, piece by piece: cameras, shading, light, wall; and the regularisers."""

import pytest
import torch

from dreamtext_lib.distillation.look import choose_shading, lit, look, turned_away
from dreamtext_lib.distillation.recipe import Light, Recipe, Regular
from dreamtext_lib.distillation.regularisers import entropy, manifold, presence, regulariser
from dreamtext_lib.radiance.cameras import orbit, rays
from dreamtext_lib.radiance.occupancy import Occupancy
from dreamtext_lib.radiance.volume import Volume


class Ball(torch.nn.Module):
    """A hard ball of one colour, with a parameter to be moved."""

    def __init__(self, radius=0.5):
        super().__init__()
        self.colour, self.radius = torch.nn.Parameter(torch.tensor([0.8, 0.2, 0.1])), radius

    def density(self, points):
        return 60.0 * torch.sigmoid((self.radius - points.norm(dim=-1)) * 40)

    def forward(self, points, directions=None):
        return self.density(points), self.colour.expand(len(points), 3)


def volume():
    return Volume(Ball(), Occupancy(16, 1.0), 1.0)


def draws(seed=0):
    return lambda purpose: torch.Generator().manual_seed(seed + sum(purpose.encode()))


PLAIN = Recipe().with_fields(size=24, samples=24, albedo_until=1.0)


def test_a_view_is_a_picture_over_its_wall_with_a_way_back():
    v = volume()
    view = look(v, PLAIN.with_fields(batch=2, background_min=0.25, background_max=0.25), 0.0, draws())
    assert view.rgb.shape == (2, 3, 24, 24) and view.shading == "albedo" and len(view.cameras.azimuth) == 2
    torch.testing.assert_close(view.rgb[:, :, 0, 0], torch.full((2, 3), 0.25), atol=1e-4, rtol=0)  # a corner
    torch.testing.assert_close(view.rgb[:, :, 12, 12], v.field.colour.expand(2, 3), atol=1e-3, rtol=0)  # the middle
    assert view.seen.opacity.shape == (2 * 24 * 24,)
    view.rgb.sum().backward()
    assert (v.field.colour.grad > 0).all()


def test_views_keep_to_their_ranges():
    r = PLAIN.with_fields(batch=64, size=1, elevation_min=5.0, elevation_max=6.0, overhead_share=0.0)
    r = r.with_fields(radius_min=2.0, radius_max=2.5, fov_min=30.0, fov_max=31.0)
    cameras = look(volume(), r, 0.0, draws()).cameras
    for values, low, high in ((cameras.elevation, 5, 6), (cameras.radius, 2, 2.5), (cameras.fov, 30, 31)):
        assert low <= values.min() < values.max() <= high
    above = look(volume(), r.with_fields(overhead_share=1.0, overhead_min=70.0, overhead_max=71.0), 0.0, draws())
    assert 70 <= above.cameras.elevation.min() <= above.cameras.elevation.max() <= 71
    walls = look(
        volume(), r.with_fields(background_min=0.5, background_max=0.75, fov_min=170.0, fov_max=171.0), 0, draws()
    )
    assert walls.rgb.shape == (64, 3, 1, 1)


def test_shadings_come_in_their_shares_and_not_before_their_time():
    light, g = Light(albedo_until=0.3, albedo_share=0.2, textureless_share=0.3), torch.Generator().manual_seed(0)
    assert {choose_shading(light, 0.29, g) for _ in range(50)} == {"albedo"}
    kinds = [choose_shading(light, 0.3, g) for _ in range(4000)]
    for kind, share in (("albedo", 0.2), ("textureless", 0.3), ("lambertian", 0.5)):
        assert kinds.count(kind) / 4000 == pytest.approx(share, abs=0.025)


def test_a_purpose_draws_for_itself():
    """What is drawn for the shading, or for a lamp, moves no camera, sample or wall."""
    lamp = PLAIN.with_fields(albedo_until=0.0, albedo_share=0.0)
    views = [look(volume(), r, 0.5, draws()) for r in (PLAIN, lamp)]
    assert [v.shading for v in views] == ["albedo", "lambertian"]
    assert torch.equal(views[0].cameras.azimuth, views[1].cameras.azimuth)
    assert torch.equal(views[0].seen.t, views[1].seen.t)
    torch.testing.assert_close(views[0].rgb[..., 0, 0], views[1].rgb[..., 0, 0])


def test_the_lamp_stands_where_the_recipe_says():
    v = volume()
    camera = orbit(0.0, 0.0, 3.0, 30.0, size=33)  # from +x, z up
    o, d = rays(camera)
    seen = v.render(o.reshape(-1, 3), d.reshape(-1, 3), 64)
    at_camera = Light(ambient=0.0, lamp_lift=0.0, lamp_spread=0.0)
    bright = lit(v, at_camera, "textureless", seen, o, torch.Generator())[0].view(33, 33, 3)
    assert bright[16, 16].min() > 0.9 and (bright[16, 10] - bright[16, 22]).abs().max() < 0.02
    above = lit(v, Light(ambient=0.0, lamp_lift=3.0, lamp_spread=0.0), "textureless", seen, o, torch.Generator())[0]
    above = above.view(33, 33, 3)
    assert above[16, 16, 0] == pytest.approx(0.5**0.5, abs=0.08) and above[12, 16, 0] > above[20, 16, 0] + 0.2
    dim = lit(v, Light(ambient=0.5, lamp_lift=3.0, lamp_spread=0.0), "lambertian", seen, o, torch.Generator())[0]
    expected = (0.5 + 0.5 * above[16, 16, 0]) * v.field.colour.detach()
    torch.testing.assert_close(dim.view(33, 33, 3)[16, 16].detach(), expected, atol=0.01, rtol=0.01)


def test_surfaces_that_face_the_camera_cost_nothing_and_others_by_their_angle():
    d = torch.tensor([[0.0, 0.0, -1.0]]).expand(4, 3)  # looking down
    n = torch.tensor([[0, 0, 1.0], [1.0, 0, 0], [0, 0.8, -0.6], [0, 0, -1.0]])
    opacity = torch.tensor([1.0, 1.0, 0.5, 0.5], requires_grad=True)
    cost = turned_away(opacity, n, d)
    torch.testing.assert_close(cost, torch.tensor([0.0, 0.0, 0.18, 0.5]))
    assert not cost.requires_grad  # it bends surfaces and makes nothing transparent


def test_the_term_of_orientation_counts_in_shaded_views_alone():
    class Bowl(Ball):  # dense outside and thin inside, where normals look away from a camera outside
        def __init__(self):
            super().__init__()
            self.push = torch.nn.Parameter(torch.tensor(1.0))

        def density(self, points):
            return self.push * 4.0 * points.norm(dim=-1).clamp(max=0.9)

    v, weights = Volume(Bowl(), None, 1.0), Regular(opacity_weight=0, entropy_weight=0, manifold_weight=0)
    for light, there in (("albedo_share", False), ("textureless_share", True)):
        r = PLAIN.with_fields(albedo_until=0.0, **{"albedo_share": 0.0, light: 1.0})
        view = look(v, r, 0.5, draws())
        assert (view.averted is not None) == there
        loss = regulariser(weights.with_fields(orientation_weight=2.0), None, view, None, 0.5)
        assert loss.item() == pytest.approx(2 * view.averted.mean().item() if there else 0.0)
    assert loss.item() > 0.01
    (slope,) = torch.autograd.grad(loss, v.field.push)
    assert slope.isfinite() and slope != 0


def test_entropy_is_least_where_a_ray_is_decided():
    e = entropy(torch.tensor([0.01, 0.5, 0.99]))
    assert e[1] == pytest.approx(0.6931, abs=1e-4) and e[0] < 0.1 and e[2] < 0.1


def test_presence_is_least_where_nothing_is():
    assert presence(torch.zeros(4)) == pytest.approx(0.1) and presence(torch.ones(4)) == pytest.approx(1.01**0.5)


class Mirror:
    """A prior that decodes a latent to what it was told."""

    def __init__(self, back):
        self.back = back

    def decode(self, z):
        assert not z.requires_grad
        return self.back


def test_the_gap_to_the_reconstruction_holds_the_reconstruction_fixed():
    rgb = torch.rand(1, 3, 4, 4).requires_grad_()
    back = torch.rand(1, 3, 4, 4)
    gap = manifold(Mirror(back), rgb, torch.zeros(1, 4, 1, 1))
    assert gap.item() == pytest.approx((rgb - back).square().mean().item(), rel=1e-5)
    gap.backward()
    torch.testing.assert_close(rgb.grad, 2 * (rgb.detach() - back) / rgb.numel())
    assert manifold(Mirror(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 4, 4), torch.zeros(1)) == 0  # other sizes


def test_the_regularisers_are_weighted_means():
    view = look(volume(), PLAIN, 0.0, draws())
    opacity = view.seen.opacity.clamp(1e-4, 1 - 1e-4)
    back = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    parts = (presence(opacity), entropy(opacity).mean(), (view.rgb - back).square().mean())
    z = torch.zeros(1, 4, 1, 1)
    for w, fraction in (((0, 0, 0), 1.0), ((2, 0, 0), 0.0), ((0, 3, 0), 0.25), ((0, 0, 5), 0.0), ((2, 3, 5), 0.5)):
        total = regulariser(Regular(*map(float, w)), Mirror(back), view, z, fraction)
        expected = w[0] * parts[0] + fraction * w[1] * parts[1] + w[2] * parts[2]
        torch.testing.assert_close(torch.as_tensor(total), torch.as_tensor(expected))
