"""NeRF as it was first written (thesis 3.2.3; Mildenhall et al. 2020): waves, a deep network, two samplings."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from .cameras import sphere_interval
from .positional import positional_encoding
from .rendering import CHUNK, Rendered, cells, render_rays, render_samples, stratified


class NeRF(nn.Module):
    """A network of `depth` layers of `width`: density from the place, colour from place and direction.

    The encoded place enters again half way; the colour has one more layer, of half the width, that also sees the
    encoded direction. density = softplus(h) in 1 / unit, colour = sigmoid in 0..1. Places should lie in
    [-1, 1]^3, one period of the slowest wave (3.14). Weights are drawn from `generator`.

    >>> density, colour = NeRF()(torch.zeros(5, 3), torch.ones(5, 3) / 3**0.5)
    >>> density.shape, colour.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        width: int = 256,
        depth: int = 8,
        levels: int = 10,
        direction_levels: int = 4,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.made_of = {"width": width, "depth": depth, "levels": levels, "direction_levels": direction_levels}
        place, self.skip = 3 + 6 * levels, (depth + 1) // 2
        self.levels, self.direction_levels = levels, direction_levels
        widths = [place, *[width + place * (i == self.skip) for i in range(1, depth)]]
        self.layers = nn.ModuleList(nn.Linear(w, width) for w in widths)
        self.density_out, self.feature = nn.Linear(width, 1), nn.Linear(width, width)
        self.colour = nn.Linear(width + 3 + 6 * direction_levels, width // 2)
        self.colour_out = nn.Linear(width // 2, 3)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)

    def trunk(self, points: Tensor) -> Tensor:
        """points (N, 3) -> (N, width)."""
        place = torch.cat([points, positional_encoding(points, self.levels)], -1)
        h = place
        for i, layer in enumerate(self.layers):
            h = relu(layer(torch.cat([h, place], -1) if i == self.skip else h))
        return h

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        return softplus(self.density_out(self.trunk(points))[:, 0])

    def forward(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """points, unit directions (N, 3) -> density (N,), colour (N, 3). None: the direction is the zero vector."""
        h = self.trunk(points)
        d = torch.zeros_like(points) if directions is None else directions
        seen = torch.cat([self.feature(h), d, positional_encoding(d, self.direction_levels)], -1)
        colour = torch.sigmoid(self.colour_out(relu(self.colour(seen))))
        return softplus(self.density_out(h)[:, 0]), colour


@torch.no_grad()
def importance(edges: Tensor, weight: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Distances drawn where the light came from: by inversion of the piecewise-constant density weight / bin.

    edges (R, S + 1) ascending, weight (R, S) >= 0 -> (R, samples), ascending, without gradient (3.15). `generator` None
    takes equal steps of the distribution. A ray whose weights are all 0 is sampled evenly.
    """
    share = (weight + 1e-5) / (weight + 1e-5).sum(-1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(-1)], -1)  # (R, S + 1)
    zero = cdf.new_zeros(len(cdf))
    u = stratified(zero, zero + 1, samples, generator)  # (R, samples)
    above = torch.searchsorted(cdf, u.contiguous(), right=True).clamp(1, weight.shape[1])
    low, high = cdf.gather(1, above - 1), cdf.gather(1, above)
    a, b = edges.gather(1, above - 1), edges.gather(1, above)
    return a + (b - a) * ((u - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)


def render_hierarchical(
    coarse: nn.Module,
    fine: nn.Module,
    origins: Tensor,
    directions: Tensor,
    *,
    samples: int,
    extra: int,
    radius: float = 1.0,
    generator: torch.Generator | None = None,
    chunk: int = CHUNK,
) -> tuple[Rendered, Rendered]:
    """R rays rendered twice: by `coarse` at `samples` even places, by `fine` at these and `extra` where it matters.

    The extra places are drawn from the coarse weights (`importance`), without gradient. Each sample stands for the
    stretch that is nearest to it (`cells`), as in `render_rays`, whose shapes these are.
    """
    how = {"radius": radius, "generator": generator, "chunk": chunk}
    first = render_rays(coarse, None, origins, directions, samples=samples, **how)
    near, far, hit = sphere_interval(origins, directions, radius)  # (R,) each
    steps = torch.linspace(0, 1, samples + 1, device=near.device, dtype=near.dtype)
    edges = near[:, None] + (far - near)[:, None] * steps  # (R, S + 1)
    t = torch.cat([first.t, importance(edges, first.weights, extra, generator)], -1).sort(-1).values  # (R, S + extra)
    return first, render_samples(fine, None, origins, directions, t, cells(t, near, far), hit=hit, chunk=chunk)
