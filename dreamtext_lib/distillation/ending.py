"""Dreams in latents: how they begin, how they are seen, and how they end in colours (Metzer et al. 2023).

The score asks for latents. A field of colours has to be encoded at every step, and the slope goes back through the
encoder. A field that holds latents needs neither, and has one ray a latent instead of one a pixel. The price is that
its latents stand at no surface: where an outline is decoded, the field itself is fog.

So a finished dream is decoded from many sides, and a field of colours is fitted to these pictures, as one is fitted to
photographs. Outlines that a decoder drew do not agree to the pixel, so the views vote on where anything is.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, max_pool2d, max_pool3d

from ..descent import falling, optimiser_of
from ..radiance.cameras import Cameras, rays, sample_cameras
from ..radiance.encoding import HashGrid
from ..radiance.field import Matte, ViewField
from ..radiance.latent import LatentGrid
from ..radiance.occupancy import Occupancy
from ..radiance.rendering import Rendered, composite, photometric, render_rays
from ..radiance.volume import March, Volume
from ..runs import stream
from ..settings import Descent, Grid
from .prior import Prior
from .recipe import Recipe
from .regularisers import DECIDED, entropy

TOGETHER = 8  # views that are decoded at once
SAMPLES = 64  # samples a ray
FAINT, FIRM = 0.06, 0.2  # a pixel that differs less than this from its wall is air, one that differs more is object
FOG = 0.15  # an opacity of the field of latents below which its decoded pixel is air, whatever it shows
MOST, VOXELS = 0.7, 64  # share of the views that must show something for one of VOXELS^3 voxels to be asked
GRID = Grid(levels=6, features=2, log2_table=15, coarsest=8, finest=64)
DESCENT = Descent(rate_grid=2e-2, rate_net=5e-3, rate_end=0.1)
BLIND, STOP = 30, 1e-2  # after so many steps a ray ends where less than this share of its light is left
DECISION = 0.05  # weight of the entropy of opacity, rising from 0


def fresh_latents(recipe: Recipe, prior: Prior, seed: int) -> Volume:
    """The ball of noise (6.1) that a dream in latents starts from, drawn from the seed.

    Raises ValueError if the recipe's `size` is not that of the model's latents.
    """
    b, v = recipe.ball, recipe.views
    check_size(v.size, prior)
    walls = flat(prior, torch.tensor([[v.background_min] * 3, [v.background_max] * 3]))
    how = {"bound": b.bound, "blob_value": b.blob_value, "blob_radius": b.blob_radius}
    field = LatentGrid(recipe.latents.lattice, walls.shape[1], generator=stream(seed, 0, "field"), **how)
    field.set_colours(palette(prior), walls)
    return Volume(field.to(prior.device), None, b.bound)


def check_size(size: int, prior: Prior) -> None:
    """Raise ValueError unless a field of latents with `size` rays a side has one for each of the model's latents."""
    side = prior.encode_image(torch.zeros(1, 3, prior.pixels, prior.pixels).to(prior.device)).shape[-1]
    if size != side:
        raise ValueError(f"size is {size}; a field of latents has one ray a latent, and this model has {side} a side")


@torch.no_grad()
def flat(prior: Prior, colours: Tensor) -> Tensor:
    """The latents (N, c), in single precision, of pictures of one colour each, (N, 3) in 0..1: means over a picture."""
    pictures = colours.to(prior.device)[..., None, None].expand(-1, -1, prior.pixels, prior.pixels)
    return torch.cat([prior.encode_image(p).float().mean((2, 3)).cpu() for p in pictures.split(TOGETHER)])


def palette(prior: Prior, shades: int = 3) -> Tensor:
    """The linear map (c + 1, 3) from latents and a one to rgb that fits pictures of one colour best.

    Least squares over the shades^3 colours of a cube. It is rough: latents also say what a flat picture has not.
    In double precision, as in single the last digits hang on where memory lies, and a seed would not fix them.
    """
    axis = torch.linspace(0.05, 0.95, shades)
    colours = torch.cartesian_prod(axis, axis, axis)
    z = flat(prior, colours).double()
    return torch.linalg.lstsq(torch.cat([z, torch.ones(len(z), 1)], 1), colours.double()).solution.float()


def rendered(volume: Volume, cameras: Cameras, size: int) -> Rendered:
    """All rays of the cameras, size x size each, through a field of latents."""
    o, d = (r.reshape(-1, 3).to(volume.device) for r in rays(cameras.sized(size)))
    return render_rays(Matte(volume.field.features), None, o, d, samples=SAMPLES, radius=volume.radius)


@torch.no_grad()
def decoded(volume: Volume, prior: Prior, cameras: Cameras, size: int, walls: tuple[float, ...] = (0.6,)) -> Tensor:
    """What a field of latents shows when it is decoded: (W, N, H, H, 3) in 0..1, before each of W walls.

    size: rays a side, as many as the U-Net's latents. walls: 0 is the darkest grey of the training views, 1 the
    lightest.
    """
    parts = []
    for some in (cameras[i] for i in torch.arange(len(cameras)).split(TOGETHER)):
        seen = rendered(volume, some, size)
        for wall in walls:
            behind = torch.lerp(*volume.field.walls, wall)  # (c,)
            z = composite(seen.rgb, seen.opacity, behind).view(len(some), size, size, -1).permute(0, 3, 1, 2)
            parts.append(prior.decode(z.to(prior.dtype)).permute(0, 2, 3, 1).float().cpu())
    return torch.stack([torch.cat(parts[k :: len(walls)]) for k in range(len(walls))])


def ending(
    volume: Volume, prior: Prior, recipe: Recipe, seed: int, told: Callable[[int], None] = lambda step: None
) -> Volume:
    """A volume of colours, on the CPU, fitted to the decoded views of one of latents; it needs no prior.

    told: is called with the steps that were done. Raises ValueError if there is nothing in the views to fit.
    """
    v, s = recipe.views, recipe.latents
    cameras = sample_cameras(
        s.ending_views,
        stream(seed, recipe.steps, "ending views"),
        overhead_share=v.overhead_share,
        elevation=(v.elevation_min, v.elevation_max),
        overhead=(v.overhead_min, v.overhead_max),
        radius=(v.radius_min, v.radius_max),
        fov=(v.fov_min, v.fov_max),
    )
    colours, alpha = outlines(volume, prior, cameras, v.size)  # (N, H, H, 3), (N, H, H)
    cameras, radius = cameras.sized(alpha.shape[1]), volume.radius
    solid = (vote(alpha, cameras, VOXELS, radius) > MOST).float()  # (n, n, n)
    if not solid.any():
        raise ValueError("the dream is empty: no place shows anything in most of its views, so there is nothing to fit")
    generator = stream(seed, recipe.steps, "ending")
    field = ViewField(HashGrid.of(GRID, radius, generator), matte=True, generator=generator)
    occupancy = Occupancy(VOXELS, radius)
    occupancy.mask.copy_(max_pool3d(solid[None, None], 3, 1, 1)[0, 0] > 0)
    made = Volume(field, occupancy, radius, march=March(SAMPLES, stop=STOP), sight=True)

    tables = [field.grid.table]
    optimiser = optimiser_of(tables, [p for p in field.parameters() if p is not field.grid.table], DESCENT)
    rates = falling(optimiser, DESCENT, s.ending_steps)
    o, d = (r.reshape(-1, 3) for r in rays(cameras))
    pixels, alpha = colours.reshape(-1, 3), alpha.reshape(-1)
    near = max_pool2d(alpha.view(-1, 1, cameras.height, cameras.width), 5, 1, 2).reshape(-1).nonzero()[:, 0]
    for step in range(s.ending_steps):
        at = near[torch.randint(len(near), (s.ending_rays,), generator=generator)]
        wall = torch.rand(s.ending_rays, 3, generator=generator)  # what is transparent must be so before any
        how = {"samples": SAMPLES, "radius": radius, "stop": STOP if step > BLIND else 0.0, "generator": generator}
        seen = render_rays(field, occupancy, o[at], d[at], **how)
        decided = entropy(seen.opacity.clamp(DECIDED, 1 - DECIDED)).mean()
        loss = photometric((seen,), composite(pixels[at] * alpha[at, None], alpha[at], wall), wall)
        loss = loss + DECISION * step / s.ending_steps * decided
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        rates.step()
        told(step + 1)
    return made


def outlines(volume: Volume, prior: Prior, cameras: Cameras, size: int) -> tuple[Tensor, Tensor]:
    """Decoded views (N, H, H, 3), and how far each pixel is object, (N, H, H) in 0..1.

    Each view is decoded before the darkest and the lightest wall, and compared with that wall's own picture: a white
    bird is seen before the dark one. The view before the wall from which a pixel differs more gives its colour.
    """
    pictures = decoded(volume, prior, cameras, size, (0.0, 1.0))  # (2, N, H, H, 3)
    walls = volume.field.walls[:, :, None, None].expand(-1, -1, size, size).to(prior.dtype)
    behind = prior.decode(walls).permute(0, 2, 3, 1)[:, None].float().cpu()  # (2, 1, H, H, 3)
    best, which = (pictures - behind).abs().amax(-1).max(0)  # (N, H, H)
    with torch.no_grad():
        fog = rendered(volume, cameras, size).opacity.view(-1, 1, size, size).cpu()
    fog = interpolate(fog, best.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    alpha = ((best - FAINT) / (FIRM - FAINT)).clamp(0, 1) * (fog > FOG)
    return torch.where((which == 1)[..., None], pictures[1], pictures[0]), alpha


def vote(alpha: Tensor, cameras: Cameras, n: int, radius: float) -> Tensor:
    """Mean over N views of the alpha (N, H, H) at which the middle of each voxel is seen: (n, n, n) in 0..1, x, y, z.

    The cameras have no lens, and the size of the pictures.
    """
    axis = ((torch.arange(n) + 0.5) / n * 2 - 1) * radius
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)  # (n^3, 3)
    total = torch.zeros(len(points))
    for i in range(len(cameras)):
        away = (points - cameras.pose[i, :, 3]) @ cameras.pose[i, :, :3]  # (n^3, 3) right, up, backward
        at = away[:, :2] / -away[:, 2:] * points.new_tensor([1.0, -1.0]) * cameras.focal[i] + cameras.middle[i]
        place = (at / (cameras.height / 2) - 1)[None, None]  # -1..1 over the picture
        total += grid_sample(alpha[i, None, None], place, align_corners=False)[0, 0, 0]
    return (total / len(cameras)).view(n, n, n)
