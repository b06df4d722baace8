"""The world of a capture: far from its origin, not upright, not around one object; pictures too large, walls."""

import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamtext_lib.capture.frames import pictures_of
from dreamtext_lib.capture.pictures import load
from dreamtext_lib.capture.transforms import read_capture, write_transforms
from dreamtext_lib.capture.upright import named_up, turn_to_z, up_of
from dreamtext_lib.capture.wall import cut_out, note_on_wall, plain_wall
from dreamtext_lib.radiance.cameras import orbit, turntable
from dreamtext_lib.toybox.capture import FOV, pictures, spiral
from dreamtext_lib.toybox.objects import ToyObject

SIZE = 16
OPENCV = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)


def written(folder: Path, pose: torch.Tensor, **head) -> Path:
    """A capture of grey pictures with these poses."""
    folder.mkdir(exist_ok=True)
    names = [f"{i}.png" for i in range(len(pose))]
    for name in names:
        Image.new("RGB", (SIZE, SIZE), (90, 90, 90)).save(folder / name)
    write_transforms(folder / "transforms.json", names, pose, camera_angle_x=math.radians(FOV), **head)
    return folder


def around(count: int = 12) -> torch.Tensor:
    """Poses around the origin, z up."""
    return spiral(count).pose.double()


def rotation(axis, degrees: float) -> torch.Tensor:
    """A rotation about an axis."""
    x, y, z = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float64), dim=0).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(math.radians(degrees) * cross)


def refused(folder: Path, **options) -> str:
    """The sentence with which a capture is refused."""
    with pytest.raises(ValueError) as error:
        read_capture(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# far from the origin -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [False, True])
def test_a_world_far_from_its_origin_gives_the_same_rays(tmp_path, listed):
    offset = torch.tensor([500_000.0, 4_649_776.0, 312.5], dtype=torch.float64)
    moved = around()
    moved[:, :, 3] += offset
    near, far = written(tmp_path / "near", around()), written(tmp_path / "far", moved)
    if listed:  # the held-out cameras in a file of their own
        for folder in (near, far):
            (folder / "transforms_test.json").write_bytes((folder / "transforms.json").read_bytes())
    for a, b in zip(read_capture(near), read_capture(far)):
        assert b.radius == pytest.approx(a.radius, rel=1e-6)
        for i in range(len(a)):
            for x, y in zip(a.picture_rays(i), b.picture_rays(i)):
                torch.testing.assert_close(x, y, rtol=0, atol=1e-6)
        assert not a.notes and len(b.notes) == 1 and "500000, 4649776, 312.5" in b.notes[0]


def test_a_world_somewhat_off_its_origin_stays_where_it_is(tmp_path):
    moved = around()
    moved[:, 0, 3] += 60.0
    a, b = read_capture(written(tmp_path / "near", around()))[0], read_capture(written(tmp_path / "off", moved))[0]
    assert not b.notes and b.centre.tolist() == pytest.approx([60, 0, 0], abs=1e-4)
    for x, y in zip(a.picture_rays(2), b.picture_rays(2)):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-5)


def test_a_world_in_another_unit_gives_the_same_rays(tmp_path):
    for name, unit in (("millimetres", 1000.0), ("kilometres", 1e-3)):
        pose = around()
        pose[:, :, 3] *= unit
        a, b = read_capture(written(tmp_path / "m", around()))[0], read_capture(written(tmp_path / name, pose))[0]
        for x, y in zip(a.picture_rays(3), b.picture_rays(3)):
            torch.testing.assert_close(x, y, rtol=0, atol=1e-6)


# upright -------------------------------------------------------------------------------------------------------------

WORLDS = {
    "y is up": rotation((1, 0, 0), -90),
    "x is up": rotation((0, 1, 0), 90),
    "upside down": rotation((1, 0, 0), 180),
    "oblique": rotation((1, -2, 3), 131),
}


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_is_not_upright_is_turned_and_said_so(tmp_path, name):
    turn, true = WORLDS[name], around()
    capture, held_out = read_capture(written(tmp_path / "c", turn @ true))
    rows = [i for i in range(12) if i != 5]
    for found, wanted in ((capture.cameras.pose, true[rows]), (held_out.cameras.pose, true[[5]])):
        torch.testing.assert_close(found[:, 2], wanted[:, 2].float(), rtol=0, atol=1e-5)  # heights, and all that is up
    assert len(capture.notes) == 1 and "--up" in capture.notes[0]
    axis = ", ".join(f"{v:.2f}" for v in turn[:, 2].tolist()).replace("-0.00", "0.00")
    assert f"({axis})" in capture.notes[0]
    for up in ("z", "0,0,2.5"):  # overruled
        left = read_capture(tmp_path / "c", up=up)[0]
        torch.testing.assert_close(left.cameras.pose[:, :, 3], (true[rows, :, 3] @ turn.T).float(), rtol=0, atol=1e-6)
        assert not left.notes


def test_what_the_user_says_goes_before_the_file_and_the_file_before_the_cameras(tmp_path):
    folder = written(tmp_path / "c", around(), up=[0, 1, 0])
    said = read_capture(folder)[0]
    assert "the file says so" in said.notes[0]
    assert torch.allclose(
        said.cameras.pose[:, 2, 3], torch.cat([around()[:5], around()[6:]])[:, 1, 3].float(), atol=1e-6
    )
    assert not read_capture(folder, up="z")[0].notes
    assert torch.allclose(
        read_capture(folder, up="-y")[0].cameras.pose[:, 2, 3], -said.cameras.pose[:, 2, 3], atol=1e-5
    )
    turned = WORLDS["y is up"] @ around()
    kept = read_capture(written(tmp_path / "kept", turned, orientation_override="none"))[0]
    assert not kept.notes and torch.allclose(kept.cameras.pose[0], turned[0].float(), atol=1e-6)


@pytest.mark.parametrize("name", ["", "w", "0,0", "0,0,0", "nan,0,1", "--z", "1,2,3,4"])
def test_an_up_that_is_none_is_refused(tmp_path, name):
    assert f"up is '{name}'" in refused(written(tmp_path / "c", around()), up=name)


def test_names_of_axes():
    for name, axis in {"x": (1, 0, 0), "+y": (0, 1, 0), "-z": (0, 0, -1), "0,3,4": (0, 0.6, 0.8)}.items():
        assert torch.allclose(named_up(name).axis, torch.tensor(axis, dtype=torch.float64))
    assert named_up("cameras") is None
    for axis in torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1):
        turn = turn_to_z(axis)
        assert torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
        assert torch.linalg.det(turn) > 0 and (turn @ axis)[2] > math.cos(math.radians(5.01))


def held(pose: torch.Tensor, roll: torch.Tensor) -> torch.Tensor:
    """The same cameras, rolled about their optical axes by degrees (N,)."""
    c, s = torch.deg2rad(roll).cos(), torch.deg2rad(roll).sin()
    right, up = pose[:, :, 0], pose[:, :, 1]
    turned = torch.stack([c[:, None] * right + s[:, None] * up, c[:, None] * up - s[:, None] * right], -1)
    return torch.cat([turned, pose[:, :, 2:]], -1)


def off_z(pose: torch.Tensor) -> float:
    """Degrees between z and the up that is found, in a world turned at random."""
    turn = rotation((3, 1, -2), 77.0)
    axis = turn.T @ up_of(turn @ pose).axis
    return math.degrees(math.acos(max(-1.0, min(1.0, axis[2].item()))))


def arc(low: float, high: float, count: int = 30, elevation: float = 20.0) -> torch.Tensor:
    """Poses along a part of a circle."""
    azimuth = torch.linspace(low, high, count, dtype=torch.float64)
    return orbit(azimuth, elevation).pose


def test_up_is_found_however_the_cameras_went():
    generator = torch.Generator().manual_seed(0)
    shaken = 4 * torch.randn(30, generator=generator).double()
    exact = {
        "a turntable": arc(0, 348),
        "from the floor": arc(0, 348, elevation=0),
        "from high above": arc(0, 348, elevation=80),
        "from below, mostly": arc(0, 348, elevation=-15),
        "a third of the way round": arc(-60, 60),
        "all over the sphere": around(60),
        "all over the upper half": spiral(40, 0.0, 90.0).pose.double(),
        "on its side, all around": held(arc(0, 348), torch.full((30,), 90.0).double()),
        "on its other side": held(arc(0, 348), torch.full((30,), -90.0).double()),
        "on its side, from the floor": held(arc(0, 348, elevation=3), torch.full((30,), 90.0).double()),
        "at random, on a circle": held(arc(0, 348, elevation=0), 360 * torch.rand(30, generator=generator).double()),
    }
    for name, pose in exact.items():
        if name == "at random, on a circle":  # a plane has two sides, and nothing says which
            assert min(off_z(pose), 180 - off_z(pose)) < 1e-3, name
        else:
            assert off_z(pose) < 1e-3, name
    for name in ("a turntable", "from high above", "a third of the way round"):
        assert off_z(held(exact[name], shaken)) < 3, name
    assert off_z(held(arc(-8, 8, elevation=0), shaken)) < 8  # a narrow strip, tilted as the hand was on the mean


def test_cameras_that_do_not_tell_are_left_as_the_file_has_them(tmp_path):
    generator = torch.Generator().manual_seed(1)
    pose = held(around(40), 360 * torch.rand(40, generator=generator).double())
    assert up_of(pose).how == "the cameras do not tell"
    train = read_capture(written(tmp_path / "c", pose))[0]
    learned = [int(name.removesuffix(".png")) for name in train.names]
    assert torch.allclose(train.cameras.pose[:, :, 3], pose[learned, :, 3].float()) and not train.notes


# not around one object -----------------------------------------------------------------------------------------------


def outward(pose: torch.Tensor) -> torch.Tensor:
    """The same places, the back to the middle, upright."""
    return torch.stack([-pose[:, :, 0], pose[:, :, 1], -pose[:, :, 2], pose[:, :, 3]], -1)


def test_cameras_that_look_outward_are_told_so(tmp_path):
    level = turntable(12, elevation=0.0).pose.double()
    for name, pose in (
        ("ring", level),
        ("sphere", around()),
        ("close", torch.cat([level[:, :, :3], 0.01 * level[:, :, 3:]], -1)),
    ):
        text = refused(written(tmp_path / name, outward(pose)))
        assert "outward" in text and "negate" not in text


def test_axes_of_opencv_are_told_so(tmp_path):
    pose = around()
    text = refused(written(tmp_path / "c", torch.cat([pose[:, :, :3] * OPENCV, pose[:, :, 3:]], -1)))
    assert "OpenCV" in text and "negate" in text and "outward" not in text


def test_where_nothing_says_which_both_are_named(tmp_path):
    turn, pose = WORLDS["oblique"], around()
    for name, wrong in (("a", outward(pose)), ("b", torch.cat([pose[:, :, :3] * OPENCV, pose[:, :, 3:]], -1))):
        text = refused(written(tmp_path / name, turn @ wrong))
        assert "outward" in text and "OpenCV" in text
        up = ",".join(map(str, turn[:, 2].tolist()))  # the user knows what is up, and so the reason is known
        assert ("OpenCV" in refused(tmp_path / name, up=up)) == (name == "b")


def test_cameras_without_a_common_object_are_told_so(tmp_path):
    strip = orbit(torch.zeros(9).double(), 89.0, 3.0).pose.clone()
    strip[:, 1, 3] = 50 * torch.arange(9)  # a drone that looks down, all along its way
    for name, offset in (("strip", 0.0), ("utm", 500_000.0)):
        strip[:, 0, 3] += offset
        assert "do not look at one object" in refused(written(tmp_path / name, strip))
    generator = torch.Generator().manual_seed(2)
    azimuth = 360 * torch.rand(30, generator=generator).double()
    room = orbit(azimuth, 0.0, 1.0).pose.clone()
    room[:, :, 3] = 4 * torch.rand(30, 3, generator=generator).double()
    assert "do not look at one object" in (text := refused(written(tmp_path / "room", room))) or "outward" in text


def test_a_few_odd_cameras_among_many_are_no_fault(tmp_path):
    pose = around(20)
    pose[3] = outward(pose)[3]
    assert len(read_capture(written(tmp_path / "c", pose))[0]) == 18


def test_axes_that_fix_no_point_are_told_so(tmp_path):
    pose = around(3)
    aside = pose[:1].clone()
    aside[0, :, 3] += pose[0, :, 0]
    odd = {
        "one": pose[:1],
        "twice": pose[[0, 0]],
        "parallel": torch.cat([pose[:1], aside]),
        "turned": torch.cat([pose[:2, :, :3], pose[[0, 0], :, 3:]], -1),
        "away": outward(pose[:2]),
    }
    for name, wrong in odd.items():
        folder = written(tmp_path / name, wrong)
        (folder / "transforms.json").rename(folder / "transforms_train.json")
        (folder / "transforms_test.json").write_bytes((folder / "transforms_train.json").read_bytes())
        text = refused(folder)
        assert "transforms_train.json" in text and ("fix no point" in text or name == "away")
    assert read_capture(written(tmp_path / "two", pose[:2]))[0].radius == pytest.approx(1.1, rel=0.1)
    tiny = pose.clone()
    tiny[:, :, 3] *= 1e-13  # metres for the size of atoms
    radius = read_capture(written(tmp_path / "tiny", tiny))[0].radius
    assert radius == pytest.approx(1e-13 * read_capture(written(tmp_path / "three", pose))[0].radius, rel=1e-6)


# pictures ------------------------------------------------------------------------------------------------------------


def huge(file: Path, width: int = 20_000, height: int = 10_000) -> None:
    """A PNG of 200 megapixels by what its head says, which is all that may be looked at."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_picture_of_200_megapixels_is_one_sentence_before_any_is_decoded(tmp_path, monkeypatch):
    folder = written(tmp_path / "c", around())
    huge(folder / "11.png")
    monkeypatch.setattr("dreamtext_lib.capture.transforms.read_picture", lambda *_: pytest.fail("decoded"))
    text = refused(folder)
    assert "11.png" in text and "178 megapixels" in text and "make it smaller" in text
    with pytest.raises(ValueError, match=r"11\.png.*178 megapixels"):
        pictures_of(folder)
    with pytest.raises(ValueError, match="178 megapixels"):
        load(folder / "11.png")


def test_a_large_picture_is_read_in_silence(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # 256 pixels are now what 100 megapixels are to Pillow
    read_capture(written(tmp_path / "c", around()))
    assert not recwarn.list


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0"]
)
def test_files_that_are_no_pictures_are_one_sentence(tmp_path, data):
    folder = written(tmp_path / "c", around())
    (folder / "4.png").write_bytes(data)
    assert "4.png" in refused(folder)
    with pytest.raises(ValueError, match=r"4\.png.*take it out"):
        pictures_of(folder)


# a plain wall --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", [0.0, 1.0])
def test_a_plain_wall_is_cut_out_when_asked_for(tmp_path, wall):
    cameras = spiral(4)
    true = pictures(ToyObject("castle", "red"), cameras, 48)  # (4, 48, 48, 4)
    folder = written(tmp_path / "c", torch.cat([cameras.pose] * 2).double())
    for i, rgba in enumerate([*true, *true]):
        over = rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:]) * wall
        Image.fromarray((over * 255).round().byte().numpy()).save(folder / f"{i}.png")
    plain, cut = read_capture(folder)[0], read_capture(folder, cut_out=True)[0]
    assert not plain.has_alpha and cut.has_alpha and torch.equal(plain.rgba[..., :3], cut.rgba[..., :3])
    for i, name in enumerate(cut.names):
        outside, inside = true[int(name[0]) % 4, ..., 3] == 0, true[int(name[0]) % 4, ..., 3] == 1
        assert (cut.rgba[i, ..., 3][outside] == 0).float().mean() > 0.98  # but for notches that no wall reaches
        assert (cut.rgba[i, ..., 3][inside] == 255).float().mean() > 0.97
    small = read_capture(folder, 24, cut_out=True)[0].rgba[..., 3]
    assert ((small > 0) & (small < 255)).any(), "cut at the full size, and then made smaller"


def test_a_plain_wall_is_noticed_unless_it_is_the_background():
    busy = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 4), dtype=np.uint8)
    busy[..., 3] = 255
    black = busy.copy()
    black[:, [0, 1, -2, -1]] = black[:, :, [0, 1, -2, -1]] = (3, 0, 0, 255)
    assert plain_wall(black) == (3, 0, 0) and plain_wall(busy) is None
    assert "(3, 0, 0)" in note_on_wall(black, 1.0)[0] and "--cut-out" in note_on_wall(black, 1.0)[0]
    assert not note_on_wall(black, 0.0) and "grey 0.5" in note_on_wall(busy, 0.5)[0]
    black[2:4, 0] = busy[2:4, 0]  # two pictures of ten in which something reaches the edge
    assert plain_wall(black) is None
    black[0, 8, 8, 3] = 0
    assert not note_on_wall(black, 1.0)


def test_a_picture_that_is_cut_out_already_keeps_its_holes(tmp_path):
    folder = written(tmp_path / "c", around())
    rgba = np.full((SIZE, SIZE, 4), 255, np.uint8)
    rgba[4:12, 4:12] = (90, 0, 0, 255)
    rgba[6:9, 6:9, 3] = 0
    Image.fromarray(rgba).save(folder / "7.png")
    train = read_capture(folder, cut_out=True)[0]
    assert np.array_equal(train.rgba[train.names.index("7.png")].numpy(), rgba)
    Image.fromarray(rgba[..., :3]).save(folder / "7.png")
    assert (read_capture(folder, cut_out=True)[0].rgba[train.names.index("7.png"), 4:12, 4:12, 3] == 255).all()


def test_a_wall_that_is_not_plain_names_the_picture(tmp_path):
    folder = written(tmp_path / "c", around())
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "7.png")
    text = refused(folder, cut_out=True)
    assert "7.png" in text and "not of one colour" in text
    with pytest.raises(ValueError, match="not of one colour"):
        cut_out(noise)


def test_the_poses_that_are_read_are_those_that_were_written(tmp_path):
    folder = written(tmp_path / "c", around())
    values = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
    assert np.allclose(values["frames"][3]["transform_matrix"][:3], around()[3].numpy(), rtol=0, atol=0)
