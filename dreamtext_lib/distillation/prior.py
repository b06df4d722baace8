"""The prior: what distillation asks of a text-to-image model, answered by any Stable Diffusion of diffusers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_log
from huggingface_hub.utils import are_progress_bars_disabled
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers.utils import logging as transformers_log

from ..diffusion.forward import noise_of_velocity
from ..diffusion.schedule import Schedule, of_alpha_bar
from .models import check_folder

SHOWN = 60  # letters of a text that is too long


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
        self.engine = "torch"  # what answers for the U-Net and the decoder
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
        limit = check_lengths(self.tokenizer, texts)
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
        return (self.painter(latents / self.vae.config.scaling_factor) / 2 + 0.5).clamp(0, 1)

    def painter(self, latents: Tensor) -> Tensor:
        """The decoder's answer as it is. Another program may take its place (`graph.quicken`)."""
        return self.vae.decode(latents).sample

    def eps(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The U-Net's noise; a velocity is turned into noise first."""
        return self.noise_of(self.network(x_t, t, states), x_t, t)

    def network(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The U-Net's answer as it is. Another program may take its place (`graph.quicken`)."""
        return self.unet(x_t, t, states).sample

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


def check_lengths(tokenizer: Any, texts: Sequence[str]) -> int:
    """The tokens that a text may have. Raises ValueError for a longer one, of which it says the beginning."""
    limit = tokenizer.model_max_length
    for text in texts:
        if (count := len(tokenizer(text).input_ids)) > limit:
            said = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
            raise ValueError(f"the text '{said}' is {count} tokens long and the model takes {limit}; shorten it")
    return limit


def load_prior(model: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> LatentPrior:
    """The prior in a folder, or behind a name on the model hub.

    Only safetensors are read, in a variant such as fp16 where there are no others, and no code of the model's is run.
    Raises ValueError with one sentence if it is not there, is not whole, or is no Stable Diffusion (`check_folder`).
    """
    folder = Path(model) if Path(model).exists() else download(model)
    variant = check_folder(folder)
    with quiet():
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                folder,
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                safety_checker=None,
                requires_safety_checker=False,
                feature_extractor=None,
                image_encoder=None,
            )
        except Exception as error:  # whatever two libraries may raise at files that other programs wrote
            raise ValueError(
                f"the model '{model}' cannot be read: {first_line(error).split('. ')[0]}; get it again"
            ) from error
    if pipeline.tokenizer.model_max_length > (limit := pipeline.text_encoder.config.max_position_embeddings):
        pipeline.tokenizer.model_max_length = limit  # where the tokenizer's settings name no length
    return LatentPrior(pipeline.to(device))


def download(model: str) -> Path:
    """The folder of a model on the hub, fetched if it is not there yet; ValueError if it cannot be had."""
    if model.startswith((".", "/", "~")) or "\\" in model or model.count("/") > 1:
        raise ValueError(f"there is no folder '{model}'")
    for variant in (None, "fp16"):
        try:
            return Path(
                DiffusionPipeline.download(
                    model, variant=variant, use_safetensors=True, safety_checker=None, feature_extractor=None
                )
            )
        except Exception as error:  # whatever the hub's library may raise
            if variant is None and "safetensors" in str(error):
                continue  # it has none but those of a variant
            raise ValueError(
                f"no model '{model}': it is neither a folder, nor a model of this package, nor on the hub within reach"
                f" ({first_line(error)})"
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and notes of the libraries that load a model; afterwards they are as they were."""
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in (diffusers_log, transformers_log)]
    silent = are_progress_bars_disabled()  # of the hub; it warns at those who enable bars that the user has disabled
    for log, _, _ in before:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, bars in before:
            log.set_verbosity(verbosity)
            if bars and not silent:
                log.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The first line of an error's text, without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
