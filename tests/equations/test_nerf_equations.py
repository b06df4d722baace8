"""NeRF's own equations: positional encoding (3.14) and the loss of two renderings (3.15)."""

import math

import pytest
import torch
from numpy.polynomial.legendre import leggauss

from dreamtext_lib.radiance.field import Matte
from dreamtext_lib.radiance.nerf import NeRF, importance, render_hierarchical
from dreamtext_lib.radiance.positional import positional_encoding, spherical_harmonics
from dreamtext_lib.radiance.rendering import Rendered, photometric

DOUBLE = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.equation("3.14")
def test_the_encoding_is_the_printed_row_of_waves(generator):
    p, levels = torch.rand(7, 3, generator=generator, dtype=DOUBLE) * 2 - 1, 5
    rows = [
        [f(2**k * math.pi * x) for k in range(levels) for f in (math.sin, math.cos) for x in point]
        for point in p.tolist()
    ]
    encoded = positional_encoding(p, levels)
    assert encoded.shape == (7, 2 * levels * 3)
    torch.testing.assert_close(encoded, torch.tensor(rows, dtype=DOUBLE), rtol=0, atol=1e-12)


@pytest.mark.equation("3.14")
def test_the_encoding_has_period_two_and_tells_near_places_apart(generator):
    p = torch.rand(50, 3, generator=generator, dtype=DOUBLE) * 2 - 1
    torch.testing.assert_close(positional_encoding(p + 2, 6), positional_encoding(p, 6), rtol=0, atol=1e-11)
    apart = (positional_encoding(p + 0.01, 6) - positional_encoding(p, 6)).norm(dim=1)
    assert (apart > 30 * 0.01 * 3**0.5).all()  # the raw coordinates move by 0.01 each
    with pytest.raises(ValueError, match="at least one level"):
        positional_encoding(p, 0)


def pixels_of(*values: float) -> Rendered:
    """Rays that show grey values, opaque."""
    grey = torch.tensor(values, dtype=DOUBLE)[:, None].expand(-1, 3)
    one = torch.ones(len(values), dtype=DOUBLE)
    return Rendered(grey, one, one, grey, one[:, None], one[:, None])


@pytest.mark.equation("3.15")
def test_the_loss_is_the_sum_of_both_squared_errors():
    coarse, fine, true = pixels_of(0.5, 0.2), pixels_of(0.4, 0.9), pixels_of(0.1, 0.3).rgb
    by_hand = (3 * (0.4**2 + 0.3**2) + 3 * (0.1**2 + 0.6**2)) / 2  # three channels, the mean of two rays
    assert photometric((coarse, fine), true, 1.0).item() == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.equation("3.15")
def test_the_gradient_reaches_both_networks_and_not_the_places_of_the_samples(generator):
    coarse, fine = (NeRF(16, 2, 3, 1, generator) for _ in range(2))
    origins = torch.tensor([[0.0, 0.0, 3.0]]).expand(8, 3)
    directions = torch.nn.functional.normalize(torch.randn(8, 3, generator=generator) * 0.1 - origins, dim=1)
    first, second = render_hierarchical(coarse, fine, origins, directions, samples=8, extra=4, generator=generator)
    assert second.t.shape == (8, 12) and not second.t.requires_grad
    assert (second.t.diff(dim=1) >= 0).all()
    photometric((first, second), torch.zeros(8, 3), 1.0).backward()
    for network in (coarse, fine):
        assert all(p.grad.isfinite().all() for p in network.parameters())
        assert network.density_out.weight.grad.abs().sum() > 0
    alone = torch.autograd.grad(
        (render_hierarchical(coarse, fine, origins, directions, samples=8, extra=4)[1].rgb ** 2).sum(),
        coarse.density_out.weight,
        allow_unused=True,
    )[0]
    assert alone is None  # the fine picture does not teach the coarse network where to look


def test_the_fine_rendering_drops_no_stretch_of_a_ray():
    @Matte
    def fog(points):  # uniform: the whole chord of 2 is seen, wherever the samples are
        return torch.full_like(points[:, 0], 0.7), torch.ones_like(points)

    origins, directions = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        fine = render_hierarchical(fog, fog, origins, directions, samples=4, extra=4, generator=generator)[1]
        assert fine.opacity.item() == pytest.approx(1 - math.exp(-0.7 * 2), abs=1e-5)


def test_importance_follows_the_weights(generator):
    edges = torch.linspace(0, 4, 5, dtype=DOUBLE).expand(2000, 5)
    weight = torch.tensor([0.0, 3.0, 0.0, 1.0], dtype=DOUBLE).expand(2000, 4)
    t = importance(edges, weight, 10, generator)
    share = torch.stack([((t >= a) & (t < a + 1)).double().mean() for a in range(4)])
    torch.testing.assert_close(share, torch.tensor([0, 0.75, 0, 0.25], dtype=DOUBLE), rtol=0, atol=2e-3)
    inside = t[(t >= 1) & (t < 2)] - 1
    assert inside.mean().item() == pytest.approx(0.5, abs=0.01)
    even = importance(edges, torch.zeros_like(weight), 8)
    torch.testing.assert_close(even[0], (torch.arange(8, dtype=DOUBLE) + 0.5) / 2)


def test_harmonics_are_orthonormal():
    z, w = (torch.from_numpy(v) for v in leggauss(8))
    turn = torch.arange(16, dtype=DOUBLE) * (2 * math.pi / 16)
    s = (1 - z * z).sqrt()
    d = torch.stack(
        [s[:, None] * turn.cos(), s[:, None] * turn.sin(), z[:, None].expand(-1, 16)], -1
    )  # exact for degree 4
    y = spherical_harmonics(d)  # (8, 16, 9)
    gram = torch.einsum("i,ijk,ijl->kl", w * (2 * math.pi / 16), y, y)
    torch.testing.assert_close(gram, torch.eye(9, dtype=DOUBLE), rtol=0, atol=1e-12)
