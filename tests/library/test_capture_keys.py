"""The keys of transforms.json, one by one: each changes what it says, or is refused by name, or is known to be idle."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamtext_lib.capture.captures import Capture
from dreamtext_lib.capture.carve import carve, worthwhile
from dreamtext_lib.capture.keys import ASIDE, REFUSED, USED
from dreamtext_lib.capture.transforms import read_capture
from dreamtext_lib.radiance.cameras import Cameras
from dreamtext_lib.radiance.lens import LENS, directions, distort, has_ray, project, undistort
from dreamtext_lib.toybox.capture import FOV, spiral, write_capture
from dreamtext_lib.toybox.objects import ToyObject

SIZE = 24


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A small capture on the disk."""
    path = tmp_path_factory.mktemp("keys")
    write_capture(path, ToyObject("mug", "blue", "striped"), views=8, held_out=1, size=SIZE)
    return path


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """A copy to change, with a single transforms.json that has no key but the needed ones."""
    values = json.loads((original / "transforms_train.json").read_text(encoding="utf-8"))
    (tmp_path / "train").mkdir()
    for frame in values["frames"]:
        (tmp_path / frame["file_path"]).write_bytes((original / frame["file_path"]).read_bytes())
    write(tmp_path, {"camera_angle_x": math.radians(FOV), "frames": values["frames"]})
    return tmp_path


def read(folder: Path) -> dict:
    """The values of a copy's transforms.json."""
    return json.loads((folder / "transforms.json").read_text(encoding="utf-8"))


def write(folder: Path, values: dict) -> None:
    """Replace them."""
    (folder / "transforms.json").write_text(json.dumps(values), encoding="utf-8")


def capture_with(folder: Path, frame: dict | None = None, **head) -> tuple[Capture, Capture]:
    """The capture with keys added to the head of its file, or to frame 2."""
    values = read(folder)
    values["frames"][2] |= frame or {}
    write(folder, values | head)
    return read_capture(folder)


def same(a: Capture, b: Capture) -> bool:
    """Whether two captures have the same pictures, rays and order."""
    if a.names != b.names:
        return False
    rays = all(torch.allclose(x, y, atol=1e-6) for i in (0, 1) for x, y in zip(a.picture_rays(i), b.picture_rays(i)))
    return rays and torch.equal(a.rgba, b.rgba) and torch.equal(a.counts, b.counts)


def refused(folder: Path, **changes) -> str:
    """The sentence with which a capture is refused."""
    with pytest.raises(ValueError) as error:
        capture_with(folder, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


# the tables ----------------------------------------------------------------------------------------------------------

FRAMES = [f"train/r_{i:03d}.png" for i in range(8)]
DIFFERENT = {  # values with which a capture has other pictures, rays or splits
    "w": {"w": 48, "h": 48, "fl_x": 40.0},  # for pictures twice as large: half as long
    "h": {"w": 48, "h": 48, "fl_y": 40.0},
    "fl_x": {"fl_x": 40.0},
    "fl_y": {"fl_y": 40.0},
    "camera_angle_x": {"camera_angle_x": 0.9},
    "camera_angle_y": {"camera_angle_y": 0.9},
    "x_fov": {"x_fov": 50.0},
    "y_fov": {"y_fov": 50.0},
    "cx": {"cx": 11.0},
    "cy": {"cy": 11.0},
    "k1": {"k1": 0.1},
    "k2": {"k2": 0.1},
    "k3": {"k3": 2.0},
    "k4": {"k4": 2.0},
    "p1": {"p1": 0.1},
    "p2": {"p2": 0.1},
    "distortion_params": {"distortion_params": [0.1, 0, 0, 0, 0, 0]},
    "camera_model": {"camera_model": "OPENCV_FISHEYE"},
    "is_fisheye": {"is_fisheye": True},
    "fisheye_crop_radius": {"is_fisheye": True, "fisheye_crop_radius": 10},
    "white_transparent": {"white_transparent": True},
    "black_transparent": {"black_transparent": True},
    "train_filenames": {"train_filenames": FRAMES[1:], "test_filenames": FRAMES[:1]},
    "test_filenames": {"test_filenames": FRAMES[:1]},
    "val_filenames": {"val_filenames": FRAMES[:1]},
    "up": {"up": [0, 1, 0]},
}
TESTED_BELOW = {
    "frames", "file_path", "transform_matrix", "mask_path", "orientation_override", "n_frames", "enable_ray_loading",
}  # fmt: skip


def test_the_tables_share_no_key_and_every_used_one_is_tested():
    assert not (USED.keys() & REFUSED.keys() or USED.keys() & ASIDE.keys() or REFUSED.keys() & ASIDE.keys())
    assert USED.keys() == DIFFERENT.keys() | TESTED_BELOW


def test_chapter_14_lists_the_keys_as_they_are():
    notebook = json.loads((Path(__file__).parents[2] / "notebooks/14_photographs.ipynb").read_text(encoding="utf-8"))
    text = next(text for cell in notebook["cells"] if "{dropdown} What is read" in (text := "".join(cell["source"])))
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert {key for row in rows for key in re.findall(r"`([a-z]\w*)`", row.split("|")[1])} == {*USED, *REFUSED, *ASIDE}
    of = {key: row for row in rows for key in re.findall(r"`([a-z]\w*)`", row.split("|")[1])}
    assert {key for key in of if "refused by name" in of[key]} == {*REFUSED, "enable_ray_loading"}
    assert {key for key in of if "left aside" in of[key]} == {*ASIDE}


@pytest.mark.parametrize("key", DIFFERENT)
def test_a_key_that_is_used_changes_pixels_rays_or_splits(folder, key):
    if key in ("white_transparent", "black_transparent"):
        level = 255 * (key[0] == "w")
        Image.new("RGB", (SIZE, SIZE), (level, level, level)).save(folder / FRAMES[1])
    without = {k: v for k, v in DIFFERENT[key].items() if k != key}
    before = capture_with(folder, **(without if key == "fisheye_crop_radius" else {}))[0]
    after = capture_with(folder, **DIFFERENT[key])[0]
    assert not same(before, after) and not any("left aside" in note for note in after.notes)


@pytest.mark.parametrize("key", ASIDE)
def test_a_key_that_is_left_aside_changes_nothing_and_is_not_spoken_of(folder, key):
    before = read_capture(folder)[0]
    after = capture_with(folder, frame={key: 3}, **{key: 3})[0]
    assert same(before, after) and not after.notes


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_that_would_be_wrong_to_ignore_is_refused_by_name(folder, key):
    for nothing in (0, [0.0, 0]):  # as exporters write what is not there
        assert not capture_with(folder, **{key: nothing})[0].notes
    text = refused(folder, frame={key: [0, 1]})
    assert f"'{key}'" in text and "frame 2" in text and ("; " in text or ": " in text)
    assert f"'{key}'" in refused(folder, **{key: 1.0})


def test_a_key_that_nobody_knows_is_named(folder):
    capture = capture_with(folder, frame={"radiation": 1}, wobble=2)[0]
    assert len(capture.notes) == 1 and "radiation, wobble" in capture.notes[0]
    misplaced = capture_with(folder, frame={"up": [0, 1, 0]}, mask_path="mask.png")[0]
    assert "mask_path, radiation, up, wobble" in misplaced.notes[0]


def test_what_the_three_families_write_is_read_without_a_word(folder):
    lens = {"k1": 0.0, "k2": 0.0, "k3": 0, "k4": 0, "p1": 0.0, "p2": 0.0, "is_fisheye": False}
    box = {"aabb_scale": 16, "scale": 0.33, "offset": [0.5, 0.5, 0.5]}
    assert not capture_with(folder, frame={"sharpness": 31.7}, **lens, **box, n_frames=8)[0].notes  # instant-ngp
    turned = {"applied_transform": [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]], "ply_file_path": "points.ply"}
    frame = {"colmap_im_id": 3, "depth_file_path": "d.png"}
    assert not capture_with(folder, frame=frame, camera_model="OPENCV", **turned)[0].notes  # nerfstudio
    assert not capture_with(folder, frame={"rotation": 0.01, "time": 0.5})[0].notes  # nerf_synthetic, D-NeRF


# cameras -------------------------------------------------------------------------------------------------------------


def test_what_a_frame_says_of_its_lens_goes_before_the_head(folder):
    head = {"fl_x": 30.0, "fl_y": 32.0, "k1": 0.1}
    capture = capture_with(folder, frame={"camera_angle_x": 2 * math.atan(12 / 50), "k1": 0.0}, **head)[0]
    focal, k1 = capture.cameras.focal.tolist(), capture.cameras.lens[:, 0].tolist()
    assert focal[2] == pytest.approx([50, 50]) and focal[1] == pytest.approx([30, 32])
    assert k1[2] == 0 and k1[1] == pytest.approx(0.1)


def test_a_single_field_of_view_holds_across_and_down(folder):
    values = read(folder)
    del values["camera_angle_x"]
    for key, value in (("camera_angle_y", 0.7), ("y_fov", math.degrees(0.7)), ("x_fov", math.degrees(0.7))):
        write(folder, values | {key: value})
        assert read_capture(folder)[0].cameras.focal[0].tolist() == pytest.approx([12 / math.tan(0.35)] * 2)


LENSES = {
    "telephone": [0.08, -0.02, 0.01, 0.002, 0.003, -0.002, 0],
    "sports camera": [-0.28, 0.08, -0.01, 0, 0.001, 0.001, 0],
    "fisheye": [0.03, 0.005, 0.0007, 0.0001, 0, 0, 1],
    "even fisheye": [0, 0, 0, 0, 0, 0, 1],
}


@pytest.mark.parametrize("name", LENSES)
def test_a_ray_and_the_place_where_it_falls_belong_together(name):
    lens = torch.tensor(LENSES[name], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    angle = torch.rand(300, generator=generator).double() * math.radians(85 if lens[6] else 42)
    around = torch.rand(300, generator=generator).double() * 2 * math.pi
    ray = torch.stack([angle.sin() * around.cos(), angle.sin() * around.sin(), -angle.cos()], -1)
    k1, k2, k3, k4, p1, p2, fisheye = lens.tolist()
    expected = []
    for (right, up, backward), theta in zip(ray.tolist(), angle.tolist()):  # OpenCV's manual, by hand
        x, y = right / -backward, -up / -backward
        if fisheye:
            r = math.hypot(x, y)
            bent = theta * (1 + k1 * theta**2 + k2 * theta**4 + k3 * theta**6 + k4 * theta**8)
            expected.append((bent / r * x, bent / r * y) if r else (0, 0))
        else:
            r = x * x + y * y
            g = 1 + k1 * r + k2 * r**2 + k3 * r**3 + k4 * r**4
            expected.append(
                (x * g + 2 * p1 * x * y + p2 * (r + 2 * x * x), y * g + p1 * (r + 2 * y * y) + 2 * p2 * x * y)
            )
    lens = lens.expand(300, 7)
    at = project(3 * ray, lens)
    torch.testing.assert_close(at, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(directions(at, lens), ray, rtol=0, atol=1e-9)
    assert has_ray(at, lens).all() and len(LENS) == 7
    single = directions(at.float(), lens.float())
    torch.testing.assert_close(single, ray.float(), rtol=0, atol=2e-6)


def test_a_pinhole_sees_nothing_behind_itself_and_a_fold_has_no_ray():
    points = torch.tensor([[0.1, 0.2, 1.0], [0.1, 0.2, -1.0]])
    assert project(points, torch.zeros(2, 7)).isfinite().all(-1).tolist() == [False, True]
    lens = torch.tensor([[-0.5, 0, 0, 0, 0, 0, 0]]).expand(3, 7)  # x (1 - x^2 / 2) rises up to 0.816, where it is 0.544
    assert has_ray(torch.tensor([[0.3, 0.0], [0.52, 0.0], [0.57, 0.0]]), lens).tolist() == [True, True, False]
    beyond = torch.stack([torch.linspace(0.55, 3, 50), torch.zeros(50)], -1)  # each has a root on the other side
    assert not has_ray(beyond, lens[:1].expand(50, 7)).any()
    assert undistort(beyond, lens[:1].expand(50, 7)).isfinite().all()
    assert torch.allclose(distort(torch.tensor([[0.8, 0.0]]), lens[:1]), torch.tensor([[0.8 - 0.256, 0.0]]))


def test_a_fisheye_of_a_file_or_of_one_frame_has_its_rays(folder):
    focal = SIZE / math.radians(100)  # 100 degrees across, even in the angle
    whole = capture_with(folder, fl_x=focal, fl_y=focal, camera_model="OPENCV_FISHEYE")[0]
    pose, (_, rays) = whole.cameras.pose[1], whole.picture_rays(1)
    middle = SIZE * SIZE // 2 + SIZE - 1  # row 12, the last column: half a pixel below the middle, 11.5 to its right
    angle = math.acos(float(-rays[middle] @ pose[:, 2]))
    assert math.degrees(angle) == pytest.approx(math.degrees(math.hypot(0.5, 11.5) / focal), abs=1e-3)
    alone = capture_with(folder, frame={"is_fisheye": True}, camera_model="OPENCV")[0]
    assert alone.cameras.lens[:, 6].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert torch.equal(alone.picture_rays(2)[1], whole.picture_rays(2)[1])
    assert not torch.allclose(alone.picture_rays(1)[1], whole.picture_rays(1)[1], atol=1e-2)


def test_the_circle_of_a_fisheye_is_of_its_declared_size_and_a_number(folder):
    focal = SIZE / math.radians(100)
    small = capture_with(folder, fl_x=focal, is_fisheye=True, fisheye_crop_radius=6)[0]
    twice = capture_with(folder, fl_x=2 * focal, w=2 * SIZE, h=2 * SIZE, fisheye_crop_radius=12)[0]
    assert same(small, twice) and 100 < small.counts[0].sum() < 120
    for value in ("abc", [1], -5, math.nan, math.inf):
        text = refused(folder, frame={"fisheye_crop_radius": value})
        assert "crop" in text and "frame 2 of" in text and "transforms.json" in text
    none = capture_with(folder, frame={"fisheye_crop_radius": 0}, fisheye_crop_radius=12)[0]
    assert none.counts[none.names.index(FRAMES[2])].all()


def test_a_tiny_world_has_the_same_hull_through_any_lens(folder):
    whole = read_capture(folder)[0]
    for lens in ([0.0] * 7, [0.1, 0, 0, 0, 0, 0, 0], [0.0] * 6 + [1]):
        cameras = replace(whole.cameras, lens=torch.tensor([lens]).expand(len(whole), 7))
        given = replace(whole, cameras=cameras)
        hull = carve(given, 32)
        for scale in (1e-5, 2.0**-40):
            pose = torch.cat([cameras.pose[..., :3], scale * cameras.pose[..., 3:]], -1)
            tiny = {"centre": scale * whole.centre, "radius": scale * whole.radius}
            other = carve(replace(given, cameras=replace(cameras, pose=pose), **tiny), 32)
            assert (other ^ hull).sum() <= (20 if scale == 1e-5 else 0), "powers of two round alike"
    assert 0 < hull.sum() < 32**3 / 4


def test_the_hull_is_seen_through_the_lens():
    """A ball off the middle of a fisheye's pictures, which are drawn through that lens, stays whole."""
    n, side, focal = 8, 64, 64 / math.radians(80)
    lens, zero = torch.tensor([[-0.1, 0, 0, 0, 0, 0, 1.0]]).expand(n, 7), torch.zeros(n, 7)
    counts = torch.ones(n, side, side, dtype=torch.bool)
    rgba = torch.zeros(n, side, side, 4, dtype=torch.uint8)
    pair = (torch.full((n, 2), v) for v in (focal, side / 2))
    cameras = Cameras(spiral(n).pose, *pair, lens, height=side, width=side)
    capture = Capture(rgba, cameras, names=tuple("abcdefgh"), centre=torch.zeros(3), radius=1.8, counts=counts)
    middle, radius = torch.tensor([1.1, 0.3, 0.2]), 0.4
    for i in range(n):
        o, d = capture.picture_rays(i)
        off = o * 1.8 - middle
        miss = (off - (off * d).sum(-1, keepdim=True) * d).norm(dim=-1)  # how far a ray passes the ball's middle
        rgba[i, ..., 3] = 255 * (miss < radius).view(side, side)
    axis = (torch.arange(48) + 0.5) / 24 - 1
    away = (torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1) * 1.8 - middle).norm(dim=-1)
    hull = carve(capture, 48)
    assert hull[away < 0.95 * radius].all() and not hull[away > 2 * radius].any()
    pinhole = carve(replace(capture, cameras=replace(cameras, lens=zero)), 48)
    assert not pinhole[away < 0.95 * radius].all(), "the lens makes a difference here"


def test_a_lens_that_folds_its_picture_over_is_said_so_and_learned_within(folder):
    capture = capture_with(folder, k1=-5.0)[0]
    assert len(capture.notes) == 1 and "have no ray" in capture.notes[0]
    assert 0.05 < capture.counts.float().mean() < 0.5 and capture.counts[:, 12, 12].all()
    assert all(v.isfinite().all() for v in capture.picture_rays(0))


@pytest.mark.parametrize("model", ["FULL_OPENCV", "EQUIRECTANGULAR", "VR180_L", "FISHEYE624", 7])
def test_cameras_of_another_kind_are_refused_by_name(folder, model):
    assert f"'{model}'" in refused(folder, camera_model=model)
    write(folder, {**read(folder), "camera_model": "OPENCV"})
    text = refused(folder, frame={"camera_model": model})
    assert f"'{model}'" in text and "frame 2" in text


# pixels --------------------------------------------------------------------------------------------------------------


def with_masks(folder: Path, place: tuple[slice, slice], level: int = 255) -> None:
    """Give every frame a mask that is black in a rectangle."""
    mask = np.full((SIZE, SIZE), level, np.uint8)
    mask[place] = 0
    (folder / "masks").mkdir()
    values = read(folder)
    for i, frame in enumerate(values["frames"]):
        Image.fromarray(mask).save(folder / f"masks/{i}.png")
        frame["mask_path"] = f"masks/{i}.png"
    write(folder, values)


@pytest.mark.parametrize("level", [1, 255])
def test_what_a_mask_hides_is_neither_learned_nor_carved(folder, level):
    before = read_capture(folder)[0]
    with_masks(folder, np.s_[8:16, 4:12], level)
    train, held_out = read_capture(folder)
    expected = torch.ones(SIZE, SIZE, dtype=torch.bool)
    expected[8:16, 4:12] = False
    assert (train.counts == expected).all() and (held_out.counts == expected).all() and not train.notes
    assert expected.view(-1)[worthwhile(train) % SIZE**2].all() and len(worthwhile(train)) > 1000
    assert torch.equal(train.rgba, before.rgba)
    blank = train.rgba.clone()
    blank[..., 3] *= expected  # what the mask hides is transparent: nothing may be concluded from it
    hull = carve(train, 32)
    assert torch.equal(carve(Capture(**{**train.__dict__, "rgba": blank}), 32), hull)
    assert (carve(before, 32) & ~hull).sum() == 0, "a mask takes nothing away that other pictures see"


def test_a_held_out_picture_that_a_mask_hides_is_left_out_and_named(folder):
    with_masks(folder, np.s_[:0])
    hidden = np.full((SIZE, SIZE), 0, np.uint8)
    for rim in (0, 4):  # SSIM judges no pixel of the rim
        hidden[:rim] = 255
        Image.fromarray(hidden).save(folder / "masks/7.png")
        train, held_out = capture_with(folder, test_filenames=[FRAMES[7], FRAMES[0]])
        assert held_out.names == (FRAMES[0],) and len(train.notes) == 1 and FRAMES[7] in train.notes[0]
        assert "transforms.json" in (text := refused(folder, test_filenames=[FRAMES[7]])) and "hold out" in text
    hidden[:6] = 255
    Image.fromarray(hidden).save(folder / "masks/7.png")
    train, held_out = capture_with(folder, test_filenames=[FRAMES[7], FRAMES[0]])
    assert len(held_out) == 2 and not train.notes


def test_what_every_picture_hides_is_left_empty(folder):
    with_masks(folder, np.s_[:, :12])
    values = read(folder)
    for i, frame in enumerate(values["frames"]):  # all from one side, so that a half of the ball is never shown
        turn = math.radians(i - 4)
        c, s = math.cos(turn), math.sin(turn)
        frame["transform_matrix"] = [[-s, 0, c, 2.85 * c], [c, 0, s, 2.85 * s], [0, 1, 0, 0], [0, 0, 0, 1]]
        Image.new("RGB", (SIZE, SIZE), (90, 90, 90)).save(folder / frame["file_path"])
    write(folder, values)
    hull = carve(read_capture(folder)[0], 32)
    assert hull[14:18, 26:30, 14:18].all() and not hull[14:18, 2:6, 14:18].any()


def test_a_pixel_that_is_made_of_hidden_ones_does_not_count(folder):
    with_masks(folder, np.s_[9:16, 5:12])
    counts = read_capture(folder, SIZE // 2)[0].counts[0]
    expected = torch.ones(SIZE // 2, SIZE // 2, dtype=torch.bool)
    expected[4:8, 2:6] = False
    assert torch.equal(counts, expected)


def test_a_mask_of_another_size_or_none_at_all_is_named(folder):
    Image.new("L", (SIZE, 5), 255).save(folder / "small.png")
    text = refused(folder, frame={"mask_path": "small.png"})
    assert "small.png" in text and "24 x 5" in text
    assert "the mask" in refused(folder, frame={"mask_path": "nowhere.png"})
    assert "mask_path" in refused(folder, frame={"mask_path": 7})


def test_files_beside_a_picture_are_read_as_instant_ngp_reads_them(folder):
    moved = np.zeros((SIZE, SIZE), np.uint8)
    moved[3:6, 3:6] = 200
    Image.fromarray(moved).save(folder / "train/dynamic_mask_r_001.png")
    alpha = np.full((SIZE, SIZE), 255, np.uint8)
    alpha[:4], alpha[4:8] = 0, 188  # as light, 188 is a half
    Image.fromarray(alpha).save(folder / "train/r_003.png.alpha.png")
    train = read_capture(folder)[0]
    i, j = (train.names.index(FRAMES[k]) for k in (1, 3))
    assert not train.counts[i, 3:6, 3:6].any() and train.counts[i].sum() == SIZE**2 - 9 and train.counts[j].all()
    assert train.rgba[j, :4, :, 3].max() == 0 and (train.rgba[j, 8:, :, 3] == 255).all()
    assert (train.rgba[j, 4:8, :, 3].int() - 128).abs().max() <= 1
    Image.fromarray(alpha.astype(np.uint16) * 257).save(folder / "train/r_003.png.alpha.png")
    assert "r_003.png.alpha.png" in (text := refused(folder)) and "16 bits" in text
    (folder / "train/r_003.png.alpha.png").unlink()
    (folder / "train/rays_r_002.dat").write_bytes(b"")
    assert "rays_r_002.dat" in refused(folder)
    capture_with(folder, enable_ray_loading=False)


def test_pixels_of_a_colour_can_be_transparent(folder):
    picture = np.full((SIZE, SIZE, 3), 254, np.uint8)
    picture[:5], picture[5:9] = 255, 0
    Image.fromarray(picture).save(folder / FRAMES[1])
    for key, rows in (("white_transparent", slice(0, 5)), ("black_transparent", slice(5, 9))):
        values = read(folder)
        train = capture_with(folder, **{key: True})[0]
        clear = torch.zeros(SIZE, SIZE, dtype=torch.bool)
        clear[rows] = True
        assert torch.equal(train.rgba[train.names.index(FRAMES[1]), ..., 3] == 0, clear)
        write(folder, values)


# splits and files ----------------------------------------------------------------------------------------------------


def test_the_splits_that_a_file_names_are_taken(folder):
    train, held_out = capture_with(folder, train_filenames=FRAMES[2:5], test_filenames=[FRAMES[7], FRAMES[0]])
    assert train.names == tuple(FRAMES[2:5]) and held_out.names == (FRAMES[7], FRAMES[0])
    train, held_out = capture_with(folder, train_filenames=[], test_filenames=[], val_filenames=FRAMES[:2])
    assert held_out.names == tuple(FRAMES[:2]) and train.names == tuple(FRAMES[2:])
    assert "nothing.png" in refused(folder, val_filenames=["nothing.png"])
    assert "test_filenames" in refused(folder, train_filenames=FRAMES, val_filenames=[])
    values = read(folder)
    write(folder, values | {"frames": [*values["frames"], values["frames"][3]], "train_filenames": []})
    assert len(capture_with(folder, test_filenames=[FRAMES[7]])[0]) == 8  # a picture that is listed twice is two
    assert capture_with(folder, val_filenames=FRAMES[:2])[1].names == (FRAMES[7],)  # test_filenames go before them


def test_frames_that_would_be_left_out_are_not_learned_in_silence(folder):
    assert "n_frames 5" in refused(folder, n_frames=5)
    assert capture_with(folder, n_frames=8)


def test_paths_of_another_system_and_other_endings_are_found(folder):
    values = read(folder)
    values["frames"][1]["file_path"] = "train\\r_001.png"
    Image.open(folder / FRAMES[2]).convert("RGB").save(folder / "train/r_002.jpg")
    (folder / FRAMES[2]).unlink()
    values["frames"][2]["file_path"] = "./train/r_002"
    write(folder, values)
    train, _ = read_capture(folder)
    assert train.names[:3] == (FRAMES[0], FRAMES[1], "train/r_002")


def test_pictures_of_one_name_in_two_folders_stay_two(folder):
    (folder / "other").mkdir()
    values = read(folder)
    (folder / "other/r_000.png").write_bytes((folder / FRAMES[1]).read_bytes())
    values["frames"][1]["file_path"] = "other/r_000.png"
    write(folder, values)
    train, held_out = read_capture(folder)
    assert len({*train.names, *held_out.names}) == 8
