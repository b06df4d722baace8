"""What a finished run leaves in its folder: turntable, contact sheet, mesh."""

from pathlib import Path

import trimesh
from torch import Tensor

from ..radiance.mesh import write_mesh
from .film import write_video, write_webp
from .pictures import contact_sheet, write_picture


def write_report(folder: Path, turn: Tensor, mesh: trimesh.Trimesh | None) -> list[Path]:
    """Write turntable.mp4, turntable.webp, contact_sheet.png and mesh.glb; returns their paths.

    turn (N, S, S, 3) in 0..1 is one turn around the object; no mesh, no mesh.glb.
    """
    folder = Path(folder)
    paths = [folder / name for name in ("turntable.mp4", "turntable.webp", "contact_sheet.png", "mesh.glb")]
    write_video(turn, paths[0])
    write_webp(turn, paths[1])
    write_picture(contact_sheet(turn[:: max(len(turn) // 8, 1)][:8], columns=4), paths[2])
    if mesh is None:
        return paths[:3]
    write_mesh(mesh, paths[3])
    return paths
