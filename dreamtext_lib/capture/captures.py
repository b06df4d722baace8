"""Captures: pictures with the cameras that took them, and the ball of space that they look at."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ..radiance.cameras import Cameras


@dataclass(frozen=True)
class Capture:
    """N pictures of one size, their cameras, and the ball of space that they look at.

    The world is that of the file, unless `notes` say that it was turned or moved.
    """

    rgba: Tensor  # (N, H, W, 4) bytes, alpha not multiplied in
    cameras: Cameras  # N, of the pictures' size, in the world
    _: KW_ONLY
    names: tuple[str, ...]
    centre: Tensor  # (3,) of the ball, in the world's units
    radius: float
    counts: Tensor  # (N, H, W) whether a pixel says anything: masks are false where nothing is learned or judged
    notes: tuple[str, ...] = ()  # what a user should hear, a sentence each

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return tuple(self.rgba.shape[1:3])

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel that counts is transparent."""
        return bool(((self.rgba[..., 3] < 255) & self.counts).any())

    @cached_property
    def sketch(self) -> Tensor:
        """A look of four by four parts of each picture, by which changed pictures are known: (N, 4, 4, 5) in bytes.

        Means of red, green, blue and alpha where pixels count, 0 where they do not, and of what counts.
        """
        parts = []
        for rgba, counts in zip(self.rgba, self.counts[..., None]):
            look = torch.cat([rgba * counts, 255 * counts.byte()], -1).float()
            parts.append(F.adaptive_avg_pool2d(look.permute(2, 0, 1), 4).permute(1, 2, 0))
        return torch.stack(parts)

    def take(self, rows: Sequence[int]) -> "Capture":
        """The capture with these pictures alone, about the same ball."""
        rows = list(rows)
        parts = {name: getattr(self, name)[rows] for name in ("rgba", "cameras", "counts")}
        return replace(self, names=tuple(self.names[i] for i in rows), **parts)

    def rays(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Origins and unit directions (R, 3) of pixels, in units of the ball: it is |x| <= 1.

        place (R,) counts all pixels, picture by picture, row by row.
        """
        return self.cameras.within(self.centre, self.radius).rays(place)

    def picture_rays(self, i: int) -> tuple[Tensor, Tensor]:
        """The rays of all pixels of picture i, row by row: (H * W, 3) each."""
        height, width = self.size
        return self.rays(torch.arange(height * width) + i * height * width)

    def colours(self, place: Tensor, background: Tensor | float = 1.0) -> Tensor:
        """The pixels (R, 3) in 0..1 over a background that broadcasts to them."""
        rgba = self.rgba.view(-1, 4)[place].float() / 255
        return rgba[:, :3] * rgba[:, 3:] + (1 - rgba[:, 3:]) * background

    def pictures(self, background: float = 1.0) -> Tensor:
        """All pictures over a background, (N, H, W, 3) in 0..1."""
        rgba = self.rgba.float() / 255
        return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:]) * background
