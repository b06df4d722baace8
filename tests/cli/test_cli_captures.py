"""What the commands say of a capture, what they take of it, and what they leave when they refuse one."""

import json
import math

import numpy as np
import pytest
import torch
from commands import run
from PIL import Image

from dreamtext_lib.capture import photos
from dreamtext_lib.capture.transforms import write_transforms
from dreamtext_lib.fitting.fit import Fit
from dreamtext_lib.toybox.capture import FOV, pictures, spiral
from dreamtext_lib.toybox.objects import ToyObject

SHORT = ["--steps", "1", "--levels", "2", "--finest", "24", "--voxels", "16"]


@pytest.fixture
def capture(tmp_path, monkeypatch):
    """A function that writes a capture of a castle before a wall, in a world that is turned; fits stop at step 0."""

    begun = []

    def stops(fit):
        begun.append(fit.recipe)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Fit, "run", stops)
    cameras = spiral(6)
    rgba = pictures(ToyObject("castle", "red"), cameras, 24)

    def write(name, wall=0.0, turn=None):
        folder = tmp_path / name
        folder.mkdir()
        over = rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:]) * wall
        files = [f"{i}.png" for i in range(6)]
        for file, picture in zip(files, (over * 255).round().byte().numpy()):
            Image.fromarray(picture).save(folder / file)
        pose = cameras.pose.double() if turn is None else turn @ cameras.pose.double()
        write_transforms(folder / "transforms.json", files, pose, camera_angle_x=math.radians(FOV))
        return folder

    write.begun = begun
    return write


def test_a_plain_wall_is_named_with_the_flag_that_cuts_it_out(capture, tmp_path, capsys):
    folder = capture("black")
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "a", *SHORT)
    assert status == 130 and "plain wall of colour (0, 0, 0)" in err and "--cut-out" in err
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "b", "--background", 0, *SHORT)
    assert status == 130 and "note:" not in err  # it is the background that was asked for
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "c", "--cut-out", *SHORT)
    assert status == 130 and "note:" not in err
    assert [recipe.pictures.cut_out for recipe in capture.begun] == [False, False, True]
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "3.png")
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "d", "--cut-out", *SHORT)
    assert status == 1 and "3.png" in err and err.count("\n") == 1 and not (tmp_path / "d").exists()


def test_up_is_said_in_one_line_and_can_be_overruled(capture, tmp_path, capsys):
    lying = torch.tensor([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    folder = capture("lying", 0.5, lying)
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "a", "--background", 0.5, *SHORT)
    assert status == 130 and "note: up is (0.00, 1.00, 0.00) in the file's world" in err and "--up z" in err
    for up in (["--up", "z"], ["--up", "0,0,1"]):
        status, _, err = run(capsys, "fit", folder, "--out", tmp_path / up[1], "--background", 0.5, *up, *SHORT)
        assert status == 130 and "note:" not in err
    assert [recipe.pictures.up for recipe in capture.begun] == ["cameras", "z", "0,0,1"]
    status, _, err = run(capsys, "fit", folder, "--out", tmp_path / "b", "--up=-w", *SHORT)
    assert status == 1 and "up is '-w'" in err and err.count("\n") == 1 and not (tmp_path / "b").exists()


def test_a_refused_folder_of_photographs_does_not_block_the_next_try(tmp_path, capsys, monkeypatch):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for i in range(4):
        Image.new("RGB", (16, 12), (i, 9, 9)).save(folder / f"{i}.png")
    (folder / "2.png").write_text("no picture", encoding="utf-8")
    status, printed, err = run(capsys, "reconstruct", folder, "--out", out)
    assert status == 1 and "2.png" in err and err.count("\n") == 1 and not printed
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    Image.new("RGB", (16, 12), (2, 9, 9)).save(folder / "2.png")

    def blind(images, **_):
        raise ValueError("0 of 4 pictures could be placed; surfaces need texture")

    monkeypatch.setattr(photos, "reconstruct", blind)
    for _ in range(2):  # not 'not an empty folder' the second time
        status, _, err = run(capsys, "reconstruct", folder, "--out", out)
        assert status == 1 and "0 of 4" in err and not out.exists()


def test_what_is_wrong_with_a_capture_is_said_before_a_run_is_begun(capture, tmp_path, capsys):
    folder = capture("odd")
    values = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
    values["frames"][1]["rolling_shutter"] = [0, 0, 1, 0]
    (folder / "transforms.json").write_text(json.dumps(values), encoding="utf-8")
    status, printed, err = run(capsys, "fit", folder, "--out", tmp_path / "run", *SHORT)
    assert status == 1 and "'rolling_shutter'" in err and err.count("\n") == 1 and not printed
    assert not (tmp_path / "run").exists()


def test_pictures_too_small_to_be_judged_are_refused_before_a_run_is_begun(capture, tmp_path, capsys):
    status, printed, err = run(capsys, "fit", capture("tiny"), "--out", tmp_path / "run", "--size", 8, *SHORT)
    assert status == 1 and "8 x 8 pixels" in err and err.count("\n") == 1 and not printed
    assert not (tmp_path / "run").exists()
