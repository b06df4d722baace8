"""A picture that one view of a dream should be: RealFusion's way to a thing in space (Melas-Kyriazi et al. 2023).

Beside the views that the prior judges, each step looks at the thing from where the picture was taken, and compares:
what is seen with the picture, within its outline, and how much is covered with the outline.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..files import read_tensors, write_tensors
from ..radiance.cameras import Cameras, orbit, rays
from ..radiance.field import Matte
from ..radiance.latent import LatentGrid
from ..radiance.rendering import Rendered, composite, render_rays
from ..radiance.volume import Volume
from .ending import flat
from .look import Draw
from .prior import Prior
from .recipe import Regular, Views

FILE = "photo.safetensors"  # in the folder of a run


class Photo(NamedTuple):
    """A picture of one thing, its outline, and from where it was taken: an orbit's angles, the distance of views."""

    picture: Tensor  # (3, S, S) in 0..1, the thing before a grey wall
    mask: Tensor  # (S, S) in 0..1, 1 where the thing is
    wall: float  # the wall's grey, in 0..1
    azimuth: float = 0.0  # degrees from the thing's front, counter-clockwise seen from above
    elevation: float = 15.0  # degrees above the horizon

    @property
    def camera(self) -> Cameras:
        """The camera that took it."""
        return orbit(self.azimuth, self.elevation)

    def save(self, folder: Path) -> None:
        """Write it into the folder of a run."""
        about = {"wall": self.wall, "azimuth": self.azimuth, "elevation": self.elevation}
        write_tensors(folder / FILE, {"picture": self.picture.cpu(), "mask": self.mask.cpu()}, about)

    @classmethod
    def there(cls, folder: Path) -> "Photo | None":
        """The photograph in the folder of a run, None if it has none. Raises ValueError as `load`."""
        return cls.load(folder) if (folder / FILE).exists() else None

    @classmethod
    def load(cls, folder: Path) -> "Photo":
        """What `save` wrote. Raises ValueError, in one sentence, if it is not there or holds something else."""
        tensors, about = read_tensors(folder / FILE)
        numbers = [about.get(name) for name in ("wall", "azimuth", "elevation")]
        if not {"picture", "mask"} <= tensors.keys() or not all(type(n) in (int, float) for n in numbers):
            raise ValueError(f"'{folder / FILE}' holds no photograph; another program wrote it")
        return cls(tensors["picture"], tensors["mask"], *map(float, numbers))


class Target(NamedTuple):
    """What the rays of a photograph's camera should meet: N rays, in the field's own c channels."""

    origins: Tensor  # (N, 3)
    directions: Tensor  # (N, 3)
    colours: Tensor  # (N, c) of the photograph: rgb or, for a field of latents, its latents
    mask: Tensor  # (N,) in 0..1, 1 where the thing is
    wall: Tensor  # (c,) what stands behind the thing


@torch.no_grad()
def target_of(photo: Photo, volume: Volume, prior: Prior, views: Views) -> Target:
    """A photograph as views of the recipe's `size` S see it, N = S S; that of a field of latents is encoded here."""
    o, d = (r[0].to(volume.device) for r in rays(photo.camera.sized(views.size)))  # (N, 3)
    mask = small(photo.mask[None, None], views.size)[0, 0].reshape(-1).to(volume.device)  # (N,)
    if isinstance(volume.field, LatentGrid):
        picture = small(photo.picture[None], min(photo.picture.shape[-1], prior.pixels)).to(volume.device)
        colours = prior.encode_image(picture).float()  # (1, c, S, S)
        share = (photo.wall - views.background_min) / max(views.background_max - views.background_min, 1e-6)
        if 0 <= share <= 1:
            wall = torch.lerp(*volume.field.walls, share)
        else:  # what lies outside the recipe's greys is no mix of their latents
            wall = flat(prior, torch.full((1, 3), photo.wall))[0].to(volume.device)
    else:
        colours = small(photo.picture[None], views.size).to(volume.device)  # (1, 3, S, S)
        wall = o.new_full((3,), photo.wall)
    return Target(o, d, colours[0].flatten(1).t(), mask, wall)


def photo_loss(weights: Regular, target: Target, volume: Volume, views: Views, draw: Draw) -> Tensor:
    """photo_weight mean(m (x - y)^2) / mean(m) + mask_weight mean((o - m)^2), with gradients to the field.

    x: what the volume shows to the photo's camera, y: the photo, m: its outline, o: the opacity; all (S, S) of the
    recipe's `size`, x and y of three colours each or, for a field of latents, of c latents. A mean over the thing alone
    does not depend on how large it is. `draw` gives the generator of the samples. Source: RealFusion, eq. 6 and 7.
    """
    o, d, generator = target.origins, target.directions, draw("photo samples")
    if isinstance(volume.field, LatentGrid):
        field = Matte(volume.field.features)
        seen = render_rays(field, None, o, d, samples=views.samples, radius=volume.radius, generator=generator)
    else:
        seen = volume.render(o, d, views.samples, generator)
    return compared(weights, seen, target.wall, target.colours, target.mask)


def compared(weights: Regular, seen: Rendered, wall: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The weighted gaps of N rays over a wall (c,) to a target (N, c), and of their opacity to a mask (N,)."""
    gap = (composite(seen.rgb, seen.opacity, wall.expand_as(target)) - target).square().mean(-1)  # (N,)
    loss = weights.photo_weight * (mask * gap).mean() / mask.mean().clamp(min=1e-6)
    return loss + weights.mask_weight * (seen.opacity - mask).square().mean()


def small(pictures: Tensor, size: int) -> Tensor:
    """Pictures (B, C, S, S) at another size, (B, C, size, size); each pixel is the mean of those that it covers."""
    return interpolate(pictures, (size, size), mode="area") if pictures.shape[-1] != size else pictures
