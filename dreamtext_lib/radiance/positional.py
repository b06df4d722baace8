"""What a network is told of a place and of a direction: waves of many lengths, spherical harmonics."""

import math

import torch
from torch import Tensor


def positional_encoding(p: Tensor, levels: int) -> Tensor:
    """Waves of each coordinate (3.14): (sin 2^0 pi p, cos 2^0 pi p, ..., sin 2^{L-1} pi p, cos 2^{L-1} pi p).

    p (..., C), of period 2 -> (..., 2 L C): level by level, of each all sines, then all cosines. Raises ValueError
    unless levels >= 1. Source: Mildenhall et al. 2020.

    >>> positional_encoding(torch.zeros(5, 3), levels=10).shape
    torch.Size([5, 60])
    """
    if levels < 1:
        raise ValueError(f"a positional encoding has at least one level, got {levels}")
    frequency = 2.0 ** torch.arange(levels, device=p.device, dtype=p.dtype) * math.pi  # (L,)
    phase = p[..., None, :] * frequency[:, None]  # (..., L, C)
    return torch.cat([phase.sin(), phase.cos()], -1).flatten(-2)


def spherical_harmonics(direction: Tensor) -> Tensor:
    """The nine real spherical harmonics of degree 0 to 2 at unit vectors (..., 3), orthonormal on the sphere: (..., 9).

    In the order (0,0), (1,-1), (1,0), (1,1), (2,-2) ... (2,2), without the phase (-1)^m.
    """
    x, y, z = direction.unbind(-1)
    a, b, c = math.sqrt(1 / (4 * math.pi)), math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    second = (c * x * y, c * y * z, c / math.sqrt(12) * (3 * z * z - 1), c * x * z, c / 2 * (x * x - y * y))
    return torch.stack([torch.full_like(x, a), b * y, b * z, b * x, *second], -1)
