"""Which voxels are worth a query: a coarse memory of where the field was dense (Mueller et al. 2022, appendix C)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool3d


class Occupancy(nn.Module):
    """A grid of resolution^3 voxels over the cube [-bound, bound]^3, full until the first update.

    `update` keeps density = max(decay * density, field at one point a voxel); a voxel is occupied if it, or one of
    its 26 neighbours, is denser than `threshold`. So a thin part that one draw misses is kept for a few updates, and
    a surface may grow by a voxel between two of them. `bound` should be at least the radius that is rendered.

    `limit` (n, n, n) bool: voxels outside it are empty for good. `cautious`: the threshold is at most the mean density
    within the limit, so that a fog which is still thin everywhere is not thrown away (as Mueller et al. have it).
    """

    def __init__(
        self,
        resolution: int = 32,
        bound: float = 1.0,
        *,
        threshold: float = 0.5,
        decay: float = 0.6,
        limit: Tensor | None = None,
        cautious: bool = False,
    ):
        super().__init__()
        self.resolution, self.bound, self.threshold, self.decay = resolution, bound, threshold, decay
        self.cautious = cautious
        self.made_of = {
            "resolution": resolution,
            "bound": bound,
            "threshold": threshold,
            "decay": decay,
            "cautious": cautious,
        }
        self.register_buffer("limit", limit, persistent=False)
        self.register_buffer("density", torch.zeros((resolution,) * 3))
        whole = torch.ones((resolution,) * 3, dtype=torch.bool) if limit is None else limit.clone()
        self.register_buffer("mask", whole)

    @torch.no_grad()
    def update(self, density: Callable[[Tensor], Tensor], generator: torch.Generator | None = None) -> float:
        """Query `density` (points (N, 3) -> (N,)) once a voxel; returns the occupied share, 0..1.

        The points are drawn uniformly in the voxels from `generator`; None takes the centres.
        """
        n, like = self.resolution, self.density
        lattice = torch.arange(n, device=like.device, dtype=like.dtype)
        points = torch.stack(torch.meshgrid(lattice, lattice, lattice, indexing="ij")).reshape(3, -1)  # (3, n^3)
        if generator is None:
            points = points + 0.5
        else:
            jitter = torch.rand(points.shape, generator=generator, device=generator.device, dtype=like.dtype)
            points = points + jitter.to(like.device)
        points = ((points / n * 2 - 1) * self.bound).t()  # (n^3, 3)
        if self.limit is None:
            fresh = density(points).reshape(like.shape)  # (n, n, n)
        else:
            inside = self.limit.reshape(-1).nonzero()[:, 0]
            fresh = like.new_zeros(n**3).index_copy(0, inside, density(points[inside])).reshape(like.shape)
        self.density.copy_(torch.maximum(like * self.decay, fresh))
        threshold = self.threshold
        if self.cautious:
            mean = (self.density if self.limit is None else self.density[self.limit]).mean().item()
            threshold = min(threshold, mean * (1 - 1e-4))  # below the mean: the same fog everywhere is kept
        dense = (self.density > threshold).to(like.dtype)
        mask = max_pool3d(dense[None, None], 3, stride=1, padding=1)[0, 0] > 0
        self.mask.copy_(mask if self.limit is None else mask & self.limit)
        return self.mask.float().mean().item()

    def forward(self, points: Tensor) -> Tensor:
        """Whether the voxels of points (..., 3) are occupied: (...) bool. Points outside take the nearest voxel."""
        flat = self.voxel(points)
        return self.mask.view(-1).index_select(0, flat.reshape(-1)).view(flat.shape)

    def voxel(self, points: Tensor) -> Tensor:
        """The flat index of the voxel of points (..., 3): (...) int32."""
        n = self.resolution
        x, y, z = (((q.detach() + self.bound) * (n / 2 / self.bound)).int().clamp_(0, n - 1) for q in points.unbind(-1))
        return (x * n + y) * n + z
