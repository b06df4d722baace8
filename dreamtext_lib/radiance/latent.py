"""A field of latents: what a point absorbs, and what a latent diffusion model would read there (Metzer et al. 2023)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, softplus

from .field import blob


def trilinear(values: Tensor, points: Tensor, bound: float) -> Tensor:
    """Values (C, n, n, n) of a lattice over [-bound, bound]^3, its axes z, y, x, at points (N, 3): (C, N).

    Points outside take the value of the nearest point of the cube. Differentiable in both.
    """
    place = (points / bound)[None, :, None, None]  # (1, N, 1, 1, 3)
    return grid_sample(values[None], place, padding_mode="border", align_corners=True)[0, :, :, 0, 0]


class LatentGrid(nn.Module):
    """Density and `channels` latents on a dense lattice over [-bound, bound]^3, trilinear between its points.

    density = softplus(h_0 + blob(p)) in 1 / unit of length, latents = h_1.. without limits, h the lattice's values. A
    fresh one is a ball of noise, drawn from `generator`.

    Called as a `Field` it answers with colours, so that it can be looked at without an autoencoder: `palette` is the
    linear map from latents to rgb, rough but good enough for a first look. `walls` are the latents of a wall of the
    darkest and of the lightest grey that training views have. Both stay as they were set (`set_colours`).

    >>> density, latents = LatentGrid().features(torch.zeros(5, 3))
    >>> density.shape, latents.shape
    (torch.Size([5]), torch.Size([5, 4]))
    """

    def __init__(
        self,
        lattice: int = 40,
        channels: int = 4,
        *,
        bound: float = 1.1,
        blob_value: float = 10.0,
        blob_radius: float = 0.5,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.made_of = {
            "lattice": lattice,
            "channels": channels,
            "bound": bound,
            "blob_value": blob_value,
            "blob_radius": blob_radius,
        }
        self.bound, self.blob_value, self.blob_radius = bound, blob_value, blob_radius
        shape = (1 + channels, lattice, lattice, lattice)  # axes z, y, x
        self.lattice = nn.Parameter(0.1 * torch.randn(shape, generator=generator))
        self.register_buffer("palette", torch.zeros(channels + 1, 3))
        self.register_buffer("walls", torch.zeros(2, channels))

    def set_colours(self, palette: Tensor, walls: Tensor) -> None:
        """Keep a linear map (c + 1, 3) from latents and a one to rgb, and the latents (2, c) of two grey walls."""
        self.palette.copy_(palette)
        self.walls.copy_(walls)

    def features(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """points (N, 3) -> density (N,), latents (N, c)."""
        h = trilinear(self.lattice, points, self.bound)  # (1 + c, N)
        return softplus(h[0] + blob(points, self.blob_value, self.blob_radius)), h[1:].t()

    def forward(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """points (N, 3) -> density (N,), rough colours (N, 3) in 0..1, the same for every direction."""
        density, latents = self.features(points)
        return density, (latents @ self.palette[:-1] + self.palette[-1]).clamp(0, 1)

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        h = trilinear(self.lattice[:1], points, self.bound)[0]
        return softplus(h + blob(points, self.blob_value, self.blob_radius))
