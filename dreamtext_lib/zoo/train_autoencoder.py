"""Train the autoencoder: crops first, whole pictures at the end (4.1, latent diffusion)."""

from copy import deepcopy

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..toybox.dataset import Dataset
from .training import Stage, average

CROPS_UNTIL = 0.7  # share of the training that sees crops of half the size, four times as many pictures a second


def stage(model: AutoencoderKL, data: Dataset, rate: float = 2e-3, batch: int = 24, kl: float = 3e-4) -> Stage:
    """L1 + 4 MSE + half the L1 of the gradients + `kl` KL(q(z|x) || N(0, I))."""
    model.to(memory_format=torch.channels_last)
    smooth = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4, betas=(0.9, 0.99))

    def loss(fraction: float, generator: torch.Generator, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        size = data.images.shape[1]
        crop, count = (size // 2, batch) if fraction < CROPS_UNTIL else (size, max(batch // 3, 1))
        rows = torch.randint(len(data), (count,), generator=generator)
        top, left = rng.integers(0, size - crop, 2, endpoint=True) if crop < size else (0, 0)
        if crop < size:  # stay near the middle, where the objects are
            top, left = (int(np.clip(v, size // 10, size - crop - size // 10)) for v in (top, left))
        x = data.pixels(rows)[:, :, top : top + crop, left : left + crop].to(model.device)
        x = x.flip(-1) if rng.random() < 0.5 else x
        x = x.contiguous(memory_format=torch.channels_last)
        posterior = model.encode(x).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(x)
        y = model.decode(posterior.mean + posterior.std * noise).sample
        edges = sum((y.diff(dim=d) - x.diff(dim=d)).abs().mean() for d in (2, 3))
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        error = (y - x).square().mean()
        total = (y - x).abs().mean() + 4 * error + 0.5 * edges + kl * divergence
        return total, {"psnr": (10 * torch.log10(4 / error)).item(), "kl": divergence.item()}

    return Stage(
        {"model": model, "smooth": smooth}, optimiser, loss, rate, lambda step: average(smooth, model, step, 0.998)
    )


@torch.no_grad()
def psnr(model: AutoencoderKL, pictures: Tensor) -> float:
    """Mean PSNR in dB of the reconstructions of pictures (N, 3, H, W) in -1..1, taken as values in 0..1."""
    scores = []
    for x in pictures.to(model.device).split(32):
        y = model.decode(model.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        scores.append(-10 * ((y - x) / 2).square().mean((1, 2, 3)).log10().cpu())
    return torch.cat(scores).mean().item()


@torch.no_grad()
def latents(model: AutoencoderKL, data: Dataset) -> Tensor:
    """Means of q(z|x) of all pictures, unscaled, (N, 4, 16, 16) in half precision."""
    rows = torch.arange(len(data)).split(64)
    encoded = (model.encode(data.pixels(r).to(model.device)).latent_dist.mean for r in rows)
    return torch.cat([z.half().cpu() for z in encoded])
