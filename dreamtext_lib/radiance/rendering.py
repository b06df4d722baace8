"""Volume rendering along rays (thesis 3.2.1 and 3.2.2; Max 1995; Mildenhall et al. 2020).

Throughout: t is the distance along a ray, delta the length of a bin, both in units of the world; density in 1 / unit.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .cameras import sphere_interval
from .field import Field

CHUNK = 1 << 18  # samples that a field is given at once; a toy's picture has fewer
FAINT = 1e-5  # a ray more transparent than this has no meaningful depth


class Rendered(NamedTuple):
    """R rays of S samples."""

    rgb: Tensor  # (R, 3) sum of weight * albedo: premultiplied, no background, 0..opacity
    opacity: Tensor  # (R,) share of the light that is absorbed, 0..1
    depth: Tensor  # (R,) expected distance from the origin of the ray, 0 where nothing is
    point: Tensor  # (R, 3) the ray at that depth
    weights: Tensor  # (R, S)
    t: Tensor  # (R, S) distances of the samples


def stratified(near: Tensor, far: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """One sample in each of N equal bins (3.12): t_i ~ U[near + (i-1)/N (far-near), near + i/N (far-near)].

    near, far (...) -> (..., samples), ascending. `generator` None takes the centres of the bins.

    >>> stratified(torch.tensor(2.0), torch.tensor(4.0), 4)
    tensor([2.2500, 2.7500, 3.2500, 3.7500])
    """
    bins = torch.arange(samples, device=near.device, dtype=near.dtype)
    shape = (*near.shape, samples)
    if generator is None:
        place = (bins + 0.5).expand(shape)
    else:
        place = bins + torch.rand(shape, generator=generator, device=generator.device, dtype=near.dtype).to(near.device)
    return near[..., None] + (far - near)[..., None] * (place / samples)


def intervals(t: Tensor, far: Tensor) -> Tensor:
    """delta_i = t_{i+1} - t_i with t_{N+1} = far (3.13): t (..., S), far (...) -> (..., S)."""
    return torch.cat([t[..., 1:], far[..., None]], -1) - t


def cells(t: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """Lengths of the stretches that are nearest to each sample: t (..., S) ascending, near, far (...) -> (..., S).

    They fill near..far without a gap; `intervals` leaves out what is before the first sample.

    >>> t, near, far = torch.tensor([1.0, 2.0]), torch.tensor(0.0), torch.tensor(4.0)
    >>> cells(t, near, far), intervals(t, far)
    (tensor([1.5000, 2.5000]), tensor([1., 2.]))
    """
    edges = torch.cat([near[..., None], (t[..., 1:] + t[..., :-1]) / 2, far[..., None]], -1)  # (..., S + 1)
    return edges.diff(dim=-1)


def transmittance(density: Tensor, delta: Tensor) -> Tensor:
    """Share of light that reaches each bin (3.11): T_i = exp(-sum_{j<i} sigma_j delta_j), from T_1 = 1.

    density (..., S), delta that broadcasts to it -> (..., S) in [0, 1], not rising along the ray.
    """
    depth = (density * delta)[..., :-1].cumsum(-1)
    return torch.cat([torch.ones_like(density[..., :1]), torch.exp(-depth)], -1)


def weights(density: Tensor, delta: Tensor) -> Tensor:
    """Share of a pixel that each bin paints (3.13): w_i = T_i (1 - exp(-sigma_i delta_i)).

    density (..., S), delta that broadcasts to it -> (..., S) in [0, 1], of sum 1 - T_{N+1}. Exact for a medium that is
    constant in each bin; finite with finite gradients for sigma = 0, delta = 0 and opaque bins.

    >>> weights(torch.tensor([0.0, float("inf"), 1.0]), torch.tensor(0.5))  # air, a wall, and what it hides
    tensor([0., 1., 0.])
    """
    return transmittance(density, delta) * -torch.expm1(-density * delta)


def render_rays(
    field: Field,
    occupancy: Callable[[Tensor], Tensor] | None,
    origins: Tensor,
    directions: Tensor,
    *,
    samples: int,
    radius: float = 1.0,
    generator: torch.Generator | None = None,
    stop: float = 0.0,
    chunk: int = CHUNK,
) -> Rendered:
    """Render R rays through the part of `field` inside the sphere of `radius` around the origin (3.10 by 3.13).

    origins, directions (R, 3), directions of unit length. `occupancy`: points (..., 3) -> (...) bool, samples in empty
    space are never given to the field; None asks for all. `generator` draws the samples (3.12); None takes the bin
    centres. Each sample stands for its whole bin, delta = (far - near) / samples: unlike the differences of (3.13)
    (`intervals`) this drops no stretch before the first sample, and its optical depth is unbiased. `stop` and `chunk`
    are those of `render_samples`.

    Gradients reach the parameters of the field; they are zero, and never nan, for rays that meet nothing.
    Raises ValueError for other shapes.
    """
    if origins.ndim != 2 or origins.shape[1] != 3 or directions.shape != origins.shape:
        raise ValueError(f"rays must be (R, 3) and (R, 3), got {tuple(origins.shape)} and {tuple(directions.shape)}")
    near, far, hit = sphere_interval(origins, directions, radius)  # (R,) each
    t = stratified(near, far, samples, generator)  # (R, S)
    delta = ((far - near) / samples)[:, None]  # (R, 1)
    return render_samples(field, occupancy, origins, directions, t, delta, hit=hit, stop=stop, chunk=chunk)


def render_samples(
    field: Field,
    occupancy: Callable[[Tensor], Tensor] | None,
    origins: Tensor,
    directions: Tensor,
    t: Tensor,
    delta: Tensor,
    *,
    hit: Tensor | None = None,
    stop: float = 0.0,
    chunk: int = CHUNK,
) -> Rendered:
    """Render R rays at the distances t (R, S), whose bins have the lengths delta (R, S) or (R, 1), by (3.13).

    `hit` (R,) bool: the rays that are looked at, None for all. `stop` above 0: the field's `density` is asked first,
    without gradient, and the samples that less than this share of the light reaches are dropped; all of them together
    would paint less. More than `chunk` samples go to the field piece by piece, and its inner values are computed again
    for the gradient instead of kept: memory grows with the chunk, not with the picture.
    """
    samples = t.shape[1]
    points = torch.addcmul(origins.t()[..., None], t, directions.t()[..., None])  # (3, R, S): one plane an axis
    asked = torch.ones_like(t, dtype=torch.bool) if hit is None else hit[:, None].expand_as(t)
    if occupancy is not None:
        asked = asked & occupancy(points.permute(1, 2, 0))  # (R, S)
    asked = asked.reshape(-1).nonzero()[:, 0]  # (M,) flat places of the samples that the field sees
    if stop > 0:
        with torch.no_grad():
            places = points.reshape(3, -1).index_select(1, asked).t()  # (M, 3)
            first = torch.cat([field.density(p) for p in places.split(chunk)])
            reach = transmittance(t.new_zeros(t.numel()).scatter(0, asked, first).view_as(t), delta)  # (R, S)
            asked = asked[reach.reshape(-1).index_select(0, asked) > stop]
    ray = asked // samples  # (M,)
    places, along = points.reshape(3, -1).index_select(1, asked).t(), directions.index_select(0, ray)  # (M, 3) each
    density, albedo = answers(field, places, along, chunk)  # (M,), (M, 3)

    sigma = t.new_zeros(t.numel()).scatter(0, asked, density).view_as(t)  # (R, S)
    w = weights(sigma, delta)  # (R, S)
    painted = w.reshape(-1).index_select(0, asked)[:, None] * albedo  # (M, 3)
    rgb = painted.new_zeros(len(origins), painted.shape[1]).index_add(0, ray, painted)  # (R, 3)
    opacity = w.sum(-1)
    depth = (w * t).sum(-1) / opacity.clamp(min=FAINT)
    return Rendered(rgb, opacity, depth, origins + depth[:, None] * directions, w, t)


def answers(field: Field, points: Tensor, directions: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Density (M,) and colour (M, 3) of a field at M places; beyond `chunk` in pieces, recomputed for the gradient."""
    if len(points) <= chunk:
        return field(points, directions)
    pieces = zip(points.split(chunk), directions.split(chunk))
    if torch.is_grad_enabled():
        parts = [checkpoint(field, *piece, use_reentrant=False) for piece in pieces]
    else:
        parts = [field(*piece) for piece in pieces]
    density, albedo = zip(*parts)
    return torch.cat(density), torch.cat(albedo)


def composite(rgb: Tensor, opacity: Tensor, background: Tensor | float) -> Tensor:
    """Lay a premultiplied colour (..., 3) over a background that broadcasts to it: C + (1 - opacity) background.

    >>> composite(torch.tensor([0.5, 0.0, 0.0]), torch.tensor(0.5), 1.0)  # half a red wall before a white one
    tensor([1.0000, 0.5000, 0.5000])
    """
    return rgb + (1 - opacity)[..., None] * background


def photometric(renderings: Sequence[Rendered], pixels: Tensor, wall: Tensor | float) -> Tensor:
    """Squared error of renderings of the same R rays (3.15): the mean over rays of sum_i |C_i - C|^2.

    pixels (R, 3) in 0..1, wall a number or (R, 3): what is behind the field. The thesis sums over the rays; the mean
    has the same minimum and does not grow with the batch.
    """
    error = sum((composite(r.rgb, r.opacity, wall) - pixels).square().sum(-1) for r in renderings)  # (R,)
    return error.mean()
