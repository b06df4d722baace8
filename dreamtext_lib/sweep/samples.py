"""Text to 3-D by way of an image (thesis 5.3) as a job of a sweep: an image is drawn, described, its words trained.

Plain dreams of one text are nearly alike whatever the seed; images of it are not. `Way(through=False)` is the plain
dream, in the same folders and with the same scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..drive import alone
from ..settings import Count, Number, Settings
from .dreams import Scoring, prior_of, row_of
from .images import DREAMTEXT, Method, dreamed, plain, shaped

if TYPE_CHECKING:
    from torch import Tensor

VIEW = "front"  # word of the side from which the image is drawn, so that it shows most


@dataclass(frozen=True)
class Way(Settings):
    """One way from a text to a thing in space."""

    through: bool = True  # whether an image of the text is drawn first, and described; else the text itself is dreamed
    drawn_guidance: Number = 4.0  # s of (3.8) with which it is drawn
    drawn_steps: Count = 25  # steps of DDIM
    method: Method = field(default_factory=lambda: DREAMTEXT)  # from the image to the thing


WAYS = {"through-image": Way(), "plain": Way(through=False)}  # by name; others are changed fields of these


def sample(job: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Dream what a prompt says by one of its images, the seed's; the row: sentence, seconds, scores by the prompt.

    Goes on from checkpoints, and holds the folder, as `images.image` does, and raises what that raises.
    """
    way, prompt = Way.from_values(job["settings"], "the way"), job["prompt"]
    with alone(home):
        if way.through:
            shown = drawn(job, way)
            volume, row = shaped(job, way.method, shown, home, source=f"a picture of '{prompt}', seed {job['seed']}")
        else:
            volume, row = dreamed(job, prompt, way.method.dream, home, prior=prior_of(job["model"])[0])
    return row | row_of(prompt, volume, Scoring(**job["score"]))


def drawn(job: Mapping[str, Any], way: Way) -> "Tensor":
    """The image (S, S, 3) in 0..1 that the model draws of a prompt from its front, by the job's seed."""
    import torch

    prior = plain(prior_of(job["model"])[1])
    prior.pipeline.set_progress_bar_config(disable=True)
    made = prior.pipeline(
        f"{job['prompt']}, {VIEW} view",
        guidance_scale=way.drawn_guidance + 1,  # diffusers' g
        num_inference_steps=way.drawn_steps,
        generator=torch.Generator(prior.device).manual_seed(job["seed"]),
        output_type="np",
    )
    return torch.from_numpy(made.images[0])
