"""The six augmentations of 6.1.9, a batch at a time: what is learned should be the thing, not the one picture of it."""

from math import tau

import torch
from kornia.color import rgb_to_grayscale
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_hue,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
from torch import Tensor

from .recipe import Augment

BLUR = 5  # pixels a side of the blur's kernel


def augmented(picture: Tensor, count: int, settings: Augment, generator: torch.Generator, wall: float = 0.9) -> Tensor:
    """`count` copies (N, 3, S, S) in 0..1 of a picture (3, S, S), each changed in ways of its own; wall: its grey."""
    s, size, where = settings, picture.shape[-1], picture.device

    def between(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=generator)).to(where)

    def some(share: float, changed: Tensor, x: Tensor) -> Tensor:
        return torch.where((between(0, 1) < share)[:, None, None, None], changed, x)

    def moved(x: Tensor, rows: Tensor) -> Tensor:
        fill = torch.full((3,), wall, device=where)
        return warp_affine(x, rows, (size, size), padding_mode="fill", fill_value=fill, align_corners=True)

    x = picture.expand(count, *picture.shape)
    middle = torch.full((count, 2), (size - 1) / 2, device=where)
    one = torch.ones(count, 2, device=where)
    x = some(s.mirror_share, x.flip(-1), x)
    x = some(s.turn_share, moved(x, get_rotation_matrix2d(middle, between(-s.turn_degrees, s.turn_degrees), one)), x)
    sigma = between(s.blur_min, s.blur_max)[:, None].expand(count, 2)
    x = some(s.blur_share, gaussian_blur2d(x, (BLUR, BLUR), sigma), x)
    room = (1 - s.crop_side) / 2 * (size - 1)
    place = middle + torch.stack([between(-room, room), between(-room, room)], -1)
    zoom = get_rotation_matrix2d(place, torch.zeros(count, device=where), one / s.crop_side)
    zoom[..., 2] += middle - place  # the square's middle comes to the picture's
    x = some(s.crop_share, moved(x, zoom), x)
    x = some(s.grey_share, rgb_to_grayscale(x).expand_as(x), x)
    return some(s.jitter_share, jittered(x, s.jitter, between, generator), x).clamp(0, 1)


def jittered(x: Tensor, most: float, between, generator: torch.Generator) -> Tensor:
    """Pictures with changed brightness, contrast, saturation and hue, in a random order, the same for the batch."""
    changes = (
        lambda x: adjust_brightness_accumulative(x, between(1 - most, 1 + most)),
        lambda x: adjust_contrast_with_mean_subtraction(x, between(1 - most, 1 + most)),
        lambda x: adjust_saturation_with_gray_subtraction(x, between(1 - most, 1 + most)),
        lambda x: adjust_hue(x, between(-most * tau, most * tau)),
    )
    for i in torch.randperm(len(changes), generator=generator).tolist():
        x = changes[i](x)
    return x
