"""What is looked at: a field, where it is worth asking, and the ball that holds it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .cameras import rays
from .occupancy import Occupancy
from .rendering import Rendered, composite, render_rays


@dataclass
class Volume:
    """All that a picture or a mesh needs: no prior, no photographs."""

    field: nn.Module
    occupancy: Occupancy
    radius: float  # of the ball around the origin that is rendered

    @property
    def device(self) -> torch.device:
        """Where the field is."""
        return next(self.field.parameters()).device

    def render(
        self, origins: Tensor, directions: Tensor, samples: int, generator: torch.Generator | None = None
    ) -> Rendered:
        """R rays, (R, 3) and (R, 3), with gradients to the field; `generator` None takes the bin centres."""
        return render_rays(self.field, self.occupancy, origins, directions, samples, self.radius, generator)

    @torch.no_grad()
    def pictures(self, pose: Tensor, fov: Tensor, size: int = 64, background: float = 0.9, samples: int = 64) -> Tensor:
        """Pictures (N, S, S, 3) in 0..1, on the CPU, lit by the colours alone: pose (N, 3, 4), fov (N,) degrees."""
        frames = []
        for p, f in zip(pose, fov):
            origins, directions = (v[0].to(self.device) for v in rays(p[None], f[None], size))
            seen = self.render(origins, directions, samples)
            frames.append(composite(seen.rgb, seen.opacity, background).view(size, size, 3).clamp(0, 1).cpu())
        return torch.stack(frames)
