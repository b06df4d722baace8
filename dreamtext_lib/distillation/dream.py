"""Text to 3-D: the loop that moves a radiance field to where the prior likes its pictures (thesis 3.3, fig 3.9)."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..diffusion.forward import uniform_steps
from ..radiance.cameras import Cameras, rays, sample_cameras, turntable
from ..radiance.encoding import HashGrid
from ..radiance.field import HashField
from ..radiance.occupancy import Occupancy
from ..radiance.rendering import Rendered, composite, render_rays
from ..radiance.shading import sample_light, shade, surface_normals
from ..runs import pack, read_tensors, unpack, write_json, write_tensors
from .prior import Prior
from .prompts import view_states
from .recipe import Recipe
from .score import injected, score_gradient

OCCUPANCY_EVERY = 16  # steps between renewals of the occupancy grid


class Record(NamedTuple):
    """What one step of a dream did."""

    step: int  # steps done, from 1
    loss: float  # w(t) (eps_hat - eps)^2, mean: the value of (3.19), which the score's gradient does not descend
    opacity: float  # mean opacity of the training view
    t: int  # noise step of the first view
    view: str  # its view word
    shading: str
    seconds: tuple[float, float, float, float]  # renderer, autoencoder, U-Net, backward with optimiser


class Dream:
    """A radiance field on its way to a prompt, and all that a checkpoint needs."""

    def __init__(self, prompt: str, prior: Prior, recipe: Recipe, seed: int = 0, model: str = ""):
        self.prompt, self.prior, self.recipe, self.seed, self.model = prompt, prior, recipe, seed, model
        self.step = 0  # steps done
        self.states = view_states(prior, prompt)
        generator = torch.Generator().manual_seed(seed)
        grid = HashGrid(
            levels=recipe.levels,
            features=recipe.features,
            log2_table=recipe.log2_table,
            coarsest=recipe.coarsest,
            finest=recipe.finest,
            bound=recipe.bound,
            generator=generator,
        )
        self.field = HashField(grid, recipe.hidden, recipe.blob_value, recipe.blob_radius, generator).to(prior.device)
        self.occupancy = Occupancy(resolution=recipe.occupancy, bound=recipe.bound).to(prior.device)
        self.occupancy.update(self.field.density, generator)
        net = [*self.field.hidden.parameters(), *self.field.out.parameters()]
        self.optimiser = torch.optim.Adam(
            [{"params": grid.parameters(), "lr": recipe.rate_grid}, {"params": net, "lr": recipe.rate_net}],
            betas=(0.9, 0.99),
            eps=1e-15,
        )

    @property
    def parts(self) -> tuple[dict, dict]:
        """Modules and optimisers by name, as `runs.pack` takes them."""
        return {"field": self.field, "occupancy": self.occupancy}, {"optimiser": self.optimiser}

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the resolved recipe to the run's folder."""
        about = {"prompt": self.prompt, "seed": self.seed, "model": self.model}
        write_json(folder / "recipe.json", about | asdict(self.recipe))
        write_tensors(folder / "checkpoint.safetensors", pack(*self.parts), {"step": self.step})

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a run's folder, written with the same recipe."""
        tensors, meta = read_tensors(folder / "checkpoint.safetensors")
        unpack(tensors, *self.parts)
        self.step = meta["step"]

    def run(self) -> Iterator[Record]:
        """The remaining steps, one record each. The seed and the step alone fix a step's random numbers."""
        while self.step < self.recipe.steps:
            yield self.advance()

    def advance(self) -> Record:
        """One step of score distillation (3.21)."""
        r, fraction, clock = self.recipe, self.step / self.recipe.steps, [time.perf_counter()]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step + 1)
        cameras = sample_cameras(
            r.batch,
            generator,
            r.front_bias,
            r.overhead,
            radius=(r.radius_min, r.radius_max),
            fov=(r.fov_min, r.fov_max),
        )
        shading = self.choose_shading(fraction, generator)
        rgb, rendered = self.training_view(cameras, shading, generator)
        clock.append(time.perf_counter())

        latents = self.prior.encode_image(rgb)
        clock.append(time.perf_counter())
        t = uniform_steps(r.batch, r.t_min, r.t_max if fraction < r.late else r.t_max_late, generator)
        eps = torch.randn(latents.shape, generator=generator)
        states = torch.cat([self.states[word] for word in cameras.words])
        none = self.states[""].expand_as(states)
        device, dtype = latents.device, latents.dtype
        gradient = score_gradient(
            self.prior, latents.detach(), states, none, t.to(device), eps.to(device, dtype), r.guidance
        )
        clock.append(time.perf_counter())

        opacity = rendered.opacity.clamp(1e-4, 1 - 1e-4)
        loss = injected(latents.float(), gradient.float()) / r.batch
        loss = loss + r.opacity * (opacity**2 + 0.01).sqrt().mean()
        loss = loss + r.entropy * fraction * entropy(opacity).mean()
        if r.manifold > 0:
            loss = loss + r.manifold * self.manifold_gap(rgb, latents)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        if self.step % OCCUPANCY_EVERY == 0:
            self.occupancy.update(self.field.density, generator)
        clock.append(time.perf_counter())
        weight = 1 - self.prior.alpha_bar[t.to(device)]
        return Record(
            self.step,
            (gradient.float().square().flatten(1).mean(1) / weight).mean().item(),
            rendered.opacity.mean().item(),
            int(t[0]),
            cameras.words[0],
            shading,
            tuple(b - a for a, b in pairwise(clock)),
        )

    def manifold_gap(self, rgb: Tensor, latents: Tensor) -> Tensor:
        """Mean squared gap between a view and its reconstruction by the autoencoder, which is held fixed.

        An encoder may give colours that it never saw the latents of others. The score sees latents alone and would not
        mind; this keeps a view where encoding and decoding agree.
        """
        target = self.prior.decode(latents.detach()).to(rgb)
        return (interpolate(rgb, target.shape[-2:], mode="bilinear", align_corners=False) - target).square().mean()

    def choose_shading(self, fraction: float, generator: torch.Generator) -> str:
        """Colours alone at first, then one of three kinds at random (6.1.4)."""
        r, u = self.recipe, torch.rand((), generator=generator).item()
        if fraction < r.albedo_until or u < r.albedo:
            return "albedo"
        return "textureless" if u < r.albedo + r.textureless else "lambertian"

    def training_view(self, cameras: Cameras, shading: str, generator: torch.Generator) -> tuple[Tensor, Rendered]:
        """Pictures (B, 3, S, S) in 0..1 over a random light grey, and the rays behind them."""
        r, device = self.recipe, self.prior.device
        origins, directions = (v.to(device) for v in rays(cameras.pose, cameras.fov, r.size))  # (B, S*S, 3)
        count = origins.shape[:2]
        rendered = render_rays(
            self.field,
            self.occupancy,
            origins.reshape(-1, 3),
            directions.reshape(-1, 3),
            r.samples,
            r.bound,
            generator,
        )
        rgb = rendered.rgb
        if shading != "albedo":
            above = origins[:, 0] + 0.8 * origins.new_tensor([0, 0, 1])
            light = sample_light(above, generator, spread=0.6)  # (B, 3), around the camera (6.1.4)
            normal = surface_normals(self.field, rendered)
            light = light[:, None].expand(*count, 3).reshape(-1, 3)  # (B*S*S, 3)
            rgb = shade(shading, rgb, rendered.opacity, normal, light, r.ambient)
        low, high = r.background_min, r.background_max
        background = low + (high - low) * torch.rand(count[0], 1, 1, generator=generator).to(device)
        background = background.expand(*count, 3).reshape(-1, 3)
        image = composite(rgb, rendered.opacity, background)
        return image.reshape(count[0], r.size, r.size, 3).permute(0, 3, 1, 2), rendered

    def views(self, cameras: Cameras, size: int = 64, background: float = 0.9, samples: int = 64) -> Tensor:
        """Pictures (N, S, S, 3) in 0..1 of the field as it is, lit by its colours alone."""
        return self.view_at(cameras.pose, cameras.fov, size, background, samples)

    @torch.no_grad()
    def view_at(self, pose: Tensor, fov: Tensor, size: int, background: float = 0.9, samples: int = 64) -> Tensor:
        """The same from cameras anywhere: pose (N, 3, 4), fov (N,) degrees."""
        device, frames = self.prior.device, []
        for p, f in zip(pose, fov):
            origins, directions = (v[0].to(device) for v in rays(p[None], f[None], size))
            rendered = render_rays(self.field, self.occupancy, origins, directions, samples, self.recipe.bound, None)
            wall = torch.full_like(rendered.rgb, background)
            frames.append(composite(rendered.rgb, rendered.opacity, wall).reshape(size, size, 3).clamp(0, 1).cpu())
        return torch.stack(frames)

    def turntable(self, count: int = 60, size: int = 128) -> Tensor:
        """One turn around the object, (count, S, S, 3)."""
        return self.views(turntable(count), size)


def entropy(p: Tensor) -> Tensor:
    """Binary entropy -p log p - (1 - p) log(1 - p), in nats, for p inside 0..1: low where a ray is decided."""
    return -(p * p.log() + (1 - p) * (1 - p).log())


def read_run(folder: Path) -> tuple[str, int, Recipe, str]:
    """Prompt, seed, recipe and model of a run's folder. Raises ValueError if it holds no run."""
    path = Path(folder) / "recipe.json"
    if not path.is_file() or not (Path(folder) / "checkpoint.safetensors").is_file():
        raise ValueError(f"the folder '{folder}' holds no run to go on with: recipe.json or the checkpoint is missing")
    values = json.loads(path.read_text())
    prompt, seed, model = (values.pop(key) for key in ("prompt", "seed", "model"))
    return prompt, seed, Recipe(**values), model
