"""Captures: what the reader takes, what it refuses and in which words, hulls, fits and their scores."""

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
from dreamtext_lib.capture.transforms import read_capture, write_transforms
from dreamtext_lib.evaluation.geometry import chamfer, iou
from dreamtext_lib.evaluation.images import psnr, ssim
from dreamtext_lib.files import read_tensors, write_tensors
from dreamtext_lib.fitting.fit import Fit, FitRecipe
from dreamtext_lib.radiance.cameras import rays, turntable
from dreamtext_lib.radiance.field import Matte
from dreamtext_lib.radiance.mesh import extract
from dreamtext_lib.radiance.rendering import render_rays
from dreamtext_lib.toybox.capture import FOV, spiral, write_capture
from dreamtext_lib.toybox.objects import ToyObject

THING = ToyObject("mug", "blue", "striped")
SMALL = FitRecipe().with_fields(steps=100, batch=512, samples=48, samples_early=24, levels=4, finest=48, voxels=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small capture on the disk."""
    path = tmp_path_factory.mktemp("capture")
    write_capture(path, THING, views=24, held_out=3, size=32)
    return path


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """A copy to spoil, with a single transforms.json."""
    values = json.loads((folder / "transforms_train.json").read_text(encoding="utf-8"))
    values["frames"] = values["frames"][:6]
    (tmp_path / "train").mkdir()
    for frame in values["frames"]:
        (tmp_path / frame["file_path"]).write_bytes((folder / frame["file_path"]).read_bytes())
    (tmp_path / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    return tmp_path


def change(copy: Path, **changes) -> None:
    """Rewrite transforms.json with changes; a key `frame` changes frame 2."""
    values = json.loads((copy / "transforms.json").read_text(encoding="utf-8"))
    values["frames"][2] |= changes.pop("frame", {})
    (copy / "transforms.json").write_text(json.dumps(values | changes), encoding="utf-8")


def refused(copy: Path) -> str:
    """The sentence with which a capture is refused."""
    with pytest.raises(ValueError) as error:
        read_capture(copy)
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


# reading ------------------------------------------------------------------------------------------------------------


def test_a_capture_gives_back_the_cameras_and_pictures_that_were_written(folder):
    train, held_out = read_capture(folder)
    assert (len(train), len(held_out), train.size, train.has_alpha) == (24, 3, (32, 32), True)
    cameras = spiral(24)
    torch.testing.assert_close(train.cameras.pose, cameras.pose, rtol=0, atol=1e-5)
    origins, directions = rays(cameras.sized(32))
    for i in (0, 17):
        o, d = train.picture_rays(i)
        torch.testing.assert_close(o * train.radius + train.centre, origins[i], rtol=0, atol=1e-4)
        torch.testing.assert_close(d, directions[i], rtol=0, atol=1e-5)
    assert train.centre.abs().max() < 1e-4
    assert train.radius == pytest.approx(1.1 * 2.85 * math.sin(math.radians(FOV / 2)), rel=1e-4)


def test_the_ball_of_wide_pictures_holds_what_is_at_their_sides(copy):
    square = read_capture(copy)[0].radius
    for file in (copy / "train").glob("*.png"):
        with Image.open(file) as picture:
            wide = Image.new("RGBA", (64, 32))
            wide.paste(picture, (16, 0))
        wide.save(file)
    values = json.loads((copy / "transforms.json").read_text(encoding="utf-8"))
    change(copy, w=64, cx=32.0, fl_y=values["fl_x"])
    capture = read_capture(copy)[0]
    half = math.tan(math.radians(FOV / 2))
    assert capture.radius == pytest.approx(1.1 * 2.85 * math.sin(math.atan(2 * half)), rel=1e-4)
    assert capture.radius > 1.7 * square
    ring = turntable(9, elevation=0.0)
    level = Capture(
        **{
            **capture.__dict__,
            "cameras": replace(capture.cameras, pose=ring.pose[:5]),
            "rgba": torch.full_like(capture.rgba, 255),
        }
    )
    hull = carve(level, 48)
    assert not hull[..., 0].any() and not hull[..., -1].any(), "what is above and below all pictures is empty"
    assert hull[:, :, 24].sum() > 0.9 * math.pi * 24**2


def test_without_a_test_file_every_tenth_picture_is_held_out(copy):
    train, held_out = read_capture(copy)
    assert len(train) == 5 and len(held_out) == 1 and not set(train.names) & set(held_out.names)


def test_the_layouts_of_the_three_families_are_read(copy):
    whole = read_capture(copy)[0]
    values = json.loads((copy / "transforms.json").read_text(encoding="utf-8"))
    focal = values.pop("fl_x")
    for frame in values["frames"]:  # nerf_synthetic: an angle, no ending
        frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
    (copy / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    torch.testing.assert_close(read_capture(copy)[0].cameras.focal, whole.cameras.focal)
    del values["camera_angle_x"]  # nerfstudio: focal lengths of each frame, for pictures of another size
    for frame in values["frames"]:
        frame |= {"fl_x": 4 * focal, "fl_y": 4 * focal, "cx": 64.0, "cy": 64.0, "w": 128, "h": 128}
    (copy / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    again = read_capture(copy)[0]
    torch.testing.assert_close(again.cameras.focal, whole.cameras.focal)
    torch.testing.assert_close(again.cameras.middle, whole.cameras.middle)


def test_pictures_are_made_smaller_with_their_cameras(folder):
    small, whole = read_capture(folder, size=16)[0], read_capture(folder)[0]
    assert small.size == (16, 16)
    torch.testing.assert_close(small.cameras.focal, whole.cameras.focal / 2)
    mean = whole.pictures().unflatten(1, (16, 2)).unflatten(3, (16, 2)).mean((2, 4))
    assert (small.pictures() - mean).abs().max() < 0.02  # alpha is multiplied in before pixels are averaged


# refusing -----------------------------------------------------------------------------------------------------------


def test_missing_things_are_named(copy, tmp_path):
    assert "there is no capture" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "neither transforms.json nor" in refused(tmp_path / "empty")
    (copy / "train" / "r_002.png").unlink()
    assert "r_002.png" in refused(copy) and "missing" in refused(copy)


def test_a_mark_of_windows_before_the_json_is_no_fault(copy):
    file = copy / "transforms.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read_capture(copy)[0]) == 5


@pytest.mark.parametrize("text", ["{", "[]", '{"frames": 3}', '{"frames": [1]}', "\x00"])
def test_wrong_json_is_named(copy, text):
    (copy / "transforms.json").write_text(text, encoding="utf-8")
    assert "transforms.json" in refused(copy)


def test_a_capture_of_nothing_is_refused(copy):
    change(copy, frames=[])
    assert "lists no frame" in refused(copy)
    change_one = {"frames": [{"file_path": "train/r_001.png", "transform_matrix": np.eye(4).tolist()}]}
    (copy / "transforms.json").write_text(json.dumps({"fl_x": 30.0} | change_one), encoding="utf-8")
    assert "one picture" in refused(copy)


def test_pictures_of_several_sizes_are_refused(copy):
    Image.new("RGBA", (20, 20)).save(copy / "train" / "r_003.png")
    assert "r_003.png" in refused(copy) and "20" in refused(copy)


@pytest.mark.parametrize(
    "matrix, word",
    [
        ((np.eye(4) * 2).tolist(), "not rigid"),
        (np.diag([1.0, 1.0, -1.0, 1.0]).tolist(), "not rigid"),
        ([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "not rigid"),
        ([[1, 0], [0, 1]], "4 x 4"),
        ([[float("nan")] * 4] * 4, "holds numbers that are not finite"),
        ("a matrix", "no transform_matrix"),
        (None, "no transform_matrix"),
    ],
)
def test_poses_that_are_not_rigid_are_refused(copy, matrix, word):
    change(copy, frame={"transform_matrix": matrix})
    assert word in refused(copy) and "frame 2" in refused(copy)


def test_a_listing_of_brackets_alone_is_refused(copy):
    (copy / "transforms.json").write_text("[" * 100_000, encoding="utf-8")
    assert "is not valid JSON" in refused(copy)


def test_cameras_with_the_axes_of_opencv_are_noticed(copy):
    values = json.loads((copy / "transforms.json").read_text(encoding="utf-8"))
    for frame in values["frames"]:
        frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ np.diag([1, -1, -1, 1])).tolist()
    (copy / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    assert "OpenCV" in refused(copy)


def test_broken_and_strange_pictures_are_refused(copy):
    file = copy / "train" / "r_002.png"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert "r_002.png" in refused(copy) and "truncated" in refused(copy)
    file.write_text("no picture", encoding="utf-8")
    assert "r_002.png" in refused(copy)
    Image.fromarray(np.full((32, 32), 40_000, dtype=np.uint16)).save(file)
    assert "16 bits" in refused(copy)
    change(copy, frame={"file_path": "train/print.jpg"})
    Image.new("CMYK", (32, 32)).save(copy / "train" / "print.jpg")
    assert "print.jpg" in refused(copy) and "CMYK" in refused(copy)


def test_cameras_without_a_focal_length_are_refused(copy):
    values = json.loads((copy / "transforms.json").read_text(encoding="utf-8"))
    for key in ("fl_x", "camera_angle_x"):
        values.pop(key)
    (copy / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    assert "neither camera_angle_x nor fl_x" in refused(copy)
    for nothing in (0, None):
        change(copy, fl_x=nothing)
        assert "neither camera_angle_x nor fl_x" in refused(copy)
    change(copy, fl_x=-3)
    assert "above 0" in refused(copy)
    for value in ("Infinity", "NaN"):  # as Python writes and reads them
        change(copy, fl_x=30, w=float(value), cx=16)
        assert "above 0" in refused(copy)
        change(copy, fl_x=float(value), w=32)
        assert "above 0" in refused(copy)
    change(copy, fl_x="long")
    assert "not a number" in refused(copy)


# hulls and fits -----------------------------------------------------------------------------------------------------


def test_the_hull_holds_the_object_and_little_more(folder):
    train, _ = read_capture(folder)
    hull = carve(train, 48)
    axis = (torch.arange(48) + 0.5) / 24 - 1
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1) * train.radius + train.centre
    inside = THING.occupancy(points)
    assert hull[inside].all()
    assert hull.float().mean() < 0.25 * torch.pi / 6  # a quarter of the ball; the hollow of the mug cannot be seen
    pool = worthwhile(train)
    assert train.rgba.view(-1, 4)[pool, 3].float().mean() > 0.4 * 255
    assert (train.rgba.view(-1, 4)[:, 3] > 0).sum() <= len(pool)


def test_the_hull_of_odd_outlines(folder):
    train, _ = read_capture(folder)
    whole, rgba = carve(train, 24), train.rgba.clone()
    rgba[5] = 0  # a mask that was forgotten says nothing
    blank = carve(Capture(**{**train.__dict__, "rgba": rgba}), 24)
    assert (blank | ~whole).all() and blank.sum() < 1.3 * whole.sum()
    rgba[..., 3] = 0
    for i in range(0, len(rgba), 2):  # two objects that no world can hold
        rgba[i, :2, :2, 3] = 255
    for i in range(1, len(rgba), 2):
        rgba[i, -2:, -2:, 3] = 255
    with pytest.raises(ValueError, match="no point in common"):
        Fit(Capture(**{**train.__dict__, "rgba": rgba}), SMALL)
    opaque = train.rgba.clone()
    opaque[..., 3] = 255
    solid = carve(Capture(**{**train.__dict__, "rgba": opaque}), 24)
    assert whole[solid].any() and solid[whole].all(), "without alpha all that a picture contains may be solid"


def test_a_fit_learns_resumes_bit_for_bit_and_stops_early_without_harm(folder, tmp_path):
    train, held_out = read_capture(folder)
    torch.set_num_threads(1)
    whole = Fit(train, SMALL, seed=3)
    before = np.mean(whole.errors(held_out))
    for record in whole.run():
        if record.step == 25:
            whole.save(tmp_path)
    assert np.mean(whole.errors(held_out)) > before + 6
    resumed = Fit(train, SMALL, seed=3)
    resumed.load(tmp_path)
    assert resumed.step == 25
    list(resumed.run())
    for a, b in zip(whole.volume.field.parameters(), resumed.volume.field.parameters()):
        assert torch.equal(a, b)
    (o, d), v = held_out.picture_rays(0), whole.volume
    full, stopped = (render_rays(v.field, v.occupancy, o, d, samples=48, stop=s) for s in (0.0, 1e-3))
    assert (full.rgb - stopped.rgb).abs().max() < 5e-3
    pieces = render_rays(v.field, v.occupancy, o, d, samples=48, chunk=700)
    torch.testing.assert_close(pieces.rgb, full.rgb, rtol=0, atol=1e-5)


def test_a_fit_of_a_capture_whose_cameras_or_pictures_were_changed_meanwhile_does_not_go_on(folder, tmp_path):
    train, _ = read_capture(folder)
    Fit(train, SMALL, source="here").save(tmp_path)
    Fit(train, SMALL).load(tmp_path)
    for changed in (replace(train, radius=2 * train.radius), replace(train, centre=train.centre + train.radius)):
        with pytest.raises(ValueError, match=r"the cameras of 'here' were changed since '.*' began: the ball that"):
            Fit(changed, SMALL, source="here").load(tmp_path)
    turned, noisy, masked = train.rgba.clone(), train.rgba.clone(), train.counts.clone()
    turned[1] = train.rgba[1].flip(1)  # of the same mean
    masked[1, : len(masked[1]) // 2] = False
    for changed in (replace(train, rgba=turned), replace(train, counts=masked)):
        picture = f"the picture '{re.escape(train.names[1])}' of 'here', or its mask, was changed since '.*' began: "
        with pytest.raises(ValueError, match=picture):
            Fit(changed, SMALL, source="here").load(tmp_path)
    with pytest.raises(ValueError, match=f"'here' has {len(train) - 1} pictures to learn from and had {len(train)} "):
        Fit(train.take(range(len(train) - 1)), SMALL, source="here").load(tmp_path)
    noisy[1, ::9, ::9] ^= 1  # as another machine may round
    Fit(replace(train, rgba=noisy), SMALL, source="here").load(tmp_path)
    tensors, meta = read_tensors(tmp_path / "checkpoint.safetensors")
    del tensors["sketch"]  # as fits wrote it before
    write_tensors(tmp_path / "checkpoint.safetensors", tensors, meta)
    Fit(replace(train, rgba=turned), SMALL).load(tmp_path)
    write_tensors(tmp_path / "checkpoint.safetensors", tensors, {**meta, "step": SMALL.steps + 1})
    with pytest.raises(ValueError, match=f"is of step {SMALL.steps + 1}, its recipe has {SMALL.steps} steps; put back"):
        Fit(train, SMALL).load(tmp_path)


def test_pieces_have_the_gradient_of_the_whole(folder):
    train, _ = read_capture(folder)
    field, gradients = Fit(train, SMALL, seed=1).volume.field, []
    o, d = train.picture_rays(2)
    for chunk in (1 << 18, 500):
        field.zero_grad()
        render_rays(field, None, o, d, samples=24, chunk=chunk).rgb.square().sum().backward()
        gradients.append([p.grad.clone() for p in field.parameters()])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 * a.abs().max().item())


@pytest.mark.parametrize("kind", ["vanilla", "hierarchical"])
def test_the_older_fields_learn_too(folder, kind):
    train, held_out = read_capture(folder)
    small = {"steps": 40, "batch": 256, "samples": 24, "samples_more": 12, "width": 32, "depth": 3}
    run = Fit(train, FitRecipe().with_fields(kind=kind, position_levels=5, rate_nerf=5e-3, **small))
    first = np.mean(run.errors(held_out))
    assert all(math.isfinite(r.loss) for r in run.run())
    assert np.mean(run.errors(held_out)) > first + 1


def test_a_recipe_that_makes_no_sense_is_refused():
    for changes, word in (({"kind": "splat"}, "splat"), ({"steps": 0}, "steps"), ({"background": 2.0}, "background")):
        with pytest.raises(ValueError, match=word):
            FitRecipe().with_fields(**changes)


def test_pictures_without_any_object_are_refused(folder):
    train, _ = read_capture(folder)
    empty = Capture(**{**train.__dict__, "rgba": torch.zeros_like(train.rgba)})
    with pytest.raises(ValueError, match="transparent or masked, so there is nothing to fit"):
        Fit(empty, SMALL)
    with pytest.raises(ValueError, match="transparent or masked, so there is nothing to fit"):
        Fit(replace(train, counts=torch.zeros_like(train.counts)), SMALL)


# scores -------------------------------------------------------------------------------------------------------------


def test_scores_of_pictures_are_those_of_their_definitions():
    g = torch.Generator().manual_seed(0)
    truth = torch.rand(24, 24, 3, generator=g)
    image = (truth + 0.1).clamp(0, 1.1)
    assert psnr(image, truth) == pytest.approx(20, abs=1e-4)
    assert ssim(truth, truth) == pytest.approx(1) and ssim(image, truth) > ssim(1 - truth, truth)
    for score in (psnr, ssim):
        with pytest.raises(ValueError, match="one shape"):
            score(image, truth[:12])


def test_what_a_mask_hides_is_not_judged():
    g = torch.Generator().manual_seed(0)
    truth, counts = torch.rand(32, 32, 3, generator=g), torch.ones(32, 32, dtype=torch.bool)
    counts[8:24, 4:20] = False
    image = (truth + 0.1).clamp(max=1.1)
    image[~counts] = 0.3  # a field shows something there, and nobody knows what is right
    assert psnr(image, truth, counts) == pytest.approx(20, abs=1e-4) and psnr(image, truth) < 15
    assert ssim(truth.where(counts[..., None], image), truth, counts) == pytest.approx(1)
    assert ssim(image, truth, counts) > ssim(image, truth) + 0.1
    whole = torch.ones_like(counts)
    assert ssim(image, truth, whole) == pytest.approx(ssim(image, truth)) and psnr(image, truth, whole) == psnr(
        image, truth
    )


def test_errors_of_a_fit_are_of_the_pixels_that_count(folder):
    train, held_out = read_capture(folder)
    run = Fit(train, SMALL)
    whole = [(a - b).square().mean() for a, b in zip(run.views(held_out), held_out.pictures())]
    assert run.errors(held_out) == [-10 * math.log10(v.item()) for v in whole], "the same bits where nothing is masked"
    counts, rgba = held_out.counts.clone(), held_out.rgba.clone()
    counts[:, 8:24] = False
    rgba[:, 8:24] = 255 - rgba[:, 8:24]
    masked = replace(held_out, counts=counts)
    assert run.errors(masked) == run.errors(replace(masked, rgba=rgba)) != run.errors(held_out)


def test_scores_of_shapes_know_the_truth_and_a_shift():
    thing = ToyObject("castle")
    truth = thing.mesh(64)
    near = chamfer(truth, truth, 5000)
    moved = truth.copy()
    moved.vertices = moved.vertices + np.array([0.3, 0, 0])
    assert near < 0.02 < chamfer(moved, truth, 5000)

    @Matte
    def field(p):
        return torch.sigmoid(-thing.distance(p) / 0.005) * 300, torch.full_like(p, 0.5)

    good = iou(lambda p: field(1.1 * p)[0], thing.occupancy, 1.1, resolution=64)
    bad = iou(lambda p: field(1.1 * p + 0.2)[0], thing.occupancy, 1.1, resolution=64)
    assert good > 0.88 > 0.6 > bad  # what no axis sees, under the eaves, counts as inside
    assert chamfer(extract(field, 64, radius=1.1, sight=True), truth, 5000) < 0.03


def test_written_transforms_are_read_by_any_json_reader(tmp_path):
    write_transforms(tmp_path / "transforms.json", ["a.png"], spiral(1).pose, w=4, h=4, fl_x=3.0)
    values = json.loads((tmp_path / "transforms.json").read_text(encoding="utf-8"))
    assert values["fl_x"] == 3 and np.array(values["frames"][0]["transform_matrix"]).shape == (4, 4)
