"""The keys of a `transforms.json`, one by one: used, refused by name, or left aside because they change nothing here.

The three tables hold what nerfstudio (`nerfstudio_dataparser.py`), instant-ngp (`nerf_loader.cu`, `colmap2nerf.py`) and
exporters for Blender (nerf_synthetic, BlenderNeRF) write. Most may stand at the head of the file or in a frame, where
they hold for that frame. A key that is in none of the tables, or in a place where it says nothing (`HEAD`, `FRAME`), is
named in a note: it may mean something that is not done.
"""

from collections.abc import Iterable
from typing import Any

from .optics import FISHEYES

USED = {
    "frames": "the list of pictures",
    "file_path": "a picture, relative to the file; without an ending .png, .jpg or .jpeg is looked for",
    "transform_matrix": "camera to world, 4 x 4 or 3 x 4: right, up, backward, position",
    "w": "width for which the camera is given, pixels",
    "h": "height, pixels",
    "fl_x": "focal length across, pixels",
    "fl_y": "focal length down, pixels",
    "camera_angle_x": "field of view across, radians",
    "camera_angle_y": "field of view down, radians",
    "x_fov": "field of view across, degrees",
    "y_fov": "field of view down, degrees",
    "cx": "where the optical axis meets the picture, pixels from the left edge",
    "cy": "the same from the top edge",
    "k1": "of the lens, as OpenCV names it: radial",
    "k2": "radial",
    "k3": "radial",
    "k4": "radial, factor of r^8 as in nerfstudio",
    "p1": "tangential",
    "p2": "tangential",
    "distortion_params": "k1, k2, k3, k4, p1, p2 in one list",
    "camera_model": "a pinhole or a fisheye, with or without these",
    "is_fisheye": "a fisheye: k1 to k4 of the angle",
    "fisheye_crop_radius": "pixels from the middle of a fisheye's picture within which it counts",
    "mask_path": "a picture that is dark, at most half of its own brightest, where its picture does not count",
    "white_transparent": "each pixel that is exactly white is transparent",
    "black_transparent": "each pixel that is exactly black is transparent",
    "train_filenames": "pictures to learn from, by file_path",
    "test_filenames": "pictures that are held out",
    "val_filenames": "held out if there are no test_filenames",
    "up": "which way is up in the world, three numbers",
    "orientation_override": "'none': up is z",
    "n_frames": "how many pictures there are",
    "enable_ray_loading": "false: files of rays beside the pictures are not for use",
}

FRAME = {"file_path", "transform_matrix", "mask_path"}  # used in a frame alone
HEAD = {  # used at the head of a file alone
    "frames", "n_frames", "train_filenames", "test_filenames", "val_filenames", "up", "orientation_override",
    "white_transparent", "black_transparent", "enable_ray_loading",
}  # fmt: skip

REFUSED = {
    "rolling_shutter": "the camera moves while the rows are read; give pictures with one pose each",
    "transform_matrix_start": "the camera moves during the exposure; give one transform_matrix for each picture",
    "transform_matrix_end": "the camera moves during the exposure; give one transform_matrix for each picture",
    "ftheta_p0": "an f-theta lens; undistort the pictures to a pinhole camera first",
    "latlong": "a panorama; cut pinhole pictures out of it first",
    "equirectangular": "a panorama; cut pinhole pictures out of it first",
    "sharpen": "pictures that are sharpened when they are read; sharpen the files, or take the key out",
    "sharpness_discard_threshold": "frames that are left out when they are read; take them out of the list",
    "normal_mts_args": "Mitsuba's axes; turn the matrices to right, up, backward, and take the key out",
    "from_na": "Neural Actor's axes; turn the matrices to right, up, backward, and take the key out",
    "intrinsic_matrix": "a camera as a matrix; write fl_x, fl_y, cx and cy in its place",
    "k5": "a rational lens model; undistort the pictures to a pinhole camera first",
    "k6": "a rational lens model; undistort the pictures to a pinhole camera first",
}

ASIDE = {
    "aabb": "a cube for instant-ngp's grid; the ball that all pictures see is found from the cameras",
    "aabb_scale": "the same",
    "scale": "the same",
    "offset": "the same",
    "render_aabb": "what instant-ngp's viewer shows",
    "sharpness": "a measurement of a frame",
    "depth_path": "depth is not learned from",
    "depth_file_path": "depth is not learned from",
    "integer_depth_scale": "depth is not learned from",
    "depth_unit_scale_factor": "depth is not learned from",
    "enable_depth_loading": "depth is not learned from",
    "fix_premult": "of EXR pictures alone, which are refused",
    "importance_sampling": "how instant-ngp chooses its rays",
    "n_extra_learnable_dims": "an appearance for each picture, which this field has not",
    "envmap": "what instant-ngp's background starts from",
    "driver_parameters": "the light of a frame, which this field does not know",
    "applied_transform": "how the world was turned before: the poses are given in the turned one",
    "applied_scale": "the same",
    "ply_file_path": "points to start splats from",
    "colmap_im_id": "COLMAP's number of a picture",
    "rotation": "of nerf_synthetic's render script",
    "time": "when a frame was taken; nothing moves here",
    "timestamp": "the same",
}

PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


def check_keys(values: dict[str, Any], where: str, elsewhere: set[str]) -> set[str]:
    """The keys of a file's head or of a frame that are in none of the tables, or used `elsewhere` alone.

    Raises ValueError in one sentence if one of them is refused (0, false, none and empty lists are not), or if the
    camera is neither a pinhole nor a fisheye.
    """
    for key, why in REFUSED.items():
        if meant(values.get(key)):
            raise ValueError(f"{where} has '{key}', which is not read: {why}")
    model = values.get("camera_model", PINHOLES[0])
    if model not in (*PINHOLES, *FISHEYES):
        raise ValueError(f"{where} has the camera model '{model}'; undistort its pictures to a pinhole camera first")
    return set(values) - (USED.keys() - elsewhere) - REFUSED.keys() - ASIDE.keys()


def meant(value: Any) -> bool:
    """Whether a value says more than no: not false, 0, none, or a list of nothing else."""
    return any(meant(v) for v in value) if isinstance(value, list) else bool(value)


def note_unknown(unknown: Iterable[str]) -> list[str]:
    """The note for keys that are in none of the tables, if there are any."""
    return [f"keys that mean nothing here and are left aside: {', '.join(sorted(unknown))}"] if unknown else []
