"""The thesis' equations of radiance fields, against brute force and closed forms."""

import math
import sys

import pytest
import sympy as sp
import torch
from torch import Tensor

from dreamtext_lib.radiance.encoding import HashGrid, cells, compiled, dense_index, resolutions, spatial_hash
from dreamtext_lib.radiance.field import HashField, Matte, blob
from dreamtext_lib.radiance.rendering import intervals, render_rays, stratified, transmittance, weights

DOUBLE = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.equation("3.10")
@pytest.mark.parametrize("kind", ["constant", "linear", "exponential"])
def test_quadrature_converges_to_the_rendering_integral(kind: str) -> None:
    """The colour of a medium whose colour is t itself, against a fine trapezoid of C = int T sigma c."""
    sigma = {
        "constant": lambda t: 1.7 + 0 * t,
        "linear": lambda t: 0.2 + 3 * t,
        "exponential": lambda t: 4 * torch.exp(-2 * t),
    }[kind]
    depth = {
        "constant": lambda t: 1.7 * t,
        "linear": lambda t: 0.2 * t + 1.5 * t**2,
        "exponential": lambda t: 2 * (1 - torch.exp(-2 * t)),
    }[kind]
    fine = torch.linspace(0, 2, 200_001, dtype=DOUBLE)
    exact = torch.trapezoid(torch.exp(-depth(fine)) * sigma(fine) * fine, fine)
    errors = []
    for count in (32, 64, 128):
        t = stratified(torch.zeros((), dtype=DOUBLE), torch.tensor(2.0, dtype=DOUBLE), count)
        errors.append(abs((weights(sigma(t), torch.tensor(2 / count)) * t).sum() - exact).item())
    assert errors[2] < 2e-4
    assert errors[1] < errors[0] / 3.5 and errors[2] < errors[1] / 3.5  # second order: bin centres


@pytest.mark.equation("3.10")
def test_rendered_rays_are_the_rendering_integral() -> None:
    """Rays along x and y through a fog in the unit ball that changes along x, against a fine trapezoid."""
    fog = lambda x: (0.4 + (x + 1) ** 2, torch.stack([(x + 1) / 2, 0 * x + 0.25, x**2], -1))  # noqa: E731
    origins = torch.tensor([[-3.0, 0, 0], [0.3, 2, 0]], dtype=DOUBLE)
    directions = torch.tensor([[1.0, 0, 0], [0, -1, 0]], dtype=DOUBLE)
    found = render_rays(Matte(lambda p: fog(p[:, 0])), None, origins, directions, samples=400)
    half = (1 - 0.3**2) ** 0.5  # of the second ray's way through the ball
    for ray, (near, far, place) in enumerate([(2, 4, lambda t: t - 3), (2 - half, 2 + half, lambda t: 0 * t + 0.3)]):
        t = torch.linspace(near, far, 20_001, dtype=DOUBLE)
        density, colour = fog(place(t))
        depth = torch.cumulative_trapezoid(density, t)
        through = torch.exp(-torch.cat([depth.new_zeros(1), depth]))
        exact = torch.trapezoid((through * density)[:, None] * colour, t, dim=0)
        torch.testing.assert_close(found.rgb[ray], exact, atol=1e-5, rtol=0)
        assert found.opacity[ray].item() == pytest.approx(1 - through[-1].item(), abs=1e-5)


@pytest.mark.equation("3.11")
def test_transmittance_is_the_exponential_of_the_depth_before(generator: torch.Generator) -> None:
    density, delta = torch.rand(5, 9, generator=generator), torch.rand(5, 9, generator=generator)
    expected = torch.tensor(
        [[math.exp(-sum(density[r, j] * delta[r, j] for j in range(i))) for i in range(9)] for r in range(5)]
    )
    torch.testing.assert_close(transmittance(density, delta), expected)
    t = torch.linspace(0, 2, 4001, dtype=DOUBLE)[:-1]  # left ends of the bins
    middle = t + 0.00025
    linear = transmittance(0.2 + 3 * middle, torch.tensor(0.0005, dtype=DOUBLE))
    torch.testing.assert_close(linear, torch.exp(-0.2 * t - 1.5 * t**2), rtol=1e-9, atol=1e-12)


@pytest.mark.equation("3.12")
def test_samples_fill_their_bins(generator: torch.Generator) -> None:
    near, far = torch.tensor([0.5, 2.0]), torch.tensor([1.5, 6.0])
    t = torch.stack([stratified(near, far, 8, generator) for _ in range(4000)])  # (4000, 2, 8)
    place = (t - near[:, None]) / (far - near)[:, None] * 8 - torch.arange(8)
    assert place.min() >= -1e-5 and place.max() <= 1 + 1e-5
    torch.testing.assert_close(place.mean(0), torch.full((2, 8), 0.5), atol=0.02, rtol=0)
    torch.testing.assert_close(place.var(0), torch.full((2, 8), 1 / 12), atol=0.005, rtol=0)
    integral = (torch.sin(t) * ((far - near) / 8)[:, None]).sum(-1).mean(0)
    torch.testing.assert_close(integral, near.cos() - far.cos(), atol=0.01, rtol=0)


@pytest.mark.equation("3.13")
def test_weights_are_exact_for_piecewise_constant_media(generator: torch.Generator) -> None:
    """Against every bin cut into 500 slices; and sum w = 1 - T_{N+1}."""
    density = torch.rand(3, 6, generator=generator, dtype=DOUBLE) * 5
    density[0, 2] = 0
    t = torch.cat([torch.zeros(3, 1, dtype=DOUBLE), torch.rand(3, 5, generator=generator, dtype=DOUBLE).sort()[0]], 1)
    far = torch.full((3,), 1.25, dtype=DOUBLE)
    delta = intervals(t, far)
    torch.testing.assert_close(delta[:, :-1], t[:, 1:] - t[:, :-1])
    torch.testing.assert_close(delta[:, -1], far - t[:, -1])
    w = weights(density, delta)
    slices = weights(density.repeat_interleave(500, 1), delta.repeat_interleave(500, 1) / 500)
    torch.testing.assert_close(w, slices.unflatten(1, (6, 500)).sum(-1))
    torch.testing.assert_close(w.sum(-1), 1 - torch.exp(-(density * delta).sum(-1)))
    one = weights(torch.tensor([[2.0]]), torch.tensor([[0.3]]))
    assert one.item() == pytest.approx(1 - math.exp(-0.6))


@pytest.mark.equation("4.26")
@pytest.mark.equation("4.27")
def test_transmittance_solves_its_differential_equation() -> None:
    """T' = -sigma T with T(0) = 1: its solution by sympy, and in the library both the equation and the solution."""
    s, x = sp.symbols("s x", positive=True)
    function = sp.Function("T")
    sigma = 2 + sp.cos(3 * s)
    solved = sp.dsolve(function(s).diff(s) + sigma * function(s), function(s), ics={function(0): 1}).rhs
    assert sp.simplify(solved - sp.exp(-sp.integrate(sigma.subs(s, x), (x, 0, s)))) == 0
    width = 1e-3
    t = torch.arange(2001, dtype=DOUBLE) * width  # left ends of the bins; the density is that of their centres
    found = transmittance(2 + torch.cos(3 * (t + width / 2)), torch.tensor(width, dtype=DOUBLE))
    exact = [float(solved.subs(s, value)) for value in t[::500].tolist()]
    torch.testing.assert_close(found[::500], torch.tensor(exact, dtype=DOUBLE), atol=1e-6, rtol=0)
    slope = (found[2:] - found[:-2]) / (2 * width)
    torch.testing.assert_close(slope / found[1:-1], -2 - torch.cos(3 * t[1:-1]), atol=1e-4, rtol=0)


@pytest.mark.equation("4.28")
@pytest.mark.equation("4.29")
def test_a_bin_of_constant_density(generator: torch.Generator) -> None:
    """Inside bin i, T falls as T_i exp(-sigma_i (t - t_i)); the integral of T sigma over the bin is its weight."""
    rate, start, end, t = sp.symbols("sigma t_i t_j t", positive=True)
    integral = sp.integrate(rate * sp.exp(-rate * (t - start)), (t, start, end))
    assert sp.simplify(integral - (1 - sp.exp(-rate * (end - start)))) == 0
    density, delta = torch.rand(6, generator=generator, dtype=DOUBLE) * 4, torch.rand(6, generator=generator).double()
    before = [math.exp(-sum(density[j] * delta[j] for j in range(i))) for i in range(6)]
    fine = transmittance(density.repeat_interleave(10), delta.repeat_interleave(10) / 10).reshape(6, 10)
    found = weights(density, delta)
    for i in range(6):
        inside = torch.arange(10, dtype=DOUBLE) / 10 * delta[i]
        torch.testing.assert_close(fine[i], before[i] * torch.exp(-density[i] * inside))
        values = {rate: density[i].item(), start: 0.3, end: 0.3 + delta[i].item()}
        assert found[i].item() == pytest.approx(before[i] * float(integral.subs(values)), rel=1e-9)


@pytest.mark.equation("3.16")
def test_levels_grow_geometrically_from_first_to_last() -> None:
    assert resolutions(16, 16, 2048) == [16, 22, 30, 42, 58, 80, 111, 153, 212, 294, 406, 561, 776, 1072, 1482, 2048]
    assert resolutions(6, 6, 48) == [6, 9, 13, 20, 31, 48]
    assert resolutions(1, 5, 5) == [5]
    for levels in range(2, 20):
        for finest in (16, 48, 1000, 2048, 4096):
            n = resolutions(levels, 16, finest)
            assert (n[0], n[-1], len(n)) == (16, finest, levels) and n == sorted(n)
    for wrong in ((0, 4, 8), (3, 8, 4), (3, 0, 4)):
        with pytest.raises(ValueError, match="coarsest <= finest"):
            resolutions(*wrong)


@pytest.mark.equation("3.17")
def test_cells_are_floor_and_floor_plus_one(generator: torch.Generator) -> None:
    resolution = torch.tensor([[4], [7]], dtype=torch.int32)
    unit = torch.rand(3, 50, generator=generator, dtype=DOUBLE)
    lower, fraction = cells(unit, resolution)
    for level, n in enumerate((4, 7)):
        assert lower[:, level].tolist() == [[math.floor(x * n) for x in axis] for axis in unit.tolist()]
        torch.testing.assert_close(lower[:, level] + fraction[:, level], unit * n)
    lower, fraction = cells(torch.tensor([[0.0, 0.25, 0.5, 1.0]]).expand(3, 4), resolution[:1])  # lattice points
    assert lower[0, 0].tolist() == [0, 1, 2, 3] and fraction[0, 0].tolist() == [0, 0, 0, 1]


@pytest.mark.equation("3.17")
def test_interpolation_is_exact_at_vertices_and_continuous_across_cells(generator: torch.Generator) -> None:
    grid = HashGrid(levels=1, features=2, log2_table=14, coarsest=5, finest=5, bound=1.0, generator=generator).double()
    i = torch.arange(6, dtype=torch.int32)
    x, y, z = (q.flatten() for q in torch.meshgrid(i, i, i, indexing="ij"))
    points = torch.stack([x, y, z], -1).to(DOUBLE) / 5 * 2 - 1
    torch.testing.assert_close(grid(points), grid.table[dense_index(x, y, z, 6).long()], atol=1e-15, rtol=0)
    shared = HashGrid(
        levels=2, features=2, log2_table=6, coarsest=9, finest=13, bound=1.0, generator=generator
    ).double()  # hashed levels
    points = torch.rand(200, 3, generator=generator, dtype=DOUBLE) * 2 - 1
    points[:, 0] = 2 * 4 / 9 - 1  # on a face between two cells
    aside = torch.tensor([1e-10, 0, 0], dtype=DOUBLE)
    torch.testing.assert_close(shared(points - aside), shared(points + aside), atol=1e-11, rtol=0)


def reference_hash(x: int, y: int, z: int, log2_table: int) -> int:
    """(3.18) in unbounded integers, wrapped to 32 bits where C would."""
    return ((x & 0xFFFFFFFF) ^ (y * 2654435761 & 0xFFFFFFFF) ^ (z * 805459861 & 0xFFFFFFFF)) % 2**log2_table


@pytest.mark.equation("3.18")
@pytest.mark.parametrize("log2_table", [4, 14, 19, 24])
def test_hash_is_the_integer_formula(log2_table: int, generator: torch.Generator) -> None:
    corner = torch.randint(0, 100_000, (3, 500), generator=generator, dtype=torch.int32)
    expected = [reference_hash(*c, log2_table) for c in corner.t().tolist()]
    assert spatial_hash(*corner, log2_table).tolist() == expected


@pytest.mark.equation("3.18")
def test_hash_spreads_and_coarse_levels_are_dense() -> None:
    i = torch.arange(64, dtype=torch.int32)
    x, y, z = (q.flatten() for q in torch.meshgrid(i, i, i, indexing="ij"))
    load = torch.bincount(spatial_hash(x, y, z, 10), minlength=1024)  # 256 points a row on average
    assert load.min() > 128 and load.max() < 512
    rows = dense_index(x, y, z, 64)
    assert rows.unique().numel() == 64**3 and rows.max() == 64**3 - 1
    grid = HashGrid(
        levels=3, features=2, log2_table=9, coarsest=6, finest=8, bound=1.0
    )  # 343 and 512 points fit in 512 rows, 729 do not
    assert grid.resolutions == [6, 6, 8] and grid.dense == 2 and len(grid.table) == 343 * 2 + 512
    assert (
        HashGrid(levels=2, features=2, log2_table=9, coarsest=7, finest=7).dense == 2
        and HashGrid(levels=1, features=2, log2_table=9, coarsest=8, finest=8).dense == 0
    )


def brute_force(grid: HashGrid, point: list[float]) -> Tensor:
    """The encoding of one point by loops over levels and corners, from (3.16)-(3.18) alone."""
    out, first = [], 0
    for n in grid.resolutions:
        scaled = [(c / grid.bound + 1) / 2 * n for c in point]
        lower = [min(math.floor(s), n - 1) for s in scaled]
        dense = (n + 1) ** 3 <= 2**grid.log2_table
        total = 0
        for corner in range(8):
            up = [(corner >> k) & 1 for k in range(3)]
            x, y, z = (low + u for low, u in zip(lower, up))
            row = x + (n + 1) * y + (n + 1) ** 2 * z if dense else reference_hash(x, y, z, grid.log2_table)
            share = math.prod(s - low if u else 1 - s + low for s, low, u in zip(scaled, lower, up))
            total = total + share * grid.table[first + row]
        first += (n + 1) ** 3 if dense else 2**grid.log2_table
        out.append(total)
    return torch.cat(out)


@pytest.mark.equation("3.18")
@pytest.mark.parametrize("shape", [(6, 2, 10, 3, 40), (4, 4, 7, 2, 33), (1, 2, 14, 6, 6)])
def test_encoding_is_the_loop_over_corners(shape: tuple, generator: torch.Generator) -> None:
    names = ("levels", "features", "log2_table", "coarsest", "finest")
    grid = HashGrid(**dict(zip(names, shape)), generator=generator).double()
    points = (torch.rand(40, 3, generator=generator, dtype=DOUBLE) * 2 - 1) * 1.1
    points[:2] = torch.tensor([[1.1, 1.1, 1.1], [-1.1, 0, 1.1]], dtype=DOUBLE)
    expected = torch.stack([brute_force(grid, p) for p in points.tolist()])
    torch.testing.assert_close(grid(points), expected, atol=1e-16, rtol=1e-9)


@pytest.mark.equation("3.17")
@pytest.mark.equation("3.18")
@pytest.mark.parametrize("shape", [(6, 2, 10, 3, 40), (1, 2, 14, 6, 6), (3, 2, 9, 6, 8)])
@pytest.mark.parametrize("count", [0, 1, 255, 700])
def test_compiled_loops_have_the_bits_of_pytorch(shape: tuple, count: int, generator: torch.Generator) -> None:
    loops = pytest.importorskip("dreamtext_lib.radiance.loops", reason="the package numba is not installed")
    names = ("levels", "features", "log2_table", "coarsest", "finest")
    grid = HashGrid(**dict(zip(names, shape)), generator=generator)
    torch.nn.init.normal_(grid.table, generator=generator)
    points = (torch.rand(count, 3, generator=generator) * 2 - 1) * 1.2  # some outside
    points[:2] = torch.tensor([[1.1, 1.1, 1.1], [-1.1, 0, 1.1]])[:count]
    pull = torch.randn(count, grid.width, generator=generator)
    assert loops.fits(grid, points) and compiled() is loops
    ours, plain = grid(points), grid.interpolate(points)
    assert "Encode" in type(ours.grad_fn).__name__ and torch.equal(ours, plain)
    gradients = [torch.autograd.grad(out, grid.table, pull)[0] for out in (ours, plain)]
    assert len(loops.forward.signatures) == len(loops.backward.signatures) == 1, "not those that were warm"
    assert torch.equal(*gradients) and gradients[0].any() == bool(count)


def test_what_the_loops_do_not_know_is_left_to_pytorch(generator: torch.Generator) -> None:
    loops = pytest.importorskip("dreamtext_lib.radiance.loops", reason="the package numba is not installed")
    points, grid = torch.rand(5, 3, generator=generator), HashGrid(generator=generator)
    assert loops.fits(grid, points) and not loops.fits(HashGrid(features=4), points)
    assert not loops.fits(grid, points.double()) and not loops.fits(grid, points.to("meta"))
    sloped = points.clone().requires_grad_()
    assert not loops.fits(grid, sloped) and torch.autograd.grad(grid(sloped).sum(), sloped)[0].any()
    with torch.no_grad():
        assert loops.fits(grid, sloped)


@pytest.mark.parametrize("error", [ImportError("no numba"), OSError("no LLVM"), RuntimeError("cannot cache")])
def test_without_numba_pytorch_encodes(error: Exception, monkeypatch, generator: torch.Generator) -> None:
    class Refuses:
        def find_spec(self, name, *_):
            if name == "dreamtext_lib.radiance.loops":
                raise error

    monkeypatch.setattr("sys.meta_path", [Refuses(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "dreamtext_lib.radiance.loops", raising=False)
    monkeypatch.delattr("dreamtext_lib.radiance.loops", raising=False)
    compiled.cache_clear()
    grid = HashGrid(generator=generator)
    try:
        assert compiled() is None and "Encode" not in type(grid(torch.zeros(2, 3)).grad_fn).__name__
    finally:
        compiled.cache_clear()


@pytest.mark.equation("6.1")
def test_blob_is_linear_in_the_distance(generator: torch.Generator) -> None:
    points = torch.randn(100, 3, generator=generator)
    expected = torch.tensor([10 * (1 - math.dist(p, (0, 0, 0)) / 0.5) for p in points.tolist()])
    torch.testing.assert_close(blob(points), expected)
    assert blob(torch.zeros(3)).item() == 10 and abs(blob(torch.tensor([0, 0.3, -0.4])).item()) < 1e-5
    assert blob(torch.tensor([0.0, 1.0, 0.0]), value=3.0, radius=0.25).item() == pytest.approx(-9)


@pytest.mark.equation("6.1")
def test_blob_is_added_before_the_density_activation(generator: torch.Generator) -> None:
    points = torch.randn(100, 3, generator=generator) * 0.4
    fresh, _ = HashField(generator=generator)(points)
    torch.testing.assert_close(fresh, torch.nn.functional.softplus(blob(points)), rtol=1e-3, atol=1e-6)
