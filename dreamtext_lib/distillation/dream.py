"""Text to 3-D: the loop that moves a radiance field to where the prior likes its pictures (thesis 3.3, fig 3.9)."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..clock import Clock
from ..descent import falling, finite, mend, optimiser_of
from ..files import write_tensors
from ..radiance.cameras import Cameras
from ..radiance.encoding import HashGrid
from ..radiance.field import HashField
from ..radiance.occupancy import Occupancy
from ..radiance.volume import Volume
from ..runs import COLOURS, pack, read_checkpoint, read_record, stream, unpack, write_record
from .ending import decoded, ending, fresh_latents
from .gradients import VSD, Arrow, Words, arrow_of, sds
from .look import look
from .photo import Photo, photo_loss, target_of
from .prior import Prior
from .prompts import view_states
from .recipe import Recipe
from .regularisers import regulariser
from .schedules import guidance_at, times_at
from .score import backward, injected, weighted

ENGINES = ("torch", "onnxruntime")  # what may answer for the U-Net
ON_THE_WAY = ("the view", "the view's latent", "the model's answer", "the gradient of the field")


class Record(NamedTuple):
    """What one step of a dream did."""

    step: int  # steps done, from 1
    loss: float  # w(t) arrow^2, mean: for SDS the value of (3.19), which the score's gradient does not descend
    opacity: float  # mean opacity of the training view
    t: int  # noise step of the first view
    view: str  # its view word
    shading: str
    nonfinite: int  # entries of slopes, at the latents and at the field's parameters, that were not finite: set to 0
    culprit: str  # the first quantity on the way that was not finite, '' for none
    seconds: tuple[float, ...]  # renderer, autoencoder, U-Net, backward with optimiser


def distil(
    volume: Volume,
    prior: Prior,
    states: Mapping[str, Tensor],
    recipe: Recipe,
    seed: int,
    optimiser: torch.optim.Optimizer,
    *,
    arrow: Arrow = sds,
    photo: Photo | None = None,
    start: int = 0,
) -> Iterator[Record]:
    """Score distillation (3.21): after each step that moved the field of `volume`, what it did.

    states: text states (1, L, C) by view word, '' for no text (`prompts.view_states`). photo: what one view should
    show, with the weights of `recipe.regular`. `start` steps are done already.
    The seed, the step and the purpose fix all random numbers of a step; the generator may be left and made anew.
    """
    r, rates = recipe, falling(optimiser, recipe.descent, recipe.steps, start)
    target = None if photo is None else target_of(photo, volume, prior, r.views)
    learns = [p for group in optimiser.param_groups for p in group["params"]]
    for step in range(start, r.steps):
        draw, fraction, clock = partial(stream, seed, step), step / r.steps, Clock(prior.device)
        view = look(volume, r, fraction, draw)
        clock.lap()
        z = prior.encode_image(view.rgb) if r.space == "colours" else view.rgb  # (B, c, h, w)
        clock.lap()

        t = times_at(r.score, fraction, len(z), draw("time")).to(z.device)  # (B,)
        text = torch.cat([states[word] for word in view.cameras.words])  # (B, L, C)
        words = Words(text, states[""].expand_as(text), view.cameras, states)
        s = guidance_at(r.score, fraction)
        towards = arrow(prior, z.detach().to(prior.dtype), t, words, s, draw("noise"))  # (B, c, h, w)
        gradient, broken = finite(weighted(towards, prior.alpha_bar[t]))
        clock.lap()

        loss = injected(z.float(), gradient) / len(z) + regulariser(r.regular, prior, view, z, fraction)
        if target is not None:
            loss = loss + photo_loss(r.regular, target, volume, r.views, draw)
        optimiser.zero_grad(set_to_none=True)
        backward(loss, z, learns)
        lost = mend(optimiser)
        optimiser.step()
        rates.step()
        if volume.occupancy is not None and (step + 1) % r.voxels.renew_every == 0:
            volume.occupancy.update(volume.field.density, draw("occupancy"))
        clock.lap()

        value, opacity = (gradient * towards).nanmean().item(), view.seen.opacity.mean().item()
        word, seconds, culprit = view.cameras.words[0], tuple(clock.seconds), ""
        if broken or lost:
            clear = bool(view.rgb.isfinite().all()), bool(z.isfinite().all()), not broken
            culprit = next((name for name, fine in zip(ON_THE_WAY, clear) if not fine), ON_THE_WAY[-1])
        yield Record(step + 1, value, opacity, int(t[0]), word, view.shading, broken + lost, culprit, seconds)


class Dream:
    """A volume on its way to a prompt, and all that a checkpoint needs."""

    def __init__(
        self,
        prompt: str,
        prior: Prior,
        recipe: Recipe,
        seed: int = 0,
        model: str = "",
        *,
        words: str | None = None,
        photo: Photo | None = None,
    ):
        self.prompt, self.prior, self.recipe, self.seed = prompt, prior, recipe, seed
        if (photo is None) != (recipe.regular.photo_weight == recipe.regular.mask_weight == 0):
            r, there = recipe.regular, "no photograph" if photo is None else "a photograph"
            raise ValueError(f"photo_weight is {r.photo_weight} and mask_weight {r.mask_weight}, but there is {there}")
        self.photo = photo
        self.model = model  # what the prior is called, for the record
        self.words = words  # the file of learned words that the prior was given, for the record
        self.step = 0  # steps done
        self.notes: dict[str, int] = {}  # what else the record shall hold
        self.states = view_states(prior, prompt, worded=recipe.views.view_words, negative=recipe.score.negative)
        self.arrow = arrow_of(recipe.score, prior)
        if recipe.space == "latents":
            self.volume = fresh_latents(recipe, prior, seed)
            rates = recipe.descent.with_fields(rate_grid=recipe.latents.rate_lattice)
            self.optimiser = optimiser_of(self.volume.field.parameters(), [], rates)
        else:
            self.volume = fresh(recipe, seed, prior.device)
            field = self.volume.field
            net = [*field.hidden.parameters(), *field.out.parameters()]
            self.optimiser = optimiser_of(field.grid.parameters(), net, recipe.descent)

    @property
    def parts(self) -> tuple[dict, dict]:
        """Modules and optimisers by name, as `runs.pack` takes them."""
        modules, optimisers = dict(self.volume.modules), {"optimiser": self.optimiser}
        if isinstance(self.arrow, VSD):
            modules["student"], optimisers["student_optimiser"] = self.arrow.student, self.arrow.optimiser
        return modules, optimisers

    def run(self) -> Iterator[Record]:
        """The remaining steps, one record each; `drive` stops a run whose gradients stay broken."""
        what = self.volume, self.prior, self.states, self.recipe, self.seed, self.optimiser
        for record in distil(*what, arrow=self.arrow, photo=self.photo, start=self.step):
            self.step = record.step
            yield record

    def pictures(self, cameras: Cameras, size: int = 64) -> Tensor:
        """What the volume shows, (N, H, H, 3) in 0..1; latents are decoded, at the size that the model has for them."""
        if self.recipe.space == "colours":
            return self.volume.pictures(cameras, size)
        return decoded(self.volume, self.prior, cameras, self.recipe.views.size)[0]

    def colours(self, told: Callable[[int], None] = lambda step: None) -> Volume:
        """The volume as one of colours, which needs no prior: itself, or the ending of one of latents (`ending`)."""
        if self.recipe.space == "colours":
            return self.volume
        return ending(self.volume, self.prior, self.recipe, self.seed, told)

    def finish(self, folder: Path, told: Callable[[int], None] = lambda step: None) -> Volume:
        """`colours`; those of a dream in latents are kept in the run's folder, so that they can be seen without it."""
        volume = self.colours(told)
        if volume is not self.volume:
            volume.save(folder / COLOURS)
        return volume

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the resolved recipe to the run's folder."""
        about = {
            "prompt": self.prompt,
            "seed": self.seed,
            "model": self.model,
            "engine": getattr(self.prior, "engine", "torch"),
            "threads": torch.get_num_threads(),
            "words": self.words,
            **self.notes,
        }
        write_record(folder, "dream", about, self.recipe.values())
        if self.photo is not None:
            self.photo.save(folder)
        meta = {"step": self.step, "volume": self.volume.about}
        write_tensors(folder / "checkpoint.safetensors", pack(*self.parts), meta)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a run's folder, of the same recipe. Raises ValueError if that ended before."""
        tensors, meta = read_checkpoint(folder, self.recipe.steps)
        unpack(tensors, *self.parts, meta["step"])
        self.step = meta["step"]


def fresh(recipe: Recipe, seed: int, device: torch.device | str = "cpu") -> Volume:
    """The grey ball of (6.1) that a dream starts from, or noise (7.1) where the recipe asks for it; from the seed."""
    r, b, generator = recipe, recipe.ball, stream(seed, 0, "field")
    grid = HashGrid.of(r.grid, b.bound, generator)
    if b.noise > 0:
        torch.nn.init.uniform_(grid.table, -b.noise, b.noise, generator=generator)
    how = {"blob_value": b.blob_value, "blob_radius": b.blob_radius, "generator": generator}
    field = HashField(grid, r.grid.hidden, **how).to(device)
    occupancy = Occupancy(r.voxels.voxels, r.ball.bound, threshold=r.voxels.threshold, decay=r.voxels.decay).to(device)
    occupancy.update(field.density, generator)
    return Volume(field, occupancy, r.ball.bound)


def read_run(folder: Path) -> tuple[str, int, Recipe, str, str]:
    """Prompt, seed, recipe, model, engine of a dream's folder. Raises ValueError, in one sentence, if it has none."""
    values = read_record(folder, "dream", ("prompt", "model"))
    if (engine := values.get("engine", "torch")) not in ENGINES:
        raise ValueError(f"the record in '{folder}' has the engine {engine!r}; it must be one of {', '.join(ENGINES)}")
    return (
        values["prompt"],
        values["seed"],
        Recipe.from_values(values["recipe"]),
        values["model"],
        engine,
    )
