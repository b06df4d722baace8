"""What is looked at: a field, where it is worth asking, and the ball of the world that holds it."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
import trimesh
from torch import Tensor, nn

from ..files import read_tensors, write_tensors
from ..runs import pack, unpack
from .cameras import Cameras, rays
from .encoding import HashGrid
from .field import HashField, ViewField
from .latent import LatentGrid
from .mesh import extract
from .nerf import NeRF, render_hierarchical
from .occupancy import Occupancy
from .rendering import Rendered, composite, render_rays

ROWS = 8192  # rays that are rendered at once when nothing is learned
FIELDS = {kind.__name__: kind for kind in (HashField, ViewField, NeRF, LatentGrid)}


class World(NamedTuple):
    """Where the field's units are in the world: world = centre + scale * point."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


class March(NamedTuple):
    """How rays are rendered where nothing is learned."""

    samples: int = 64  # even samples a ray
    extra: int = 0  # and those that follow the weights of `coarse`
    stop: float = 0.0  # the share of its light at which a ray ends


@dataclass
class Volume:
    """All that a picture or a mesh needs: no prior, no photographs.

    Rays are in the field's units, cameras and meshes in the world's.

    `coarse`, if there, says where a ray's extra samples go (3.15). `sight`: the mesh is where an eye loses half of its
    light, of what the occupancy grid holds (`mesh.hidden`), as fields of photographs need it; else a level of density.
    """

    field: nn.Module
    occupancy: Occupancy | None = None
    radius: float = 1.0  # of the ball around the origin that is rendered
    _: KW_ONLY
    world: World = field(default_factory=World)
    march: March = field(default_factory=March)
    coarse: nn.Module | None = None
    sight: bool = False

    @property
    def device(self) -> torch.device:
        """Where the field is."""
        return next(self.field.parameters()).device

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts that there are, by name."""
        parts = {"field": self.field, "coarse": self.coarse, "occupancy": self.occupancy}
        return {name: module for name, module in parts.items() if module is not None}

    @property
    def solid(self) -> "Solid":
        """The field without what its occupancy grid holds for empty."""
        return Solid(self.field, self.occupancy)

    def render(
        self, origins: Tensor, directions: Tensor, samples: int, generator: torch.Generator | None = None
    ) -> Rendered:
        """R rays, (R, 3) and (R, 3), with gradients to the field; `generator` None takes the bin centres."""
        how = {"samples": samples, "radius": self.radius, "generator": generator}
        return render_rays(self.field, self.occupancy, origins, directions, **how)

    @torch.no_grad()
    def see(self, origins: Tensor, directions: Tensor) -> Rendered:
        """Any number of rays (R, 3), a part at a time and without gradient, as `march` has it; the answer is where they
        are."""
        m, parts, home = self.march, [], origins.device
        origins, directions = origins.to(self.device), directions.to(self.device)
        for o, d in zip(origins.split(ROWS), directions.split(ROWS)):
            if self.coarse is not None:
                how = {"samples": m.samples, "extra": m.extra, "radius": self.radius}
                parts.append(render_hierarchical(self.coarse, self.field, o, d, **how)[1])
            else:
                how = {"samples": m.samples, "radius": self.radius, "stop": m.stop}
                parts.append(render_rays(self.field, self.occupancy, o, d, **how))
        return Rendered(*(torch.cat(v).to(home) for v in zip(*parts)))

    def picture(self, origins: Tensor, directions: Tensor, height: int, background: float = 0.9) -> Tensor:
        """A picture (H, W, 3) in 0..1 of H x W rays that are given row by row, lit by the colours alone."""
        seen = self.see(origins, directions)
        return composite(seen.rgb, seen.opacity, background).view(height, -1, 3).clamp(0, 1)

    def pictures(
        self, cameras: Cameras, size: int = 64, background: float = 0.9, drawn: Callable[[], object] = lambda: None
    ) -> Tensor:
        """Pictures (N, S, S, 3) in 0..1 over a grey wall, from cameras in the world's units; `drawn` after each.

        Cameras that should count in radii of the ball wherever it is, such as a turntable, are put there by
        `cameras.around(*volume.world)`.
        """
        inside = cameras.within(torch.tensor(self.world.centre), self.world.scale).sized(size)
        seen = []
        for camera in inside:
            seen.append(self.picture(*(v[0] for v in rays(camera)), size, background))
            drawn()
        return torch.stack(seen)

    @torch.no_grad()
    def mesh(self, resolution: int = 96) -> trimesh.Trimesh:
        """The surface in units of the world. Raises ValueError if the field is empty."""
        field = self.solid if self.sight else self.field
        mesh = extract(field, resolution, radius=self.radius, device=self.device, sight=self.sight)
        mesh.vertices = mesh.vertices * self.world.scale + torch.tensor(self.world.centre).numpy()
        return mesh

    @property
    def about(self) -> dict[str, Any]:
        """Everything but the tensors, as values that JSON can hold."""
        made = {name: {"is": type(m).__name__, **m.made_of} for name, m in self.modules.items()}
        return {
            "parts": made,
            "radius": self.radius,
            "world": [list(self.world.centre), self.world.scale],
            "march": self.march._asdict(),
            "sight": self.sight,
        }

    @classmethod
    def of(cls, about: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Self:
        """The volume that `about` and the tensors of its modules (`runs.pack`) describe.

        Raises ValueError, in one sentence, if they do not describe one.
        """
        try:
            with torch.random.fork_rng(devices=[]):  # a module draws its first weights, and reading should draw nothing
                parts = {name: built(dict(values)) for name, values in about["parts"].items()}
            world = World(tuple(about["world"][0]), about["world"][1])
            volume = cls(
                **parts, radius=about["radius"], world=world, march=March(**about["march"]), sight=about["sight"]
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the volume was written by another version of dreamtext ({error})") from error
        unpack(tensors, volume.modules, {})
        for module in volume.modules.values():
            module.to(device)
        return volume

    def save(self, path: Path) -> None:
        """Write the volume as one safetensors file, whole or not at all."""
        write_tensors(path, pack(self.modules, {}), {"volume": self.about})

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> Self:
        """The volume in a file of `save`, or in a run's checkpoint. Raises ValueError if the file holds none."""
        tensors, meta = read_tensors(path)
        if "volume" not in meta:
            raise ValueError(f"'{path}' holds no volume; another version of dreamtext wrote it")
        return cls.of(meta["volume"], tensors, device)


class Solid:
    """A field without what its occupancy grid holds for empty: what was never rendered was never learned."""

    def __init__(self, field: nn.Module, occupancy: Occupancy | None):
        self.field, self.occupancy = field, occupancy

    def __call__(self, points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Density (N,) and colour (N, 3) at points (N, 3), wherever the field is."""
        density, colour = self.field(points, directions)
        return (density if self.occupancy is None else density * self.occupancy(points)), colour

    def density(self, points: Tensor) -> Tensor:
        """The density alone: points (N, 3) -> (N,)."""
        density = self.field.density(points)
        return density if self.occupancy is None else density * self.occupancy(points)


def built(values: dict[str, Any]) -> nn.Module:
    """A module as its `made_of` describes it, with no weights worth the name yet."""
    kind, generator = values.pop("is"), torch.Generator()
    if kind == "Occupancy":
        return Occupancy(**values)
    if "grid" in values:
        values["grid"] = HashGrid(**values["grid"], generator=generator)
    return FIELDS[kind](**values, generator=generator)
