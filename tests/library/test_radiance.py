"""The radiance package: encoding, field, occupancy, rendering, shading, mesh."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamtext_lib.radiance.cameras import orbit, rays, turntable
from dreamtext_lib.radiance.encoding import HashGrid
from dreamtext_lib.radiance.field import HashField, Matte, blob
from dreamtext_lib.radiance.mesh import extract, surface_density, write_mesh
from dreamtext_lib.radiance.occupancy import Occupancy
from dreamtext_lib.radiance.rendering import composite, render_rays, transmittance, weights
from dreamtext_lib.radiance.shading import normals_at, sample_light, shade, surface_normals


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@Matte
def ball(points: Tensor, radius: float = 0.6, density: float = 200.0) -> tuple[Tensor, Tensor]:
    """A ball with an edge 0.02 wide, red where x > 0 and blue elsewhere."""
    inside = torch.sigmoid((radius - points.norm(dim=-1)) / 0.005) * density
    colours = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.2, 0.8]], dtype=points.dtype)
    return inside, colours[(points[:, 0] <= 0).long()]


def camera_rays(size: int) -> tuple[Tensor, Tensor]:
    cameras = turntable(1)
    origins, directions = rays(cameras.sized(size))
    return origins[0], directions[0]


# encoding ------------------------------------------------------------------------------------------------------------


def test_dense_level_equals_grid_sample(generator: torch.Generator) -> None:
    grid = HashGrid(levels=1, features=4, log2_table=12, coarsest=9, finest=9, generator=generator).double()
    points = (torch.rand(300, 3, generator=generator, dtype=torch.float64) * 2 - 1) * 1.1
    volume = grid.table.t().view(1, 4, 10, 10, 10)  # rows run z, y, x: x fastest, as grid_sample wants it
    expected = torch.nn.functional.grid_sample(volume, points.view(1, -1, 1, 1, 3) / 1.1, align_corners=True)
    torch.testing.assert_close(grid(points), expected.view(4, -1).t(), atol=1e-15, rtol=1e-9)


@pytest.mark.parametrize("features", [2, 4])
def test_gradients_of_table_and_points(features: int, generator: torch.Generator) -> None:
    grid = HashGrid(
        levels=3, features=features, log2_table=4, coarsest=1, finest=5, generator=generator
    ).double()  # a dense level and two hashed ones
    points = (torch.rand(7, 3, generator=generator, dtype=torch.float64) * 2 - 1).requires_grad_()
    table = grid.table.detach().clone().requires_grad_()

    def encode(table: Tensor, points: Tensor) -> Tensor:
        return torch.func.functional_call(grid, {"table": table}, (points,)) * 1e3

    assert 0 < grid.dense < 3
    assert torch.autograd.gradcheck(encode, (table, points))


def test_encoding_of_odd_inputs() -> None:
    grid = HashGrid()
    assert grid(torch.zeros(0, 3)).shape == (0, 12)
    far = torch.tensor([[50.0, -0.2, 0.3], [float("inf"), float("-inf"), 0.0]])
    torch.testing.assert_close(grid(far[:1]), grid(torch.tensor([[1.1, -0.2, 0.3]])))
    assert grid(far).isfinite().all()
    with pytest.raises(ValueError, match="even"):
        HashGrid(features=3)
    with pytest.raises(ValueError, match=r"\(N, 3\), got \(5, 2\)"):
        grid(torch.zeros(5, 2))


def test_encoding_and_field_on_the_meta_device() -> None:
    field = HashField().to("meta")
    density, albedo = field(torch.empty(11, 3, device="meta"))
    assert density.is_meta and density.shape == (11,) and albedo.shape == (11, 3)
    (density.sum() + albedo.sum()).backward()
    assert field.grid.table.grad.shape == field.grid.table.shape


# field and occupancy -------------------------------------------------------------------------------------------------


def test_a_seed_fixes_field_occupancy_render_and_gradients_bit_for_bit() -> None:
    def run() -> list[Tensor]:
        generator = torch.Generator().manual_seed(3)
        field, occupancy = HashField(generator=generator), Occupancy()
        occupancy.update(field.density, generator)
        rendered = render_rays(field, occupancy, *camera_rays(16), samples=24, generator=generator)
        rendered.rgb.square().sum().backward()
        return [*rendered, occupancy.density, *(p.grad for p in field.parameters())]

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)  # the global generator plays no part
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


def test_field_ranges_and_density_alone(generator: torch.Generator) -> None:
    field = HashField(generator=generator)
    field.grid.table.data.normal_(generator=generator)
    points = torch.rand(500, 3, generator=generator) * 2 - 1
    density, albedo = field(points)
    assert density.min() >= 0 and albedo.min() > 0 and albedo.max() < 1
    torch.testing.assert_close(field.density(points), density)
    origin = torch.zeros(1, 3, requires_grad=True)
    blob(origin).sum().backward()
    assert torch.equal(origin.grad, torch.zeros(1, 3))


def test_occupancy_finds_a_ball_remembers_it_and_forgets(generator: torch.Generator) -> None:
    occupancy = Occupancy(resolution=16, threshold=0.5, decay=0.5)
    points = torch.rand(4000, 3, generator=generator) * 2 - 1
    assert occupancy(points).all()
    share = occupancy.update(lambda p: ball(p)[0])
    assert 0.1 < share < 0.5 and share == pytest.approx(occupancy.mask.float().mean().item())
    radius, seen = points.norm(dim=-1), occupancy(points)
    assert seen[radius < 0.65].all()  # the dilation covers the edge
    assert not seen[radius > 0.6 + 2 * math.sqrt(3) * 2 / 16].any()
    occupancy.update(lambda p: 0 * p[:, 0])
    assert occupancy(points)[radius < 0.5].all()  # 200 halves once
    for _ in range(9):
        occupancy.update(lambda p: 0 * p[:, 0], generator)
    assert not occupancy(points).any()


def test_a_cautious_occupancy_keeps_a_fog_that_is_thin_everywhere() -> None:
    for limit in (None, torch.ones(12, 12, 12, dtype=torch.bool)):
        cautious, bold = (Occupancy(12, threshold=2.0, limit=limit, cautious=c) for c in (True, False))
        for occupancy, share in ((cautious, 1), (bold, 0)):  # alike everywhere, and thinner than the threshold
            assert occupancy.update(lambda p: 0.3 * torch.ones_like(p[:, 0])) == share


def test_occupancy_dilates_by_one_voxel_and_keeps_its_axes_apart() -> None:
    occupancy = Occupancy(resolution=10, bound=2.0)
    occupancy.update(lambda p: (p - torch.tensor([1.0, -1.0, 0.2])).abs().amax(-1).lt(0.15).float())
    assert occupancy.density.nonzero().tolist() == [[7, 2, 5]]
    assert occupancy.mask.sum() == 27 and occupancy.mask[6:9, 1:4, 4:7].all()
    points = torch.tensor([[1.0, -1.0, 0.2], [-1.0, 1.0, 0.2], [1.5, -1.5, 0.6], [9.0, 0.0, 0.0]])
    assert occupancy(points).tolist() == [True, False, True, False]


# rendering -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.0, 1e-8, 1.0, 1e4, 1e20, 1e38])
@pytest.mark.parametrize("delta", [0.0, 1e-6, 0.05, 10.0])
def test_weights_have_finite_values_and_gradients(sigma: float, delta: float) -> None:
    density = torch.full((2, 7), sigma, requires_grad=True)
    step = torch.full((2, 1), delta, requires_grad=True)
    w = weights(density, step)
    (w * torch.arange(7.0)).sum().backward()
    assert w.min() >= 0 and w.sum(-1).max() <= 1 + 1e-6 and transmittance(density, step).isfinite().all()
    assert density.grad.isfinite().all()
    if sigma < 1e20:  # beyond it 1 / sigma itself is no number
        assert step.grad.isfinite().all()


def test_weights_gradcheck(generator: torch.Generator) -> None:
    density = (torch.rand(3, 6, generator=generator, dtype=torch.float64) * 4).requires_grad_()
    delta = torch.rand(3, 1, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(weights, (density, delta))


def test_a_homogeneous_ball_follows_beer_and_lambert(generator: torch.Generator) -> None:
    """Opacity 1 - exp(-sigma chord) at every pixel, bin centres or drawn samples, and rays outside see nothing."""
    origins, directions = camera_rays(24)
    cross = torch.linalg.cross(origins, directions).norm(dim=-1)  # distance of the ray from the centre
    chord = 2 * (0.9**2 - cross**2).clamp(min=0).sqrt()

    @Matte
    def fog(points: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(points[:, 0], 1.3), torch.full_like(points, 0.25)

    for source in (None, generator):
        rendered = render_rays(fog, None, origins, directions, samples=10, radius=0.9, generator=source)
        torch.testing.assert_close(rendered.opacity, 1 - torch.exp(-1.3 * chord), atol=1e-4, rtol=0)
        torch.testing.assert_close(rendered.rgb, 0.25 * rendered.opacity[:, None].expand(-1, 3))
        torch.testing.assert_close(rendered.weights.sum(-1), rendered.opacity)
    assert (rendered.opacity[cross > 0.9] == 0).all() and (cross > 0.9).any()


def test_an_opaque_ball_has_the_depth_point_and_colour_of_its_surface() -> None:
    origins, directions = torch.tensor([[3.0, 0, 0], [0, 3.0, 0.3]]), torch.tensor([[-1.0, 0, 0], [0, -1.0, 0]])
    rendered = render_rays(ball, None, origins, directions, samples=400)
    expected = torch.tensor([[0.6, 0, 0], [0, math.sqrt(0.36 - 0.09), 0.3]])
    torch.testing.assert_close(rendered.point, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(rendered.depth, 3 - expected.amax(-1), atol=0.02, rtol=0)
    torch.testing.assert_close(rendered.rgb[0], torch.tensor([0.9, 0.1, 0.1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(rendered.opacity, torch.ones(2), atol=1e-4, rtol=0)


def test_skipping_empty_space_changes_nothing_but_the_cost() -> None:
    origins, directions = camera_rays(20)
    occupancy = Occupancy()
    occupancy.update(lambda p: ball(p)[0])
    asked = []

    @Matte
    def counted(points: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(len(points))
        return ball(points)

    skipped = render_rays(counted, occupancy, origins, directions, samples=32)
    full = render_rays(counted, None, origins, directions, samples=32)
    assert asked[0] < 0.6 * asked[1]
    solid = full.opacity > 0.1  # the depth of a fainter ray hangs on the tail that was skipped
    for a, b in zip(skipped, full, strict=True):
        torch.testing.assert_close(a[solid], b[solid], atol=1e-3, rtol=0)
    torch.testing.assert_close(skipped.opacity, full.opacity, atol=1e-3, rtol=0)


def test_rays_beside_or_behind_the_sphere_are_never_asked() -> None:
    origins, directions = camera_rays(20)

    @Matte
    def unreachable(points: Tensor) -> tuple[Tensor, Tensor]:
        assert len(points) == 0
        return points[:, 0], points

    aside = torch.linalg.cross(origins, directions).norm(dim=-1) > 1
    assert 0 < aside.sum() < 400
    render_rays(unreachable, None, origins[aside], directions[aside], samples=8)
    render_rays(unreachable, None, origins, -directions, samples=8)


def test_a_field_learns_a_ball_from_its_views(generator: torch.Generator) -> None:
    field, occupancy = HashField(generator=generator), Occupancy()
    cameras = turntable(8)
    origins, directions = (q.flatten(0, 1) for q in rays(cameras.sized(24)))
    with torch.no_grad():
        truth = render_rays(ball, None, origins, directions, samples=80)
        truth = composite(truth.rgb, truth.opacity, 1.0)
    optimiser = torch.optim.Adam(field.parameters(), 2e-2, betas=(0.9, 0.99), eps=1e-15)
    for step in range(80):
        if step % 10 == 0:
            occupancy.update(field.density, generator)
        batch = torch.randint(len(truth), (600,), generator=generator)
        seen = render_rays(field, occupancy, origins[batch], directions[batch], samples=24, generator=generator)
        loss = (composite(seen.rgb, seen.opacity, 1.0) - truth[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    between = orbit(torch.arange(8) * 45.0 + 20, 15.0)  # views it has not seen
    origins, directions = (q.flatten(0, 1) for q in rays(between.sized(24)))
    with torch.no_grad():
        seen = render_rays(field, occupancy, origins, directions, samples=48)
        truth = render_rays(ball, None, origins, directions, samples=80)
        error = composite(seen.rgb, seen.opacity, 1.0) - composite(truth.rgb, truth.opacity, 1.0)
    assert -10 * error.square().mean().log10() > 22
    mesh = extract(field, resolution=48)
    assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(0.6, abs=0.05)


def test_packed_rendering_equals_the_loop_over_rays(generator: torch.Generator) -> None:
    """One ray at a time, one sample at a time, by (3.13), with the gradient of the field's parameters."""
    field = HashField(
        HashGrid(levels=2, features=2, log2_table=8, coarsest=3, finest=6, generator=generator),
        hidden=8,
        generator=generator,
    ).double()
    field.grid.table.data.normal_(generator=generator)
    origins, directions = (q.double() for q in camera_rays(5))
    rendered = render_rays(field, None, origins, directions, samples=9)
    target = torch.rand(25, 3, generator=generator, dtype=torch.float64)
    composite(rendered.rgb, rendered.opacity, 0.7).sub(target).square().sum().backward()
    packed = [p.grad.clone() for p in field.parameters()]
    field.zero_grad()
    loss = 0
    for o, d, goal in zip(origins, directions, target):
        b, c = o @ d, o @ o - 1
        colour, light = torch.zeros(3, dtype=torch.float64), torch.ones((), dtype=torch.float64)
        if b * b > c:
            half = (b * b - c).sqrt()
            for i in range(9):
                density, albedo = field((o + (-b - half + (i + 0.5) * 2 * half / 9) * d)[None])
                alpha = 1 - torch.exp(-density[0] * 2 * half / 9)
                colour, light = colour + light * alpha * albedo[0], light * (1 - alpha)
        loss = loss + (colour + light * 0.7 - goal).square().sum()
    loss.backward()
    for a, p in zip(packed, field.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, rtol=1e-8, atol=1e-12)


def test_rays_that_meet_nothing_have_zero_gradients() -> None:
    field = HashField()
    nowhere = Occupancy()
    nowhere.mask.zero_()
    hit = (torch.tensor([[3.0, 0, 0]]), torch.tensor([[-1.0, 0, 0]]))
    miss = (
        torch.tensor([[3.0, 0, 0], [0, 0, 3.0], [0, 1.0, 3.0]]),
        torch.tensor([[0, 1.0, 0], [0, 0, 1.0], [0, 0, -1.0]]),
    )
    for occupancy, (origins, directions) in ((nowhere, hit), (None, miss)):
        field.zero_grad()
        rendered = render_rays(field, occupancy, origins, directions, samples=12)
        assert all(q.isfinite().all() for q in rendered) and (rendered.opacity == 0).all()
        normal = surface_normals(field, rendered)
        lit = shade("lambertian", rendered.rgb, rendered.opacity, normal, torch.tensor([1.0, 0, 0]))
        (composite(lit, rendered.opacity, 1.0).sum() + rendered.depth.sum() + rendered.point.sum()).backward()
        assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in field.parameters())


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e6, 1e30])
def test_extreme_fields_have_finite_gradients(scale: float) -> None:
    factor = torch.tensor(scale, requires_grad=True)
    colour = torch.tensor(0.5, requires_grad=True)

    @Matte
    def field(points: Tensor) -> tuple[Tensor, Tensor]:
        return factor * ball(points)[0], colour * torch.ones_like(points)

    rendered = render_rays(field, None, *camera_rays(8), samples=16)
    normal = surface_normals(field, rendered)
    lit = shade("lambertian", rendered.rgb, rendered.opacity, normal, torch.tensor([1.0, 0, 0]))
    (composite(lit, rendered.opacity, 0.2).square().sum() + rendered.depth.sum()).backward()
    assert factor.grad.isfinite() and colour.grad.isfinite()


def test_render_rejects_other_shapes_and_composite_broadcasts() -> None:
    with pytest.raises(ValueError, match=r"rays must be \(R, 3\)"):
        render_rays(ball, None, torch.zeros(1, 4, 3), torch.zeros(1, 4, 3), samples=8)
    rgb, opacity = torch.full((2, 3), 0.2), torch.tensor([0.25, 1.0])
    expected = torch.tensor([[0.95, 0.95, 0.95], [0.2, 0.2, 0.2]])
    torch.testing.assert_close(composite(rgb, opacity, 1.0), expected)
    torch.testing.assert_close(composite(rgb, opacity, torch.ones(3)), expected)
    torch.testing.assert_close(composite(rgb, opacity, torch.ones(2, 3)), expected)


# shading -------------------------------------------------------------------------------------------------------------


def test_normals_of_a_ball_point_outward_and_flat_space_has_none(generator: torch.Generator) -> None:
    @Matte
    def soft(points: Tensor) -> tuple[Tensor, Tensor]:
        return torch.nn.functional.softplus(blob(points)), points

    outward = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator), dim=-1)
    normal = normals_at(soft, 0.4 * outward)
    assert (normal * outward).sum(-1).min() > 0.995
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(50))
    assert (normals_at(Matte(lambda p: (torch.ones(len(p)), p)), outward).abs() < 1e-2).all()


def test_surface_normals_reach_the_field_and_skip_faint_rays(generator: torch.Generator) -> None:
    field = HashField(generator=generator)
    rendered = render_rays(field, None, *camera_rays(16), samples=32)
    normal = surface_normals(field, rendered, least=0.05)
    solid = rendered.opacity > 0.05
    assert (normal[~solid] == 0).all() and (normal[solid].norm(dim=-1) > 0.9).all()
    outward = torch.nn.functional.normalize(rendered.point, dim=-1)
    assert (normal * outward).sum(-1)[solid].min() > 0.9
    (normal * torch.tensor([0.3, 0.5, -0.2])).sum().backward()
    assert field.grid.table.grad.abs().sum() > 0
    held = rendered._replace(point=rendered.point.detach().requires_grad_())
    surface_normals(field, held).sum().backward()
    assert held.point.grad is None  # a normal may not move its own point


def test_shading_modes() -> None:
    rgb, opacity = torch.tensor([[0.2, 0.4, 0.1]]).repeat(3, 1), torch.tensor([1.0, 0.5, 1.0])
    normal = torch.tensor([[0, 0, 1.0], [0, 1.0, 0], [0, 0, -1.0]])
    light = torch.tensor([0, 0.6, 0.8])
    assert shade("albedo", rgb, opacity, normal, light) is rgb
    lit = torch.tensor([0.2 + 0.8 * 0.8, 0.2 + 0.8 * 0.6, 0.2])[:, None]
    torch.testing.assert_close(shade("lambertian", rgb, opacity, normal, light, ambient=0.2), rgb * lit)
    torch.testing.assert_close(
        shade("textureless", rgb, opacity, normal, light, ambient=0.2), opacity[:, None] * lit.expand(3, 3)
    )
    with pytest.raises(ValueError, match="mode must be"):
        shade("phong", rgb, opacity, normal, light)


def test_light_is_drawn_around_the_camera(generator: torch.Generator) -> None:
    position = torch.tensor([0, 0, 3.0]).expand(2000, 3)
    light = sample_light(position, generator)
    torch.testing.assert_close(light.norm(dim=-1), torch.ones(2000))
    assert light[:, 2].mean() > 0.85 and light[:, :2].mean(0).abs().max() < 0.02
    torch.testing.assert_close(sample_light(position[:1], generator, spread=0.0), torch.tensor([[0, 0, 1.0]]))


# mesh ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ball_mesh() -> trimesh.Trimesh:
    return extract(ball, resolution=48)


def test_mesh_of_a_ball_is_a_ball(ball_mesh: trimesh.Trimesh) -> None:
    half_voxel = 1 / 47
    for mesh, off in ((ball_mesh, half_voxel), (extract(ball, resolution=48, threshold=100.0), half_voxel / 10)):
        assert mesh.is_watertight and mesh.is_winding_consistent
        radius = np.linalg.norm(mesh.vertices, axis=1)
        assert abs(radius.mean() - 0.6) < off and radius.max() - radius.min() < 2 * half_voxel
        assert mesh.volume == pytest.approx(4 / 3 * math.pi * radius.mean() ** 3, rel=0.01)  # > 0: faces look outward
    np.testing.assert_allclose(ball_mesh.vertices.mean(0), 0, atol=5e-3)
    colours = np.asarray(ball_mesh.visual.vertex_colors)
    front = ball_mesh.vertices[:, 0] > 0.01
    assert (colours[front, :3] == [230, 26, 26]).all()
    assert (colours[ball_mesh.vertices[:, 0] < -0.01, :3] == [26, 51, 204]).all()


def test_mesh_of_a_fresh_field_has_the_size_of_its_silhouette() -> None:
    """A soft ball: the default level puts the surface where a ray loses half of its light, to a voxel."""
    field = HashField()
    mesh = extract(field, resolution=48)
    axis = torch.linspace(0, 1, 201)
    origins = torch.stack([torch.full_like(axis, 3.0), axis, 0 * axis], -1)
    with torch.no_grad():
        rendered = render_rays(field, None, origins, torch.tensor([[-1.0, 0, 0]]).expand(201, 3), samples=200)
    silhouette = axis[(rendered.opacity > 0.5).sum() - 1].item()
    assert mesh.is_watertight
    assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(silhouette, abs=2 / 47)


def test_small_floaters_go_and_large_parts_stay() -> None:
    @Matte
    def three(points: Tensor) -> tuple[Tensor, Tensor]:
        parts = [((0.0, 0.0, -0.3), 0.4), ((0.0, 0.0, 0.5), 0.3), ((0.7, 0.0, 0.3), 0.07)]
        inside = [torch.sigmoid((r - (points - torch.tensor(c)).norm(dim=-1)) / 0.01) for c, r in parts]
        return 100 * torch.stack(inside).amax(0), torch.full_like(points, 0.5)

    assert extract(three, resolution=40, keep=0.1).body_count == 2
    assert extract(three, resolution=40, keep=0.0).body_count == 3


def test_a_field_that_reaches_the_sphere_is_closed() -> None:
    mesh = extract(Matte(lambda p: (torch.full_like(p[:, 0], 50.0), torch.ones_like(p))), resolution=32)
    assert mesh.is_watertight and mesh.bounds.min() < -0.9 and mesh.bounds.max() > 0.9


def test_empty_and_broken_fields_are_named() -> None:
    for density in (0.0, 1e-3):
        with pytest.raises(ValueError, match="the field is empty"):
            extract(Matte(lambda p, d=density: (torch.full_like(p[:, 0], d), p)), resolution=24)
    with pytest.raises(ValueError, match="below the level 500"):
        extract(ball, resolution=24, threshold=500.0)
    with pytest.raises(ValueError, match="not finite"):
        extract(Matte(lambda p: (p[:, 0] * float("nan"), p)), resolution=24)
    with pytest.raises(ValueError, match="empty"):
        surface_density(torch.zeros(4, 4, 4), 0.1)


def read_glb(path: Path) -> tuple[dict, list[np.ndarray]]:
    """The JSON of a GLB and its accessors, read by the specification and by no library."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and size % 4 == 0
    tree = json.loads(data[20 : 20 + size])
    rest, kind = struct.unpack_from("<I4s", data, 20 + size)
    buffer = data[28 + size :]
    assert kind == b"BIN\0" and rest == len(buffer) == tree["buffers"][0]["byteLength"]
    arrays = []
    for a in tree["accessors"]:
        view, wide = tree["bufferViews"][a["bufferView"]], {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[a["type"]]
        raw = buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        values = np.frombuffer(raw, {5126: "<f4", 5123: "<u2", 5125: "<u4"}[a["componentType"]])
        arrays.append(values.reshape(a["count"], wide))
    return tree, arrays


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_files_load_back_with_colours_and_axes(kind: str, ball_mesh: trimesh.Trimesh, tmp_path: Path) -> None:
    mesh = ball_mesh.copy()
    mesh.vertices = mesh.vertices * [1.0, 0.5, 1.5]  # front 0.6, left 0.3, up 0.9
    write_mesh(mesh, tmp_path / f"ball.{kind}")
    assert [p.name for p in tmp_path.iterdir()] == [f"ball.{kind}"]
    loaded = trimesh.load(tmp_path / f"ball.{kind}", force="mesh", process=False)
    front = {"glb": 2}.get(kind, 0)
    np.testing.assert_allclose(loaded.bounds[1], {"glb": [0.3, 0.9, 0.6]}.get(kind, [0.6, 0.3, 0.9]), atol=0.03)
    assert loaded.volume == pytest.approx(mesh.volume, rel=1e-3)  # a rotation, not a mirror
    ahead = loaded.vertices[:, front] > 0.01
    if kind == "glb":  # linear light in sixteen bits
        _, (_, place, _, light) = read_glb(tmp_path / "ball.glb")
        colours, expected = light[place[:, 2] > 0.01, :3] / 257, [202, 3, 3]
    else:
        colours, expected = np.asarray(loaded.visual.vertex_colors)[ahead, :3], [230, 26, 26]
    assert np.abs(colours.astype(int) - expected).max() <= 2
    outward = loaded.vertex_normals * loaded.vertices  # of an ellipsoid about the origin
    assert (outward.sum(1) > 0).all()


def test_a_glb_is_matte_has_normals_and_the_colours_of_the_screen(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    grey = np.linspace(0, 255, len(mesh.vertices)).round().astype(np.uint8)
    mesh.visual.vertex_colors = np.column_stack([grey, grey[::-1], np.full_like(grey, 7), np.full_like(grey, 255)])
    write_mesh(mesh, tmp_path / "ball.glb")
    tree, arrays = read_glb(tmp_path / "ball.glb")
    surface = tree["meshes"][0]["primitives"][0]
    material = tree["materials"][surface["material"]]["pbrMetallicRoughness"]
    assert (material["metallicFactor"], material["roughnessFactor"]) == (0, 1)
    assert material.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
    place, normal, light = (arrays[surface["attributes"][name]] for name in ("POSITION", "NORMAL", "COLOR_0"))
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    assert ((normal * place).sum(1) > 0.99).all()  # those of a ball point away from its middle
    np.testing.assert_allclose(place, np.roll(mesh.vertices, -1, axis=1), atol=1e-6)  # x front to z, y left to x
    linear = light[:, :3] / 65535
    screen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)  # as a viewer does
    assert (np.rint(screen * 255) == np.asarray(mesh.visual.vertex_colors)[:, :3]).all()  # the dark ones too
    assert (light[:, 3] == 65535).all() and tree["accessors"][surface["attributes"]["COLOR_0"]]["normalized"]
    bounds = tree["accessors"][surface["attributes"]["POSITION"]]
    assert (bounds["min"], bounds["max"]) == (place.min(0).tolist(), place.max(0).tolist())
    assert (arrays[surface["indices"]].reshape(-1, 3) == mesh.faces).all()


def test_a_failed_write_leaves_the_old_file(ball_mesh: trimesh.Trimesh, tmp_path: Path) -> None:
    (tmp_path / "mesh.stl").write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match=r"written as \.glb"):
        write_mesh(ball_mesh, tmp_path / "mesh.stl")
    assert (tmp_path / "mesh.stl").read_text(encoding="utf-8") == "old"
