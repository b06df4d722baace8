"""Structure from motion: pictures to poses, by COLMAP (Schönberger and Frahm 2016).

COLMAP finds features (Lowe's SIFT), matches them between pictures, and moves cameras and points until each point falls
where it was seen. It is the optional package `pycolmap`. Its world has no scale, no origin and no up: `upright` chooses
them, `poses.align` takes them from a truth. Poses are those of `cameras`: camera to world, OpenGL, (N, 3, 4), float64.
"""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..radiance.cameras import meeting_point
from ..radiance.lens import project
from .frames import pictures_of
from .poses import Similarity
from .transforms import write_transforms
from .upright import up_of

ADVICE = "surfaces need texture, and neighbouring pictures more overlap"
FLIP = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)  # COLMAP's camera axes: right, down, forward


class Intrinsics(NamedTuple):
    """The camera that all pictures share, in pixels, with the names of `transforms.json`."""

    fl_x: float  # focal lengths
    fl_y: float
    cx: float  # where the optical axis meets the picture, from the top left corner
    cy: float
    w: int  # sides of a picture
    h: int
    k1: float = 0.0  # of the lens: a ray at r from the axis, in focal lengths, falls at r (1 + k1 r^2)


class Sightings(NamedTuple):
    """M observations: where in which picture which point was seen."""

    image: Tensor  # (M,) row of the picture
    point: Tensor  # (M,) row of the point
    pixel: Tensor  # (M, 2) x, y from the top left corner


class Structure(NamedTuple):
    """N placed pictures and P points, in a world of unknown scale."""

    names: list[str]  # N names of files, sorted
    pose: Tensor  # (N, 3, 4)
    intrinsics: Intrinsics
    points: Tensor  # (P, 3) where several pictures saw the same feature
    colours: Tensor  # (P, 3) in 0..1
    seen: Sightings

    @property
    def errors(self) -> Tensor:
        """Reprojection error of each sighting in pixels, (M,): how far from it its point falls, projected."""
        at = seen_at(self.points[self.seen.point], self.pose[self.seen.image], self.intrinsics)
        return (at - self.seen.pixel).norm(dim=1)


def seen_at(points: Tensor, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
    """Where points (M, 3) fall in the pictures of poses (M, 3, 4): pixels x, y from the top left corner, (M, 2)."""
    fl_x, fl_y, cx, cy, _, _, k1 = intrinsics
    away = ((points - pose[:, :, 3])[:, None] @ pose[:, :, :3])[:, 0]  # (M, 3) right, up, backward
    lens = away.new_tensor([k1, 0, 0, 0, 0, 0, 0]).expand(len(away), -1)
    return project(away, lens) * away.new_tensor([fl_x, fl_y]) + away.new_tensor([cx, cy])


def colmap() -> ModuleType:
    """The optional package pycolmap, with its log silenced. Raises ValueError with the remedy if it is missing."""
    try:
        import pycolmap
    except ImportError as error:
        raise ValueError("poses from pictures need COLMAP; install it with: pip install pycolmap") from error
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    return pycolmap


def reconstruct(
    folder: str | Path,
    *,
    sequential: bool = False,
    features: int = 4096,
    focal: float | None = None,
    lens: bool = True,
    least: float = 0.5,
    threads: int = 1,
    seed: int = 0,
) -> Structure:
    """Poses of the pictures in a folder, all of one camera, whose focal length and k1 are found with them.

    focal: the focal length in pixels, if it is known. lens: whether to look for k1; without, it is a pinhole.
    sequential: match each picture with the next ten alone, for long videos, not all with all. features: at most, in a
    picture. least: share of the pictures that has to be placed. One thread and one seed give the same poses again.
    Raises as `pictures_of` and `colmap` do, and ValueError if fewer pictures can be placed.
    """
    files, pycolmap = pictures_of(folder), colmap()
    pycolmap.set_random_seed(seed)
    extraction, matching = pycolmap.FeatureExtractionOptions(), pycolmap.FeatureMatchingOptions()
    verification, mapping = pycolmap.TwoViewGeometryOptions(), pycolmap.IncrementalPipelineOptions()
    extraction.num_threads = matching.num_threads = mapping.num_threads = threads
    extraction.sift.max_num_features = features
    verification.ransac.random_seed = mapping.random_seed = seed
    mapping.min_model_size = 3
    reader = pycolmap.ImageReaderOptions(camera_model="SIMPLE_RADIAL" if lens else "SIMPLE_PINHOLE")
    if focal is not None:
        with Image.open(files[0]) as picture:
            reader.camera_params = f"{focal},{picture.width / 2},{picture.height / 2}" + ",0" * lens
        mapping.ba_refine_focal_length = False
    match = pycolmap.match_sequential if sequential else pycolmap.match_exhaustive
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch) / "database.db"
        pycolmap.extract_features(
            database,
            folder,
            [file.name for file in files],
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=extraction,
            device=pycolmap.Device.cpu,
        )
        match(database, matching, verification_options=verification, device=pycolmap.Device.cpu)
        models = pycolmap.incremental_mapping(database, folder, scratch, mapping)
    best = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    placed = best.num_reg_images() if best else 0
    if placed < max(3, least * len(files)):
        raise ValueError(f"{placed} of {len(files)} pictures could be placed; {ADVICE}")
    return structure_of(best)


def structure_of(model: object) -> Structure:
    """A reconstruction of pycolmap in the conventions of this package."""
    images = sorted((model.images[i] for i in model.reg_image_ids()), key=lambda image: image.name)
    pose = []
    for image in images:
        world = image.cam_from_world().inverse()
        turn = torch.from_numpy(world.rotation.matrix().copy()) * FLIP  # right, up, backward
        pose.append(torch.cat([turn, torch.from_numpy(world.translation.copy())[:, None]], -1))
    camera = next(iter(model.cameras.values()))
    matrix, k1 = camera.calibration_matrix(), float(camera.params[3]) if len(camera.params) > 3 else 0.0
    points = list(model.points3D.values())
    row = {image.image_id: i for i, image in enumerate(images)}
    seen = [
        (row[element.image_id], p, *model.images[element.image_id].points2D[element.point2D_idx].xy)
        for p, point in enumerate(points)
        for element in point.track.elements
    ]
    seen = torch.tensor(np.array(seen))  # (M, 4)
    return Structure(
        [image.name for image in images],
        torch.stack(pose),
        Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], camera.width, camera.height, k1),
        torch.tensor(np.array([point.xyz for point in points])),
        torch.tensor(np.array([point.color for point in points])) / 255,
        Sightings(seen[:, 0].long(), seen[:, 1].long(), seen[:, 2:]),
    )


def upright(structure: Structure, radius: float = 0.9) -> Structure:
    """The same structure where a field expects it: the object around the origin, z up, in the ball of radius 1.

    The origin is the point nearest to all optical axes, up what the cameras were held level to (`up_of`), and the scale
    puts 98 of 100 points within `radius`. This serves who walks around an object.
    """
    position, centre, up = structure.pose[:, :, 3], meeting_point(structure.pose), up_of(structure.pose).axis
    front = position[0] - centre
    front = torch.nn.functional.normalize(front - (front @ up) * up, dim=0)  # the first picture shows the front
    turn = torch.stack([front, torch.linalg.cross(up, front), up])  # (3, 3), world to upright
    scale = radius / torch.quantile((structure.points - centre).norm(dim=1), 0.98).item()
    move = Similarity(scale, turn, -scale * turn @ centre)
    return structure._replace(pose=move.pose(structure.pose), points=move.points(structure.points))


def write_capture(structure: Structure, path: Path, images: str = "images") -> None:
    """Write a `transforms.json` of all placed pictures; `images` is their folder, seen from it."""
    names = [f"{images}/{name}" for name in structure.names]
    write_transforms(path, names, structure.pose, **structure.intrinsics._asdict())
