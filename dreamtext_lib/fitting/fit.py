"""Fitting a field to a capture: gradient descent on rays, as a generator of records (thesis 3.2.3, 3.2.4)."""

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..capture.captures import Capture
from ..capture.carve import worthwhile
from ..clock import Clock
from ..descent import falling, mend, optimiser_of
from ..files import write_tensors
from ..radiance.rendering import composite, photometric
from ..radiance.volume import Volume
from ..runs import pack, read_checkpoint, read_record, stream, unpack, write_record
from .recipe import FitRecipe
from .ways import WAYS, learned

SAME = 1.0  # byte that parts of a picture may differ by: other machines may round otherwise


class Record(NamedTuple):
    """What one step of a fit did."""

    step: int  # steps done, from 1
    loss: float
    psnr: float  # of the step's own rays, dB
    samples: float  # samples a ray that painted something
    nonfinite: int  # entries of the gradient that were not finite, and set to 0
    culprit: str  # the first quantity on the way that was not finite, '' for none
    seconds: float


@dataclass
class Fit:
    """A volume on its way to a capture, and all that a checkpoint needs.

    The capture stays in memory, the volume is on `device` and counts in radii of the capture's ball.
    """

    capture: Capture
    recipe: FitRecipe = field(default_factory=FitRecipe)
    seed: int = 0
    _: KW_ONLY
    step: int = 0  # steps done
    device: str = "cpu"
    source: str = ""  # where the capture was read from

    def __post_init__(self) -> None:
        clear = self.capture.has_alpha or not self.capture.counts.all()
        self.pool = worthwhile(self.capture) if clear else torch.arange(self.capture.rgba[..., 0].numel())
        if not len(self.pool):
            raise ValueError("every pixel of every picture is transparent or masked, so there is nothing to fit")
        self.way = WAYS[self.recipe.kind]
        self.descent = self.way.descent(self.recipe)
        self.volume: Volume = self.way.fresh(self.recipe, self.capture, stream(self.seed, 0, "field"))
        for module in self.volume.modules.values():
            module.to(self.device)
        self.optimiser = optimiser_of(*learned(self.volume), self.descent, fused=True)

    @property
    def parts(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        """Modules and optimisers by name, as `runs.pack` takes them."""
        return self.volume.modules, {"optimiser": self.optimiser}

    def run(self) -> Iterator[Record]:
        """The remaining steps, one record each: random rays, their colours against the pictures', a step of Adam.

        The seed, the step and the purpose fix all random numbers; the generator may be left and made anew.
        """
        r, capture, volume = self.recipe, self.capture, self.volume
        rates = falling(self.optimiser, self.descent, r.steps, self.step)
        for step in range(self.step, r.steps):
            draw, clock = partial(stream, self.seed, step), Clock(self.device)
            place = self.pool[torch.randint(len(self.pool), (r.rays.batch,), generator=draw("pixels"))]
            wall = r.pictures.background
            if capture.has_alpha:  # another wall behind each ray: what is transparent must be so
                wall = torch.rand(r.rays.batch, 3, generator=draw("wall"))
            given = *capture.rays(place), capture.colours(place, wall)
            origins, directions, pixels = (v.to(self.device) for v in given)
            wall = wall.to(self.device) if isinstance(wall, Tensor) else wall
            seen = self.way.rays(volume, r, origins, directions, step=step, draw=draw)
            loss = photometric(seen, pixels, wall)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            broken = mend(self.optimiser)
            self.optimiser.step()
            rates.step()
            if volume.occupancy is not None and (step + 1) % r.voxels.renew_every == 0:
                volume.occupancy.update(volume.field.density, draw("occupancy"))
            error = (composite(seen[-1].rgb, seen[-1].opacity, wall).detach() - pixels).square().mean().item()
            painted = (seen[-1].weights > 0).float().sum(-1).mean().item()
            self.step = step + 1
            culprit = "" if not broken else "the gradient of the field" if loss.isfinite() else "the loss"
            yield Record(self.step, loss.item(), decibel(error), painted, broken, culprit, clock.lap())

    def views(self, capture: Capture) -> Tensor:
        """What the field shows to the cameras of a capture, (N, H, W, 3) in 0..1, over the recipe's background."""
        height, wall = capture.size[0], self.recipe.pictures.background
        return torch.stack([self.volume.picture(*capture.picture_rays(i), height, wall) for i in range(len(capture))])

    def errors(self, held_out: Capture) -> list[float]:
        """PSNR of the pixels that count of each held-out picture, dB, over the recipe's background."""
        both = zip(self.views(held_out), held_out.pictures(self.recipe.pictures.background), held_out.counts)
        return [decibel((a - b).square()[counts].mean().item()) for a, b, counts in both]

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the resolved recipe to the run's folder."""
        write_record(folder, "fit", {"capture": self.source, "seed": self.seed}, self.recipe.values())
        meta = {"step": self.step, "volume": self.volume.about}
        write_tensors(folder / "checkpoint.safetensors", pack(*self.parts) | {"sketch": self.capture.sketch}, meta)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a run's folder, written with the same recipe.

        Raises ValueError, too, if the pictures were others then, or the capture's ball was elsewhere or of another
        size: its cameras were changed.
        """
        tensors, meta = read_checkpoint(folder, self.recipe.steps)
        about, (centre, radius) = meta.get("volume"), self.volume.world
        then, of = about["world"] if about else (centre, radius)
        if math.dist(then, centre) > 1e-4 * radius or not math.isclose(of, radius, rel_tol=1e-4):
            raise ValueError(
                f"the cameras of '{self.source}' were changed since '{folder}' began: the ball that they look at had"
                f" the radius {of:g} and has {radius:g}, or another centre; put them back, or begin a new fit"
            )
        self.check_pictures(tensors.get("sketch", self.capture.sketch), folder)
        unpack(tensors, *self.parts, meta["step"])
        self.step = meta["step"]

    def check_pictures(self, then: Tensor, folder: Path) -> None:
        """Raise ValueError if a picture, or its mask, looks otherwise than it did: by more than SAME, anywhere."""
        now = self.capture.sketch
        if then.shape != now.shape:
            raise ValueError(
                f"'{self.source}' has {len(now)} pictures to learn from and had {len(then)} when '{folder}' began; put"
                " them back, or begin a new fit"
            )
        apart = (then - now).abs().amax((1, 2, 3))  # (N,)
        if apart.max() > SAME:
            name = self.capture.names[apart.argmax()]
            raise ValueError(
                f"the picture '{name}' of '{self.source}', or its mask, was changed since '{folder}' began: a part"
                f" of it has another mean, by {apart.max():.1f} of 255; put it back, or begin a new fit"
            )


def decibel(error: float) -> float:
    """PSNR of a mean squared error of values in 0..1: -10 log10(error), at most 100.

    >>> decibel(0.01), decibel(0.0)
    (20.0, 100.0)
    """
    return -10 * math.log10(max(error, 1e-10))


def read_fit(folder: Path) -> tuple[dict, FitRecipe]:
    """What a fit's folder says of it, and its recipe. Raises ValueError, in one sentence, if it holds no fit."""
    about = read_record(folder, "fit", ("capture",))
    return about, FitRecipe.from_values(about["recipe"])
