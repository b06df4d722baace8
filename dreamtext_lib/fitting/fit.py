"""Fitting a field to a capture: gradient descent on rays, as a generator of records (thesis 3.2.3, 3.2.4)."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..capture.captures import Capture
from ..capture.carve import carve, worthwhile
from ..radiance.cameras import Cameras, rays
from ..radiance.encoding import HashGrid
from ..radiance.field import ViewField
from ..radiance.nerf import NeRF, nerf_loss, render_hierarchical
from ..radiance.occupancy import Occupancy
from ..radiance.rendering import Rendered, composite, render_rays
from ..runs import pack, read_tensors, unpack, write_json, write_tensors
from .recipe import FitRecipe

STOP = 1e-3  # of its light, at which a ray ends
ROWS = 8192  # rays that are rendered at once when nothing is learned


class Record(NamedTuple):
    """What one step of a fit did."""

    step: int  # steps done, from 1
    loss: float
    psnr: float  # of the step's own rays, dB
    samples: float  # samples a ray that painted something
    seconds: float


@dataclass
class Fit:
    """A field on its way to a capture, and all that a checkpoint needs. In units of the capture's ball.

    The capture stays in memory, the field is on `device`; rays that come from elsewhere are answered there.
    """

    capture: Capture
    recipe: FitRecipe = field(default_factory=FitRecipe)
    seed: int = 0
    step: int = 0  # steps done
    device: str = "cpu"

    def __post_init__(self) -> None:
        r, generator = self.recipe, torch.Generator().manual_seed(self.seed)
        self.field, self.coarse = new_field(r, generator), None
        self.pool = worthwhile(self.capture)
        if not len(self.pool):
            raise ValueError("every pixel of every picture is transparent or masked, so there is nothing to fit")
        self.occupancy = None
        if r.kind == "hash":
            limit = carve(self.capture, r.occupancy)
            self.occupancy = Occupancy(r.occupancy, 1.0, r.threshold, r.decay, limit, cautious=True)
            net = [p for name, p in self.field.named_parameters() if not name.startswith("grid.")]
            groups = [{"params": [self.field.grid.table], "lr": r.rate_grid}, {"params": net, "lr": r.rate_net}]
        else:
            if r.kind == "hierarchical":
                self.coarse = new_field(r, generator)
            net = [p for module in self.modules.values() for p in module.parameters()]
            groups = [{"params": net, "lr": r.rate_nerf}]
        for module in self.modules.values():
            module.to(self.device)
        for group in groups:
            group["first"] = group["lr"]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts that this kind of fit has, by name."""
        every = {"field": self.field, "coarse": self.coarse, "occupancy": self.occupancy}
        return {name: module for name, module in every.items() if module is not None}

    @property
    def parts(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        """Modules and optimisers by name, as `runs.pack` takes them."""
        return self.modules, {"optimiser": self.optimiser}

    def run(self) -> Iterator[Record]:
        """The remaining steps, one record each. The seed and the step alone fix a step's random numbers."""
        while self.step < self.recipe.steps:
            yield self.advance()

    def advance(self) -> Record:
        """One step: random rays, their colours against those of the pictures, one step of Adam."""
        r, began = self.recipe, time.perf_counter()
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step + 1)
        place = self.pool[torch.randint(len(self.pool), (r.batch,), generator=generator)]
        origins, directions = self.capture.rays(place)
        wall = r.background
        if self.capture.has_alpha:  # another wall behind each ray: what is transparent must be so
            wall = torch.rand(r.batch, 3, generator=generator)
        pixels = self.capture.colours(place, wall)
        origins, directions, pixels = (v.to(self.device) for v in (origins, directions, pixels))
        wall = wall.to(self.device) if isinstance(wall, Tensor) else wall
        samples = min(r.few, r.samples) if self.step < r.early * r.steps and r.kind == "hash" else r.samples
        stop = STOP if r.kind == "hash" and self.step >= r.every else 0.0
        if r.kind == "hierarchical":
            coarse, rendered = render_hierarchical(
                self.coarse,
                self.field,
                origins,
                directions,
                samples=r.samples,
                extra=r.extra,
                generator=generator,
            )
            loss = nerf_loss(coarse, rendered, pixels, wall)
        else:
            rendered = render_rays(
                self.field, self.occupancy, origins, directions, samples=samples, generator=generator, stop=stop
            )
            loss = (composite(rendered.rgb, rendered.opacity, wall) - pixels).square().sum(-1).mean()
        for group in self.optimiser.param_groups:
            group["lr"] = group["first"] * 0.1 ** (self.step / r.steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        if self.occupancy is not None and self.step % r.every == 0:
            self.occupancy.update(self.field.density, generator)
        error = (composite(rendered.rgb, rendered.opacity, wall).detach() - pixels).square().mean().item()
        painted = (rendered.weights > 0).float().sum(-1).mean().item()
        return Record(self.step, loss.item(), decibel(error), painted, time.perf_counter() - began)

    @torch.no_grad()
    def render(self, origins: Tensor, directions: Tensor) -> Rendered:
        """R rays, in units of the ball, at the centres of the bins; the answer is where the rays are."""
        r, parts, home = self.recipe, [], origins.device
        origins, directions = origins.to(self.device), directions.to(self.device)
        stop = STOP if r.kind == "hash" else 0.0
        for o, d in zip(origins.split(ROWS), directions.split(ROWS)):
            if self.coarse is not None:
                parts.append(render_hierarchical(self.coarse, self.field, o, d, samples=r.samples, extra=r.extra)[1])
            else:
                parts.append(render_rays(self.field, self.occupancy, o, d, samples=r.samples, stop=stop))
        return Rendered(*(torch.cat(v).to(home) for v in zip(*parts)))

    def solid(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density (N,) and colour (N, 3) at points (N, 3) of the ball, 0 where the occupancy grid is empty.

        What was never rendered was never learned; this is the field to cut a surface from.
        """
        home, points = points.device, points.to(self.device)
        density, colour = self.field(points)
        density = density if self.occupancy is None else density * self.occupancy(points)
        return density.to(home), colour.to(home)

    def view(self, origins: Tensor, directions: Tensor, height: int, background: float | None = None) -> Tensor:
        """A picture (H, W, 3) in 0..1 of H x W rays that are given row by row."""
        rendered = self.render(origins, directions)
        wall = self.recipe.background if background is None else background
        return composite(rendered.rgb, rendered.opacity, wall).view(height, -1, 3).clamp(0, 1)

    def views(self, capture: Capture) -> Tensor:
        """What the field shows to the cameras of a capture, (N, H, W, 3) in 0..1."""
        height = capture.size[0]
        return torch.stack([self.view(*capture.picture_rays(i), height) for i in range(len(capture))])

    def pictures(self, cameras: Cameras, size: int, background: float = 0.9) -> Tensor:
        """Pictures (N, S, S, 3) from cameras in units of the ball."""
        origins, directions = rays(cameras.sized(size))
        return torch.stack([self.view(o, d, size, background) for o, d in zip(origins, directions)])

    def errors(self, held_out: Capture) -> list[float]:
        """PSNR of each held-out picture, dB, over the recipe's background, of the pixels that count."""
        off = (self.views(held_out) - held_out.pictures(self.recipe.background)).square()  # (N, H, W, 3)
        return [decibel(square[counts].mean().item()) for square, counts in zip(off, held_out.counts)]

    def save(self, folder: Path, capture: Path | str = "") -> None:
        """Write the checkpoint and the resolved recipe to the run's folder."""
        write_json(folder / "recipe.json", {"capture": str(capture), "seed": self.seed, **asdict(self.recipe)})
        write_tensors(folder / "checkpoint.safetensors", pack(*self.parts), {"step": self.step})

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a run's folder, written with the same recipe."""
        tensors, meta = read_tensors(folder / "checkpoint.safetensors")
        unpack(tensors, *self.parts)
        self.step = meta["step"]


def new_field(recipe: FitRecipe, generator: torch.Generator) -> nn.Module:
    """The fresh field that a recipe asks for."""
    r = recipe
    if r.kind == "hash":
        grid = HashGrid(r.levels, r.features, r.log2_table, r.coarsest, r.finest, 1.0, generator)
        return ViewField(grid, r.hidden, generator=generator)
    return NeRF(r.width, r.depth, r.position_levels, r.direction_levels, generator)


def decibel(error: float) -> float:
    """PSNR of a mean squared error of values in 0..1: -10 log10(error), at most 100."""
    return -10 * math.log10(max(error, 1e-10))


def read_fit(folder: Path) -> tuple[dict, FitRecipe]:
    """Capture and seed, and the recipe of a run's folder. Raises ValueError if it holds no fit."""
    path = Path(folder) / "recipe.json"
    if not path.is_file() or not (Path(folder) / "checkpoint.safetensors").is_file():
        raise ValueError(f"the folder '{folder}' holds no run: recipe.json or checkpoint.safetensors is missing")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        about = {key: values.pop(key) for key in ("capture", "seed")}
        return about, FitRecipe(**values)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' is not the recipe of a fit ({error})") from error
