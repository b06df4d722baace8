"""Whether an image lies within what the tiny models know: two numbers beside those of toys."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..distillation.prior import LatentPrior
from ..radiance.cameras import orbit
from ..toybox.objects import CLASS_NAMES, random_object
from ..toybox.render import render, studio
from .clip import Clip
from .sentence import Sentence

SEED = 7_000_003  # of the toys to compare with


class Known(NamedTuple):
    """What is measured of an image."""

    error: float  # root of the mean squared difference to what the autoencoder makes of it, of values in 0..1
    similarity: float  # cosine with 'an image of' its noun


@torch.no_grad()
def rebuilt_error(prior: LatentPrior, picture: Tensor) -> float:
    """How far a picture (3, S, S) in 0..1 is from its reconstruction by the autoencoder, root mean square."""
    x = picture[None].to(prior.device)
    return (prior.decode(prior.encode_image(x)).float() - x).square().mean().sqrt().item()


def usual(prior: LatentPrior, clip: Clip) -> Known:
    """The largest error and the least similarity of a toy of each class, seen from its front."""
    rng, errors, nearness = np.random.default_rng(SEED), [], []
    camera = orbit(20.0, 15.0)
    for name in CLASS_NAMES:
        picture = render([random_object(rng, name)], camera, prior.pixels, studio(camera)).rgb[0].permute(2, 0, 1)
        errors.append(rebuilt_error(prior, picture))
        text = Sentence(name, (), "" if name == "cherries" else "fitting").text
        nearness.append(float(clip.texts([text])[0] @ clip.image(picture)))
    return Known(max(errors), min(nearness))


def warnings(image: Known, toys: Known, noun: str, *, searched: bool = True) -> list[str]:
    """What to say of an image that lies outside: a sentence with its number beside those of single toys, or nothing.

    It may be one of the toys' kind all the same: theirs are of one toy a class (`usual`). searched: whether the noun
    is the nearest of many, and not one that was given.
    """
    said, count = [], len(CLASS_NAMES)
    if image.error > toys.error:
        said.append(
            f"the model's own autoencoder gives the image back with an error of {image.error:.3f}, and {count} toys"
            f" with {toys.error:.3f} at most: it may never have seen the like, so expect little"
        )
    if image.similarity < toys.similarity:
        what = f"the nearest noun, '{noun}'," if searched else f"'{noun}'"
        shows = "the image may show what no word here names" if searched else "it may not be what the image shows"
        said.append(
            f"{what} has a similarity of {image.similarity:.2f} to the image, and the nouns of {count} toys have"
            f" {toys.similarity:.2f} to theirs at least: {shows}, so expect another thing"
        )
    return said
