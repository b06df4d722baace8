"""A small U-Net on pixels: eps(x_t, t), the noise in a picture. Down to see the whole, up to see each pixel again.

Its shape is the one of DDPM: residual blocks that know the time, a halving of the sides between levels, attention
where the picture is smallest, and a copy of each level handed across to the way up. One more copy goes from the input
to the output, in a share that depends on the time: near T almost all of x_t is the noise, and no block has to learn to
hand it through.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import attention

GROUPS = 8  # of channels that are normalised together


def time_embedding(t: Tensor, width: int) -> Tensor:
    """Times (B,) as waves: sin(t w_i), then cos(t w_i), with w_i falling from 1 to 1/10000: (B, width), width even.

    Neighbouring times get neighbouring vectors, far ones do not. Source: Vaswani et al. 2017; Ho et al. 2020.
    """
    half = width // 2
    w = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / (half - 1))  # (width / 2,)
    angle = t[:, None].float() * w  # (B, width / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class ResidualBlock(nn.Module):
    """x + two convolutions, with the time added between them: (B, before, H, W), (B, time) -> (B, after, H, W)."""

    def __init__(self, before: int, after: int, time: int):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, before), nn.Conv2d(before, after, 3, padding=1)
        self.time = nn.Linear(time, after)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, after), nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]  # (B, after, H, W)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class SelfAttention(nn.Module):
    """x + what each place takes from all places: the pixels are the sequence of 3.9. (B, C, H, W) -> the same."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.queries_keys_values = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.queries_keys_values(self.norm(x)).flatten(2).transpose(1, 2)  # (B, H W, 3 C)
        mixed = attention(*qkv.chunk(3, dim=2))  # (B, H W, C)
        return x + self.out(mixed.transpose(1, 2).reshape(x.shape))


class UNet(nn.Module):
    """The noise in x_t (B, 3, H, W) at times t (B,), counted from 0: (B, out_channels, H, W).

    widths: channels of each level, the finest first, multiples of 8; from level to level the sides are halved.
    out_channels: 3 for the noise; 6 for the noise and what the variance is made of (`learned_variance`).
    tile: the picture is first cut into tiles of tile x tile pixels, whose pixels become channels. Nothing is lost,
        and there are tile^2 times fewer places to compute at. H and W are multiples of tile * 2^(levels - 1).
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 96), out_channels: int = 3, tile: int = 2):
        super().__init__()
        self.tile, self.first, time = tile, widths[0], 4 * widths[0]
        self.time = nn.Sequential(nn.Linear(self.first, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.into = nn.Conv2d(3 * tile**2, self.first, 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(w, w, time) for w in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.attention, self.middle = SelfAttention(widths[-1]), ResidualBlock(widths[-1], widths[-1], time)
        self.up = nn.ModuleList(ResidualBlock(2 * w, w, time) for w in widths)
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, self.first), nn.SiLU(), nn.Conv2d(self.first, out_channels * tile**2, 3, padding=1)
        )
        for last in (self.out[-1], self.attention.out, *(block.conv2 for block in (*self.down, self.middle, *self.up))):
            nn.init.zeros_(last.weight)  # each block begins as doing nothing, the whole as 'all of it is noise'
            nn.init.zeros_(last.bias)
        self.shares = nn.Linear(time, 2)  # how much of x_t itself, and of what the blocks found, is the noise
        nn.init.zeros_(self.shares.weight)
        nn.init.ones_(self.shares.bias)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        time = self.time(time_embedding(t, self.first))  # (B, 4 widths[0])
        h = self.into(F.pixel_unshuffle(x_t, self.tile))  # (B, widths[0], H / tile, W / tile)
        seen = []
        for level, block in enumerate(self.down):
            h = block(h, time)
            seen.append(h)
            if level < len(self.shrink):
                h = self.shrink[level](h)  # (B, widths[level + 1], half the sides)
        h = self.middle(self.attention(h), time)
        for level in reversed(range(len(self.up))):
            h = self.up[level](torch.cat([h, seen[level]], dim=1), time)  # (B, 2 w) -> (B, w)
            if level > 0:
                h = self.grow[level - 1](F.interpolate(h, scale_factor=2, mode="nearest"))  # double the sides
        found = F.pixel_shuffle(self.out(h), self.tile)  # (B, out_channels, H, W)
        itself, rest = self.shares(time)[:, :, None, None, None].unbind(1)  # (B, 1, 1, 1) each
        eps = itself * x_t + rest * found[:, :3]
        return torch.cat([eps, found[:, 3:]], dim=1)
