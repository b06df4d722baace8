"""A training view: where the camera stands, how the light falls, what the field shows to it (thesis 6.1.4, 6.1.5)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..radiance.cameras import Cameras, rays, sample_cameras
from ..radiance.field import Matte
from ..radiance.latent import LatentGrid
from ..radiance.rendering import Rendered, composite, render_rays
from ..radiance.shading import Shading, sample_light, shade, surface_normals
from ..radiance.volume import Volume
from .recipe import Light, Recipe, Views

Draw = Callable[[str], torch.Generator]


class View(NamedTuple):
    """B pictures of a volume, or what a field of latents shows in their place, and how they came about."""

    rgb: Tensor  # (B, 3, S, S) in 0..1, over its wall; latents (B, c, S, S) of a field that holds these
    seen: Rendered  # the B S S rays behind them, without the wall
    cameras: Cameras
    shading: Shading
    averted: Tensor | None = None  # (B S S,) 0..1 how far normals turn away; None where no normals were asked for


def look(volume: Volume, recipe: Recipe, fraction: float, draw: Draw) -> View:
    """A batch of random views, `fraction` 0..1 of the run being over. Gradients reach the parameters of the field.

    `draw` gives the generator for a purpose: camera, shading, samples, light, wall.
    """
    v = recipe.views
    cameras = aim(v, draw("camera"))
    shading = choose_shading(recipe.light, fraction, draw("shading"))
    o, d = (r.to(volume.device) for r in rays(cameras.sized(v.size)))  # (B, S S, 3)
    if isinstance(volume.field, LatentGrid):
        return look_at_latents(volume, v, cameras, o, d, draw)
    seen = volume.render(o.reshape(-1, 3), d.reshape(-1, 3), v.samples, draw("samples"))  # B S S rays
    rgb, normal = lit(volume, recipe.light, shading, seen, o, draw("light"))  # (B S S, 3)
    wall = v.background_min + (v.background_max - v.background_min) * torch.rand(v.batch, 1, 1, generator=draw("wall"))
    image = composite(rgb, seen.opacity, wall.to(rgb).expand_as(o).reshape(-1, 3))
    averted = None if normal is None else turned_away(seen.opacity, normal, d.reshape(-1, 3))
    return View(image.view(v.batch, v.size, v.size, 3).permute(0, 3, 1, 2), seen, cameras, shading, averted)


def look_at_latents(
    volume: Volume, views: Views, cameras: Cameras, origins: Tensor, directions: Tensor, draw: Draw
) -> View:
    """The same for a field of latents, one ray a latent, which no lamp can light; rays (B, S S, 3)."""
    v, field = views, volume.field
    how = {"samples": v.samples, "radius": volume.radius, "generator": draw("samples")}
    o, d = origins.reshape(-1, 3), directions.reshape(-1, 3)
    seen = render_rays(Matte(field.features), volume.occupancy, o, d, **how)  # B S S rays
    dark, light = field.walls  # (c,) each
    wall = torch.lerp(dark, light, torch.rand(v.batch, 1, 1, generator=draw("wall")).to(dark))  # (B, 1, c)
    latents = composite(seen.rgb, seen.opacity, wall.expand(-1, v.size**2, -1).reshape(-1, len(dark)))
    return View(latents.view(v.batch, v.size, v.size, -1).permute(0, 3, 1, 2), seen, cameras, "albedo")


def aim(views: Views, generator: torch.Generator) -> Cameras:
    """The cameras of a step."""
    v = views
    return sample_cameras(
        v.batch,
        generator,
        front_share=v.front_share,
        overhead_share=v.overhead_share,
        overhead=(v.overhead_min, v.overhead_max),
        elevation=(v.elevation_min, v.elevation_max),
        radius=(v.radius_min, v.radius_max),
        fov=(v.fov_min, v.fov_max),
    )


def choose_shading(light: Light, fraction: float, generator: torch.Generator) -> Shading:
    """Colours alone at first, then one of three kinds at random (6.1.4)."""
    u = torch.rand((), generator=generator).item()
    if fraction < light.albedo_until or u < light.albedo_share:
        return "albedo"
    return "textureless" if u < light.albedo_share + light.textureless_share else "lambertian"


def lit(
    volume: Volume, light: Light, shading: Shading, seen: Rendered, origins: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """The rays' colours under a lamp near each camera, premultiplied (N, 3), and normals (N, 3) if they were needed.

    origins (B, N / B, 3).
    """
    if shading == "albedo":
        return seen.rgb, None
    place = origins[:, 0] + light.lamp_lift * origins.new_tensor([0, 0, 1])  # (B, 3)
    lamp = sample_light(place, generator, spread=light.lamp_spread)[:, None].expand_as(origins).reshape(-1, 3)
    normal = surface_normals(volume.field, seen)
    return shade(shading, seen.rgb, seen.opacity, normal, lamp, ambient=light.ambient), normal


def turned_away(opacity: Tensor, normal: Tensor, direction: Tensor) -> Tensor:
    """How far the surface that a ray meets turns its back to the camera: A max(0, n . d)^2 (Verbin et al. 2022).

    opacity A (N,) is held fixed; normal n and direction d (N, 3), d from the camera into the scene -> (N,) in 0..1. A
    visible surface faces the camera, n . d < 0, and costs nothing. There is one normal a ray here, where the ray is
    expected to end; the source has one a sample.

    >>> d = torch.tensor([[0.0, 0.0, -1.0]])  # looking down
    >>> turned_away(torch.ones(1), -d, d), turned_away(torch.ones(1), d, d)
    (tensor([0.]), tensor([1.]))
    """
    return opacity.detach() * (normal * direction).sum(-1).clamp(min=0) ** 2
