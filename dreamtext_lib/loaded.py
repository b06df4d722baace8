"""A finished run as one thing to look at, whether it is a fit or a dream."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import trimesh
from torch import Tensor

from .capture.transforms import read_capture
from .distillation.dream import Dream, read_run
from .distillation.prior import load_prior
from .fitting.fit import Fit, read_fit
from .profile import profile
from .radiance.cameras import Cameras, turntable
from .radiance.field import Matte
from .radiance.mesh import extract
from .zoo import resolve

ELEVATIONS = [-15, 15, 45, 75]


@dataclass(frozen=True)
class Loaded:
    """What can be seen of a run. Cameras are in units of the ball that it fills, |x| <= 1 (a dream: of the world)."""

    title: str
    text: str
    pictures: Callable[[Cameras, int], Tensor]  # cameras, size -> (N, S, S, 3) in 0..1
    surface: Callable[[int], trimesh.Trimesh]  # resolution -> mesh in the same units
    centre: Tensor  # of the ball in the world
    radius: float

    def frames(self, cameras: Cameras, size: int = 128) -> Tensor:
        """Pictures (N, S, S, 3) in 0..1 from cameras around the ball."""
        return self.pictures(cameras, size)

    def turntable(self, count: int = 60, size: int = 128) -> Tensor:
        """One turn around the object, (count, S, S, 3)."""
        return self.frames(turntable(count), size)

    def around(self, count: int = 24, size: int = 160) -> tuple[Tensor, list[int]]:
        """Turns at several elevations, (E, count, S, S, 3), and the elevations."""
        return torch.stack([self.frames(turntable(count, elevation=e), size) for e in ELEVATIONS]), ELEVATIONS

    def mesh(self, resolution: int = 96) -> trimesh.Trimesh:
        """The surface in units of the world. Raises ValueError if the field is empty."""
        mesh = self.surface(resolution)
        mesh.vertices = mesh.vertices * self.radius + self.centre.numpy()
        return mesh


def of_fit(run: Fit, title: str = "a fit") -> Loaded:
    """A fit as something to look at."""

    capture = run.capture
    text = f"A {run.recipe.kind} field, {run.step} steps, from {len(capture)} pictures."
    return Loaded(
        title, text, run.pictures, lambda n: extract(Matte(run.solid), n, sight=True), capture.centre, capture.radius
    )


def of_dream(run: Dream) -> Loaded:
    """A dream as something to look at."""
    text = f"Dreamt by {run.model}, {run.step} steps, guidance s = {run.recipe.score.guidance:g}, seed {run.seed}."
    bound = run.volume.radius
    return Loaded(
        run.prompt, text, run.volume.pictures, lambda n: extract(run.volume.field, n, radius=bound), torch.zeros(3), 1.0
    )


def load_run(folder: Path) -> Loaded:
    """A run from its folder. Raises ValueError in one sentence if it holds none, or if its capture is gone."""
    folder = Path(folder)
    path = folder / "recipe.json"
    if not path.is_file():
        raise ValueError(f"the folder '{folder}' holds no run: recipe.json is missing")
    try:
        is_fit = "capture" in json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}") from error
    chosen = profile()
    if is_fit:
        about, recipe = read_fit(folder)
        capture, _ = read_capture(Path(about["capture"]), recipe.size, cut_out=recipe.cut_out, up=recipe.up)
        run = Fit(capture, recipe, about["seed"], device=chosen.device)
        run.load(folder)
        return of_fit(run, Path(about["capture"]).stem)
    prompt, seed, recipe, model = read_run(folder)
    run = Dream(prompt, load_prior(resolve(model), chosen.device, chosen.dtype), recipe, seed, model)
    run.load(folder)
    return of_dream(run)
