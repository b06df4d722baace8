"""What is looked at: a field, where it is worth asking, and the ball that holds it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .cameras import Cameras, rays
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
        return render_rays(
            self.field,
            self.occupancy,
            origins,
            directions,
            samples=samples,
            radius=self.radius,
            generator=generator,
        )

    @torch.no_grad()
    def pictures(self, cameras: Cameras, size: int = 64, background: float = 0.9, samples: int = 64) -> Tensor:
        """Pictures (N, S, S, 3) in 0..1, on the CPU, lit by the colours alone, from cameras in the ball's units."""
        frames = []
        for camera in cameras.sized(size):
            origins, directions = (v[0].to(self.device) for v in rays(camera))
            seen = self.render(origins, directions, samples)
            frames.append(composite(seen.rgb, seen.opacity, background).view(size, size, 3).clamp(0, 1).cpu())
        return torch.stack(frames)
