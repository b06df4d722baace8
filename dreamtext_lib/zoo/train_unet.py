"""Train the U-Net to predict the noise in latents: (3.5) with min-SNR weights, captions left out at times for (3.8)."""

from copy import deepcopy

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ..diffusion.forward import add_noise
from ..toybox.dataset import Dataset
from .training import Stage, average

UNCONDITIONAL = 0.1  # share of empty captions, for classifier-free guidance
MIN_SNR = 5.0  # Hang et al. 2023: the loss at t is weighted by min(SNR, 5) / SNR
EARLY, EARLY_SHARE = 400, 0.4  # so large a share of the steps is drawn from 400..999, where class, side and colour are
SIDES = (0.32, 0.26, 0.28, 0.14)  # share of each view word: fronts and backs are what is taken for each other


@torch.no_grad()
def encode_text(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Hidden states (N, 24, width) as the pipeline feeds them to the U-Net."""
    ids = tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
    return encoder(input_ids=ids.to(encoder.device)).last_hidden_state


def chances(data: Dataset, sides: tuple[float, ...] | None) -> Tensor:
    """How likely each picture (N,) is drawn, so that view words come in the shares `sides`; None: all alike."""
    view = data.labels[:, 4]
    return torch.ones(len(data)) if sides is None else (torch.tensor(sides) / view.bincount(minlength=4))[view]


def stage(
    model: UNet2DConditionModel,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    data: Dataset,
    latents: Tensor,
    rate: float = 1e-3,
    batch: int = 32,
    sides: tuple[float, ...] | None = SIDES,
) -> Stage:
    """Training on scaled latents (N, 4, 16, 16) of the renders in `data`.

    sides: shares in which the four view words are drawn; None: as they are in the data.
    """
    smooth = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3, betas=(0.9, 0.99))
    alpha_bar, device = scheduler.alphas_cumprod, model.device
    snr = alpha_bar / (1 - alpha_bar)
    weight = (snr.clamp(max=MIN_SNR) / snr).to(device)
    chance = chances(data, sides)
    known: dict[str, Tensor] = {}

    def embed(texts: list[str]) -> Tensor:
        for text in texts:  # one by one: the same bits whatever else is asked, so that a resumed run repeats them
            if text not in known:
                known[text] = encode_text(encoder, tokenizer, [text])[0]
        return torch.stack([known[text] for text in texts])

    def loss(fraction: float, generator: torch.Generator, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.multinomial(chance, batch, replacement=True, generator=generator)
        captions = data.captions(rows, rng)
        texts = [text if keep else "" for text, keep in zip(captions, rng.random(batch) >= UNCONDITIONAL)]
        x_0 = latents[rows].float()
        lowest = torch.where(torch.rand(batch, generator=generator) < EARLY_SHARE, EARLY, 0)
        t = lowest + ((1000 - lowest) * torch.rand(batch, generator=generator)).long()
        eps = torch.randn(x_0.shape, generator=generator)
        x_t, eps, t = add_noise(x_0, eps, alpha_bar[t]).to(device), eps.to(device), t.to(device)  # (3.2)
        error = (model(x_t, t, embed(texts)).sample - eps).square().mean((1, 2, 3))
        return (weight[t] * error).mean(), {"mse": error.mean().item()}

    return Stage(
        {"model": model, "smooth": smooth}, optimiser, loss, rate, lambda step: average(smooth, model, step, 0.999)
    )


@torch.no_grad()
def sample(
    model: UNet2DConditionModel,
    autoencoder: AutoencoderKL,
    scheduler: DDIMScheduler,
    text: Tensor,
    empty: Tensor,
    guidance: float,
    steps: int = 25,
    seed: int = 0,
) -> Tensor:
    """DDIM samples for text states (N, 24, width): pictures (N, 3, 64, 64) in -1..1.

    `guidance` is s of (3.8): eps(y) + s (eps(y) - eps(none)), one less than diffusers' guidance_scale.
    """
    count = len(text)
    scheduler.set_timesteps(steps)
    z = torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    states = torch.cat([empty.expand_as(text), text])
    for t in scheduler.timesteps:
        none, some = model(torch.cat([z, z]), t, states).sample.chunk(2)
        z = scheduler.step(some + guidance * (some - none), t, z).prev_sample
    return autoencoder.decode(z / autoencoder.config.scaling_factor).sample.clamp(-1, 1)
