"""The kinds of jobs that a sweep can be made of. Each is a value; a further one is a further line of `KINDS`."""

import os
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from ..distillation.recipe import RECIPES
from ..settings import Settings, paths
from .dreams import Scoring, check, dream, room
from .images import METHODS, ImageScoring, image
from .images import check as check_title
from .samples import WAYS, sample


class Kind(NamedTuple):
    """What is done in a job, and what must be known of it before any work."""

    run: Callable[[dict[str, Any], Path], dict[str, Any]]  # takes a job (`experiment.jobs`) and its folder; the row
    recipes: Callable[[], Mapping[str, Settings]]  # that there are, by name
    scoring: Settings  # how rows are scored, unless told
    about: str = "prompt"  # what a job is about; a file lists it as 'prompts'
    check: Callable[[str], str] = str.strip  # what it is about as the job takes it; ValueError if it cannot be used
    room: Callable[[Settings, str], int] = lambda recipe, model: 1 << 20  # bytes that a job may need on the disk
    photo: bool = False  # whether a job has a photograph, which `photo_weight` and `mask_weight` want


def profile_of() -> str:
    """The name of the profile that the environment asks for, whatever this machine has; ValueError if there is none."""
    name = os.environ.get("DREAMTEXT_PROFILE", "toy")
    if name not in RECIPES:
        raise ValueError(f"DREAMTEXT_PROFILE is '{name}'; choose one of {', '.join(RECIPES)}")
    return name


def recipes() -> Mapping[str, Settings]:
    """The recipes of dreams in this profile, but for those that want a photograph."""
    named = RECIPES[profile_of()]
    return {name: r for name, r in named.items() if not (r.regular.photo_weight or r.regular.mask_weight)}


def no_photo(recipes: Mapping[str, Settings], kind: str, where: str) -> None:
    """Raise ValueError if a recipe weighs a photograph, which no job of the kind has."""
    for name, recipe in recipes.items():
        for path in paths(recipe):
            if path[-1] in ("photo_weight", "mask_weight") and (weight := reduce(getattr, path, recipe)):
                raise ValueError(
                    f"{where}, recipe '{name}': {path[-1]} is {weight}, but a job of the kind '{kind}' has no"
                    " photograph; set it to 0, or choose the kind 'image'"
                )


KINDS = {
    "dream": Kind(dream, recipes, Scoring(), check=check, room=room),
    "image": Kind(
        image,
        lambda: METHODS,
        ImageScoring(),
        about="image",
        check=check_title,
        room=lambda method, model: room(method.dream, model),
        photo=True,
    ),
    "sample": Kind(sample, lambda: WAYS, Scoring(), check=check, room=lambda way, model: room(way.method.dream, model)),
}
