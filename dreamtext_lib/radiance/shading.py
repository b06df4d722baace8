"""Light on a field: albedo, textureless and Lambertian pixels (thesis 6.1.4; Poole et al. 2022)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .field import Field
from .rendering import Rendered

Shading = Literal["albedo", "textureless", "lambertian"]
TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


def normals_at(field: Field, points: Tensor, step: float = 0.03) -> Tensor:
    """Unit vectors away from the dense side: n = -grad f / |grad f| of f = log(1 + density), by finite differences.

    points (N, 3) -> (N, 3); 0 where the density is flat. Four queries a point, at the corners of a tetrahedron of
    half side `step`; the logarithm keeps a steep density from drowning the slope at the foot of it. Gradients reach
    the field, once.
    """
    corners = torch.tensor(TETRAHEDRON, device=points.device, dtype=points.dtype)  # (4, 3)
    around = points + step * corners[:, None]  # (4, N, 3)
    f = torch.log1p(field.density(around.reshape(-1, 3))).view(4, -1)  # (4, N)
    return normalize(-torch.einsum("kn,kc->nc", f, corners), dim=-1, eps=1e-4)


def surface_normals(field: Field, rendered: Rendered, step: float = 0.03, least: float = 0.05) -> Tensor:
    """Normals where rays are expected to end, (R, 3); 0, and no query, for rays of an opacity below `least`.

    The points are held fixed: gradients reach the field through the densities around them.
    """
    solid = (rendered.opacity.detach() > least).nonzero()[:, 0]  # (K,)
    normal = normals_at(field, rendered.point.detach().index_select(0, solid), step)
    return torch.zeros_like(rendered.rgb).index_copy(0, solid, normal)


def sample_light(position: Tensor, generator: torch.Generator, spread: float = 1.0) -> Tensor:
    """Unit vectors towards a light near the camera: normalise(position + spread N(0, I)), (..., 3) -> (..., 3)."""
    noise = torch.randn(position.shape, generator=generator, device=generator.device, dtype=position.dtype)
    return normalize(position + spread * noise.to(position.device), dim=-1)


def shade(
    mode: Shading, rgb: Tensor, opacity: Tensor, normal: Tensor, light: Tensor, *, ambient: float | Tensor = 0.1
) -> Tensor:
    """Premultiplied pixels under a light: rgb * (ambient + (1 - ambient) max(0, n . l)), (R, 3).

    mode 'albedo' returns `rgb` as it is, 'lambertian' is the formula, 'textureless' the formula for a white object
    (rgb = opacity). rgb, normal (R, 3), opacity (R,), light (3,) or (R, 3) of unit length towards the light, ambient
    0..1 a number or (R,). A normal of 0 sees the ambient light only. Raises ValueError for another mode.

    >>> up, rgb, opacity = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.5, 0.0]]), torch.ones(1)
    >>> shade("lambertian", rgb, opacity, up, -up[0], ambient=0.5)  # the light is below
    tensor([[0.5000, 0.2500, 0.0000]])
    """
    if mode == "albedo":
        return rgb
    if mode not in ("textureless", "lambertian"):
        raise ValueError(f"mode must be 'albedo', 'textureless' or 'lambertian', got {mode!r}")
    lit = ambient + (1 - ambient) * (normal * light).sum(-1).clamp(min=0)  # (R,)
    return (opacity[:, None].expand_as(rgb) if mode == "textureless" else rgb) * lit[:, None]
