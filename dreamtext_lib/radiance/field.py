"""A radiance field: what a point of space absorbs and which colour it shows.

Any callable `points (N, 3) -> density (N,), albedo (N, 3)` is a field, whether it is learned or exact.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from .encoding import HashGrid

Field = Callable[[Tensor], tuple[Tensor, Tensor]]


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
        blob_value: float = 10.0,
        blob_radius: float = 0.5,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.grid = HashGrid(generator=generator) if grid is None else grid
        self.hidden, self.out = nn.Linear(self.grid.width, hidden), nn.Linear(hidden, 4)
        for layer in (self.hidden, self.out):
            limit = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -limit, limit, generator=generator)
            nn.init.zeros_(layer.bias)
        self.blob_value, self.blob_radius = blob_value, blob_radius

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """points (N, 3) -> density (N,), albedo (N, 3)."""
        h = self.out(relu(self.hidden(self.grid(points))))  # (N, 4)
        return softplus(h[:, 0] + blob(points, self.blob_value, self.blob_radius)), torch.sigmoid(h[:, 1:])

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        h = relu(self.hidden(self.grid(points))) @ self.out.weight[0] + self.out.bias[0]  # (N,)
        return softplus(h + blob(points, self.blob_value, self.blob_radius))
