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


def warnings(image: Known, toys: Known, noun: str) -> list[str]:
    """What to say of an image that lies outside: a sentence with its number beside the toys', or nothing."""
    said = []
    if image.error > toys.error:
        said.append(
            f"the model's own autoencoder gives the image back with an error of {image.error:.3f}, and a toy with"
            f" {toys.error:.3f} at most: it has never seen the like, so expect little"
        )
    if image.similarity < toys.similarity:
        said.append(
            f"the nearest noun, '{noun}', has a similarity of {image.similarity:.2f} to the image, and a toy's own one"
            f" {toys.similarity:.2f} at least: the image shows what no word here names, so expect another thing"
        )
    return said
