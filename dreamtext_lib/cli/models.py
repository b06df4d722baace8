"""The model that a command asks for, and what to say of words that it has never seen."""

import re
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..distillation.prior import LatentPrior


def add_model(parser: ArgumentParser) -> None:
    """The flag that names a model."""
    parser.add_argument("--model", help="tiny, tiny-front, a folder, or a name on the model hub (default tiny)")


def prior_of(model: str | None) -> tuple["LatentPrior", str]:
    """The prior and its name, on the device of the profile."""
    from ..distillation.prior import load_prior
    from ..profile import profile
    from ..zoo import resolve

    chosen = profile()
    name = model or chosen.model
    return load_prior(resolve(name), chosen.device, chosen.dtype), name


def note_strange_words(prompt: str, model: str) -> None:
    """Say which words of the prompt a tiny model has never seen."""
    from ..toybox.objects import CLASS_NAMES, vocabulary
    from ..zoo import PIPELINES

    strange = [w for w in re.findall(r"\w+", prompt.lower()) if w not in vocabulary()]
    if model in PIPELINES and strange:
        strange, known = ", ".join(map(repr, strange)), ", ".join(CLASS_NAMES)
        print(f"note: the {model} model has never seen {strange}; it knows {known}", file=sys.stderr)
