"""The prior: what distillation asks of a text-to-image model, answered by any Stable Diffusion of diffusers."""

from copy import deepcopy
from pathlib import Path
from typing import Protocol

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from diffusers.utils import logging
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers.utils import logging as transformers_logging

from ..diffusion.forward import noise_of_velocity
from ..diffusion.schedule import Schedule, of_alpha_bar


class Prior(Protocol):
    """A text-conditioned model of latents x_0, with eps(x_t, t, condition) and everything around it."""

    device: torch.device
    dtype: torch.dtype
    alpha_bar: Tensor  # (1000,) of the schedule the model was trained with, on the device

    @property
    def schedule(self) -> Schedule:
        """That schedule, in float64."""

    def encode_text(self, texts: list[str], *, gradient: bool = False) -> Tensor:
        """Text states (N, L, C); with a gradient if asked for."""

    def encode_image(self, rgb: Tensor) -> Tensor:
        """Latents (B, c, h, w), scaled, of pictures (B, 3, H, W) in 0..1; differentiable."""

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, h', w') in 0..1 of scaled latents, without gradient."""

    def eps(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The predicted noise (B, c, h, w) in x_t (B, c, h, w) at steps t (B,) for text states (B, L, C)."""

    def student(self) -> nn.Module:
        """A copy of `eps` that can be trained, called in the same way."""


class LatentPrior:
    """A prior made of a Stable Diffusion pipeline's parts: autoencoder, U-Net, text encoder, tokenizer, schedule."""

    def __init__(self, pipeline: StableDiffusionPipeline):
        self.pipeline = pipeline
        self.vae, self.unet = (m.eval().requires_grad_(False) for m in (pipeline.vae, pipeline.unet))
        self.text_encoder, self.tokenizer = pipeline.text_encoder.eval().requires_grad_(False), pipeline.tokenizer
        self.device, self.dtype = self.unet.device, self.unet.dtype
        self.alpha_bar = pipeline.scheduler.alphas_cumprod.float().to(self.device)
        self.pixels = self.unet.config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.kind = pipeline.scheduler.config.prediction_type
        if self.kind not in ("epsilon", "v_prediction"):
            raise ValueError(f"the model predicts {self.kind!r}; distillation needs 'epsilon' or 'v_prediction'")

    @property
    def schedule(self) -> Schedule:
        """The schedule that the model was trained with. Raises ValueError if its last step leaves nothing."""
        return of_alpha_bar(self.alpha_bar)

    def encode_text(self, texts: list[str], *, gradient: bool = False) -> Tensor:
        """Text states (N, L, C); `gradient` keeps the graph to those weights of the text encoder that ask for one.

        Raises ValueError for a text longer than the tokenizer takes.
        """
        limit = self.tokenizer.model_max_length
        for text in texts:
            if (count := len(self.tokenizer(text).input_ids)) > limit:
                raise ValueError(f"the text '{text}' is {count} tokens long and the model takes {limit}; shorten it")
        ids = self.tokenizer(texts, padding="max_length", max_length=limit, return_tensors="pt").input_ids
        with torch.set_grad_enabled(gradient):
            return self.text_encoder(input_ids=ids.to(self.device)).last_hidden_state

    def encode_image(self, rgb: Tensor) -> Tensor:
        """Means of q(z|x) times the scaling factor; pictures of another size are resized to the model's own first."""
        if rgb.shape[-1] != self.pixels:
            rgb = interpolate(rgb, (self.pixels, self.pixels), mode="bilinear", align_corners=False)
        posterior = self.vae.encode(rgb.to(self.dtype) * 2 - 1).latent_dist
        return posterior.mean * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in 0..1 of scaled latents."""
        return (self.vae.decode(latents / self.vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)

    def eps(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The U-Net's noise; a velocity is turned into noise first."""
        return self.noise_of(self.unet(x_t, t, states).sample, x_t, t)

    def noise_of(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """What the U-Net's answer to x_t says about the noise."""
        return out if self.kind == "epsilon" else noise_of_velocity(out, x_t, self.alpha_bar[t])

    def student(self) -> nn.Module:
        """A copy of the U-Net that can be trained, in single precision, and answers with noise as `eps` does."""
        return Student(self)


class Student(nn.Module):
    """A trainable copy of a prior's U-Net: (x_t, t, states) -> noise."""

    def __init__(self, prior: LatentPrior):
        super().__init__()
        self.unet = deepcopy(prior.unet).float().requires_grad_(True)
        self.noise_of = prior.noise_of

    def forward(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The predicted noise (B, c, h, w), in the precision of x_t."""
        x, y = x_t.float(), states.float()
        return self.noise_of(self.unet(x, t, y).sample, x, t).to(x_t)


def load_prior(model: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> LatentPrior:
    """The prior in a folder, or behind a name on the model hub.

    Only safetensors are read and no code of the model's is run.
    Raises ValueError with one sentence if it is not there or is no Stable Diffusion pipeline.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        if Path(model).exists() and not (Path(model) / "model_index.json").is_file():
            raise ValueError(f"the folder '{model}' holds no diffusers pipeline: it has no model_index.json")
        pipeline = DiffusionPipeline.from_pretrained(
            model, dtype=dtype, use_safetensors=True, safety_checker=None, requires_safety_checker=False
        )
    except ValueError as error:
        if "holds no diffusers pipeline" in str(error):
            raise
        raise ValueError(f"the model '{model}' cannot be read: {first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"no model '{model}': it is neither a folder, nor a model of this package, nor on the hub within reach"
            f" ({first_line(error)})"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
        transformers_logging.enable_progress_bar()
    if not hasattr(pipeline, "unet") or not hasattr(pipeline, "vae") or hasattr(pipeline, "text_encoder_2"):
        raise ValueError(
            f"the model '{model}' is a {type(pipeline).__name__}; distillation needs Stable Diffusion 1 or 2"
        )
    return LatentPrior(pipeline.to(device))


def first_line(error: Exception) -> str:
    """The first line of an error's text, without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
