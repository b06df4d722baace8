"""A radiance field: what a point of space absorbs, and which colour it shows to whom.

Anything that answers as `Field` does is one, whether it is learned or exact.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from .encoding import HashGrid
from .positional import spherical_harmonics

STEEPEST = 10.0  # log density at most: a wall of e^10 is opaque within 0.0005


class Field(Protocol):
    """What the renderer and the mesh ask: density in 1 / unit of length, 0 or more, and colour in 0..1."""

    def __call__(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Density (N,) and colour (N, 3) at points (N, 3), seen along unit directions (N, 3); None: from no side."""

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""


class Matte:
    """A field given by a function points (N, 3) -> density (N,), albedo (N, 3): one colour for every side.

    >>> fog = Matte(lambda points: (torch.ones(len(points)), points.abs()))
    >>> fog.density(torch.zeros(5, 3)).shape
    torch.Size([5])
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, Tensor]]):
        self.function = function

    def __call__(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Density and albedo; the directions do not matter."""
        return self.function(points)

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        return self.function(points)[0]


def blob(points: Tensor, value: float = 10.0, radius: float = 0.5) -> Tensor:
    """The bias that puts a ball into a fresh field (6.1): d(p) = v (1 - |p| / b), added before the activation.

    points (..., 3) -> (...), v at the origin, 0 at distance b = `radius`, negative beyond.
    """
    length = points.square().sum(-1).clamp(min=1e-24).sqrt()  # the clamp gives the origin a gradient of 0, not nan
    return value * (1 - length / radius)


class HashField(nn.Module):
    """Hash grid, one hidden layer, density and albedo (thesis 6.1.3, after the code that ran).

    density = softplus(h_0 + blob(p)) >= 0 in 1 / unit of length, albedo = sigmoid(h_1..3) in (0, 1). All weights are
    drawn from `generator`; a fresh field is a grey ball. `grid` None: the grid of the toy profile.

    >>> density, albedo = HashField()(torch.zeros(5, 3))
    >>> density.shape, albedo.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        grid: HashGrid | None = None,
        hidden: int = 32,
        *,
        blob_value: float = 10.0,
        blob_radius: float = 0.5,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.grid = HashGrid(generator=generator) if grid is None else grid
        self.made_of = {
            "grid": self.grid.made_of,
            "hidden": hidden,
            "blob_value": blob_value,
            "blob_radius": blob_radius,
        }
        self.hidden, self.out = nn.Linear(self.grid.width, hidden), nn.Linear(hidden, 4)
        for layer in (self.hidden, self.out):
            limit = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -limit, limit, generator=generator)
            nn.init.zeros_(layer.bias)
        self.blob_value, self.blob_radius = blob_value, blob_radius

    def forward(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """points (N, 3) -> density (N,), albedo (N, 3), the same for every direction."""
        h = self.out(relu(self.hidden(self.grid(points))))  # (N, 4)
        return softplus(h[:, 0] + blob(points, self.blob_value, self.blob_radius)), torch.sigmoid(h[:, 1:])

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        h = relu(self.hidden(self.grid(points))) @ self.out.weight[0] + self.out.bias[0]  # (N,)
        return softplus(h + blob(points, self.blob_value, self.blob_radius))


class ViewField(nn.Module):
    """The field of Instant-NGP (Mueller et al. 2022): a hash grid, two small networks, colours that depend on the view.

    density = exp(h_0), colour = sigmoid(network(h_1.., harmonics of the direction)), h a network of the grid.

    A fresh field is a thin fog: density e^-1. `matte`: one colour for every side after all. Weights are drawn from
    `generator`. `grid` None: 8 levels x 2 x 2^15 from 16 to 160 cells over [-1, 1]^3.

    >>> density, colour = ViewField()(torch.zeros(5, 3), torch.ones(5, 3) / 3**0.5)
    >>> density.shape, colour.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        grid: HashGrid | None = None,
        hidden: int = 32,
        *,
        features: int = 15,
        matte: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if grid is None:
            shape = {"levels": 8, "features": 2, "log2_table": 15, "coarsest": 16, "finest": 160, "bound": 1.0}
            grid = HashGrid(**shape, generator=generator)
        self.grid, self.matte = grid, matte
        self.made_of = {"grid": self.grid.made_of, "hidden": hidden, "features": features, "matte": matte}
        self.hidden, self.out = nn.Linear(self.grid.width, hidden), nn.Linear(hidden, 1 + features)
        self.colour, self.colour_out = nn.Linear(features + 9, hidden), nn.Linear(hidden, 3)
        for layer in (self.hidden, self.out, self.colour, self.colour_out):
            limit = (3 / layer.in_features) ** 0.5
            nn.init.uniform_(layer.weight, -limit, limit, generator=generator)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.out.bias[:1], -1.0)

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        h = relu(self.hidden(self.grid(points))) @ self.out.weight[0] + self.out.bias[0]  # (N,)
        return torch.exp(h.clamp(max=STEEPEST))

    def forward(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """points, unit directions (N, 3) -> density (N,), colour (N, 3). None, or a matte one: the harmonics' mean."""
        h = self.out(relu(self.hidden(self.grid(points))))  # (N, 1 + features)
        if directions is None or self.matte:
            harmonics = points.new_zeros(len(points), 9)
            harmonics[:, 0] = 0.5 / torch.pi**0.5
        else:
            harmonics = spherical_harmonics(directions)
        colour = self.colour_out(relu(self.colour(torch.cat([h[:, 1:], harmonics], -1))))  # (N, 3)
        return torch.exp(h[:, 0].clamp(max=STEEPEST)), torch.sigmoid(colour)
