"""The field of Instant-NGP (Mueller et al. 2022): a hash grid, two small networks, colours that depend on the view."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from .encoding import HashGrid
from .positional import spherical_harmonics

STEEPEST = 10.0  # log density at most: a wall of e^10 is opaque within 0.0005


class ViewField(nn.Module):
    """density = exp(h_0), colour = sigmoid(network(h_1.., harmonics of the direction)), h a network of the grid.

    A fresh field is a thin fog: density e^-1. Weights are drawn from `generator`. `grid` None: 8 levels x 2 x 2^15 from
    16 to 160 cells over [-1, 1]^3.

    >>> density, colour = ViewField()(torch.zeros(5, 3), torch.ones(5, 3) / 3**0.5)
    >>> density.shape, colour.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        grid: HashGrid | None = None,
        hidden: int = 32,
        features: int = 15,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.grid = HashGrid(8, 2, 15, 16, 160, 1.0, generator) if grid is None else grid
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
        """points, unit directions (N, 3) -> density (N,), colour (N, 3). None: the harmonics' mean."""
        h = self.out(relu(self.hidden(self.grid(points))))  # (N, 1 + features)
        if directions is None:
            harmonics = points.new_zeros(len(points), 9)
            harmonics[:, 0] = 0.5 / torch.pi**0.5
        else:
            harmonics = spherical_harmonics(directions)
        colour = self.colour_out(relu(self.colour(torch.cat([h[:, 1:], harmonics], -1))))  # (N, 3)
        return torch.exp(h[:, 0].clamp(max=STEEPEST)), torch.sigmoid(colour)
