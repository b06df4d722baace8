"""What each kind of field asks of a fit: how it begins, how its rays are rendered, what it learns at which rate."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..capture.captures import Capture
from ..capture.carve import carve
from ..radiance.encoding import HashGrid
from ..radiance.field import ViewField
from ..radiance.nerf import NeRF, render_hierarchical
from ..radiance.occupancy import Occupancy
from ..radiance.rendering import Rendered, render_rays
from ..radiance.volume import March, Volume, World
from ..settings import Descent
from .recipe import FitRecipe

Draw = Callable[[str], torch.Generator]


class Way(NamedTuple):
    """One kind of fit."""

    fresh: Callable[[FitRecipe, Capture, torch.Generator], Volume]
    rays: Callable[..., tuple[Rendered, ...]]  # (volume, recipe, origins, directions, *, step, draw); the last is seen
    descent: Callable[[FitRecipe], Descent]


def world_of(capture: Capture) -> World:
    """The capture's ball: a fit counts in its radii."""
    return World(tuple(capture.centre.tolist()), capture.radius)


def fresh_hash(recipe: FitRecipe, capture: Capture, generator: torch.Generator) -> Volume:
    """Instant-NGP in the hull of the outlines (Mueller et al. 2022)."""
    g, v, rays = recipe.grid, recipe.voxels, recipe.rays
    grid = HashGrid.of(g, 1.0, generator)
    occupancy = Occupancy(
        v.voxels, 1.0, threshold=v.threshold, decay=v.decay, limit=carve(capture, v.voxels), cautious=True
    )
    field, march = ViewField(grid, g.hidden, generator=generator), March(rays.samples, stop=rays.light_end)
    return Volume(field, occupancy, world=world_of(capture), march=march, sight=True)


def hash_rays(
    volume: Volume, recipe: FitRecipe, origins: Tensor, directions: Tensor, *, step: int, draw: Draw
) -> tuple[Rendered]:
    """Few samples at first, when nothing is known; once the occupancy was renewed, rays end when their light does."""
    r = recipe.rays
    how = {
        "samples": min(r.samples_early, r.samples) if step < r.early_until * recipe.steps else r.samples,
        "stop": r.light_end if step >= recipe.voxels.renew_every else 0.0,
        "generator": draw("samples"),
    }
    return (render_rays(volume.field, volume.occupancy, origins, directions, **how),)


def fresh_nerf(recipe: FitRecipe, capture: Capture, generator: torch.Generator, twice: bool) -> Volume:
    """NeRF as it was first written, with a coarse one beside it that says where to look, or without."""
    n, r = recipe.nerf, recipe.rays
    first, second = (
        NeRF(n.width, n.depth, n.position_levels, n.direction_levels, generator) if there else None
        for there in (True, twice)
    )
    march = March(r.samples, r.samples_more if twice else 0)
    return Volume(first, world=world_of(capture), march=march, coarse=second, sight=True)


def nerf_rays(
    volume: Volume, recipe: FitRecipe, origins: Tensor, directions: Tensor, *, step: int, draw: Draw
) -> tuple[Rendered, ...]:
    """Even samples; with a coarse field these, and then more where they mattered (3.15)."""
    how = {"samples": recipe.rays.samples, "generator": draw("samples")}
    if volume.coarse is None:
        return (render_rays(volume.field, None, origins, directions, **how),)
    return render_hierarchical(volume.coarse, volume.field, origins, directions, extra=recipe.rays.samples_more, **how)


def hash_descent(recipe: FitRecipe) -> Descent:
    """One rate for the tables, one for the networks."""
    return recipe.descent


def nerf_descent(recipe: FitRecipe) -> Descent:
    """One rate: there is no table."""
    return recipe.descent.with_fields(rate_net=recipe.nerf.rate_nerf)


def learned(volume: Volume) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The hash tables, if any, and all other parameters of a volume."""
    named = [(n, p) for module in volume.modules.values() for n, p in module.named_parameters()]
    return tuple([p for n, p in named if n.startswith("grid.") == table] for table in (True, False))


WAYS = {
    "hash": Way(fresh_hash, hash_rays, hash_descent),
    "vanilla": Way(partial(fresh_nerf, twice=False), nerf_rays, nerf_descent),
    "hierarchical": Way(partial(fresh_nerf, twice=True), nerf_rays, nerf_descent),
}
