"""`dreamtext export`: the surface of a finished run as a file for other programs."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .names import new_file

if TYPE_CHECKING:
    import trimesh
    from torch import Tensor

    from ..radiance.volume import Volume

MOST = 1024  # samples a side: a billion points
AROUND = 60  # views in a turntable


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("run", type=Path, help="the folder of a fit or a dream")
    parser.add_argument("--out", type=Path, required=True, help="file to write: .glb, .obj or .ply")
    parser.add_argument("--resolution", type=int, default=96, metavar="N", help="samples a side (default 96)")


def run(a: Namespace) -> int:
    """Write the mesh of a run as GLB, OBJ or PLY."""
    if not 8 <= a.resolution <= MOST:
        raise ValueError(f"--resolution is {a.resolution}; it must be a whole number in 8..{MOST}")
    new_file(a.out, "--out")

    from ..radiance.mesh import mesh_format, write_mesh
    from .finished import finished

    mesh_format(a.out)
    mesh = finished(a.run).volume.mesh(a.resolution)
    write_mesh(mesh, a.out)
    print(f"{len(mesh.vertices)} vertices, {len(mesh.faces)} faces: {a.out}")
    return 0


def mesh_or_none(volume: "Volume", resolution: int = 96) -> "trimesh.Trimesh | None":
    """The mesh of a volume, or none, with a word about why."""
    try:
        return volume.mesh(resolution)
    except ValueError as error:
        print(f"dreamtext: no mesh: {error}", file=sys.stderr)
        return None


def turned(volume: "Volume") -> "Tensor":
    """One turn around a volume, (AROUND, 128, 128, 3) in 0..1, with a bar, since it takes some seconds."""
    from ..radiance.cameras import turntable

    with counted(AROUND) as drawn:
        return volume.pictures(turntable(AROUND).around(*volume.world), 128, drawn=drawn)


@contextmanager
def counted(views: int) -> "Iterator[Callable[[], object]]":
    """A bar over so many views; what it yields is to be called after each."""
    from tqdm import tqdm

    with tqdm(total=views, desc="views", unit="view", dynamic_ncols=True) as bar:
        yield bar.update
