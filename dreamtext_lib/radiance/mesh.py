"""From a field to a file: marching cubes, vertex colours, GLB, OBJ or PLY."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor

from ..files import write_bytes
from .field import Field
from .glb import glb

CHUNK = 65536  # points a query
Z_UP_TO_Y_UP = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float64)  # our left, up, front are x, y, z of glTF


def density_volume(
    density: Callable[[Tensor], Tensor], resolution: int, radius: float, device: torch.device | str = "cpu"
) -> Tensor:
    """Density at resolution^3 lattice points of [-radius, radius]^3, 0 outside the sphere of `radius`: (n, n, n)."""
    axis = torch.linspace(-radius, radius, resolution, device=device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)  # (n^3, 3)
    inside = (points.square().sum(-1) < radius**2).nonzero()[:, 0]
    volume = points.new_zeros(len(points))
    volume[inside] = torch.cat([density(p) for p in points[inside].split(CHUNK)])
    return volume.view(resolution, resolution, resolution)


def surface_density(volume: Tensor, spacing: float) -> float:
    """The density of the surface that renders show, for marching cubes: half of the density where rays lose sight.

    Rays are sent through the volume (n, n, n) along the three axes, both ways. Where one has lost half of its light
    (optical depth ln 2) lies the surface it sees; the median of the densities there is divided by two, because an edge
    stands half way up to it. This follows the field's own scale: a fog of density 10 and a wall of density 500 both
    give a mesh of the size of their silhouette. Raises ValueError if no ray loses half of its light.
    """
    seen = []
    for axis in range(3):
        for v in (volume, volume.flip(axis)):
            v = v.movedim(axis, -1).reshape(-1, volume.shape[axis])  # (rays, n)
            lost = (v * spacing).cumsum(-1) > np.log(2)
            rays = lost[:, -1].nonzero()[:, 0]
            seen.append(v[rays, lost[rays].int().argmax(-1)])  # argmax finds the first
    seen = torch.cat(seen)
    if len(seen) == 0:
        raise ValueError("the field is empty: no ray through it loses half of its light, so there is no surface")
    return seen.median().item() / 2


def hidden(volume: Tensor, spacing: float) -> Tensor:
    """How much of the light from the best of six sides is lost on the way to each lattice point: (n, n, n), 0..1.

    1 - max over +-x, +-y, +-z of the transmittance (3.11) from there. Half is where an eye would place the surface,
    whatever the scale of the densities, and what lies behind a wall is hidden even where the field left it thin.
    """
    reached = torch.zeros_like(volume)
    for axis in range(3):
        for turned in (False, True):
            v = volume.flip(axis) if turned else volume
            light = torch.exp(-((v.cumsum(axis) - v / 2) * spacing))  # to the middle of each cell
            reached = torch.maximum(reached, light.flip(axis) if turned else light)
    return 1 - reached


@torch.no_grad()
def extract(
    field: Field,
    resolution: int = 96,
    *,
    threshold: float | None = None,
    radius: float = 1.0,
    keep: float = 0.05,
    device: torch.device | str | None = None,
    sight: bool = False,
) -> trimesh.Trimesh:
    """A closed mesh, z up, with the albedo as vertex colours (0..255).

    Marching cubes on resolution^3 densities inside the sphere of `radius`, at `threshold` (None: `surface_density`);
    `sight`: instead, where half of the light is lost (`hidden`), for fields whose inside no picture has shown;
    components of less than a share `keep` of the faces of the largest are dropped. `device` None: where the field's
    parameters are, the CPU for a plain function. Raises ValueError, in one
    sentence, if no density reaches the threshold or if a density is not finite.
    """
    if device is None:
        device = next(field.parameters()).device if isinstance(field, torch.nn.Module) else "cpu"
    spacing = 2 * radius / (resolution - 1)
    volume = density_volume(field.density, resolution, radius, device)
    if not volume.isfinite().all():
        raise ValueError("the field is broken: its density is not finite everywhere")
    if sight:
        volume, threshold = hidden(volume, spacing), 0.5 if threshold is None else threshold
    level = surface_density(volume, spacing) if threshold is None else threshold
    if not 0 < level < volume.max():
        what = "share of light that it takes" if sight else "density"
        raise ValueError(f"the field is empty: its {what} stays at {volume.max():.3g}, below the level {level:.3g}")
    padded = np.pad(volume.cpu().numpy(), 1)  # air around, so that the surface closes
    vertices, faces, _, _ = marching_cubes(padded, level, spacing=(spacing,) * 3, gradient_direction="ascent")
    mesh = trimesh.Trimesh(vertices - spacing - radius, faces)
    mesh = _largest(mesh, keep)
    vertices = torch.as_tensor(np.array(mesh.vertices), dtype=torch.float32, device=device)
    albedo = torch.cat([field(v)[1] for v in vertices.split(CHUNK)])
    mesh.visual.vertex_colors = (albedo.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return mesh


def _largest(mesh: trimesh.Trimesh, keep: float) -> trimesh.Trimesh:
    """The components that have at least a share `keep` of the faces of the largest."""
    labels = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    sizes = np.bincount(labels)
    mesh.update_faces((sizes >= keep * sizes.max())[labels])
    mesh.remove_unreferenced_vertices()
    return mesh


def mesh_format(path: Path) -> str:
    """The format that a mesh's ending asks for: glb, obj or ply. Raises ValueError for another ending."""
    if (kind := Path(path).suffix.lower().lstrip(".")) not in ("glb", "obj", "ply"):
        raise ValueError(f"a mesh is written as .glb, .obj or .ply, not as '{Path(path).name}'")
    return kind


def write_mesh(mesh: trimesh.Trimesh, path: Path) -> None:
    """Write a mesh with normals and vertex colours as .glb, .obj or .ply by the ending of `path`, whole or not at all.

    OBJ and PLY keep our axes (x front, y left, z up) and the colours of the screen (sRGB), as the programs that read
    them expect. GLB gets the axes of glTF (z front, x left, y up), linear colours and a matte material (`glb`).
    Raises ValueError for another ending.
    """
    kind = mesh_format(path)
    if kind == "glb":
        colours = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
        data = glb(mesh.vertices @ Z_UP_TO_Y_UP.T, mesh.faces, mesh.vertex_normals @ Z_UP_TO_Y_UP.T, colours)
    elif kind == "obj":
        data = mesh.export(file_type=kind, include_normals=True, include_color=True)
    else:
        data = mesh.export(file_type=kind, vertex_normal=True)
    write_bytes(Path(path), data.encode("utf-8") if isinstance(data, str) else data)
