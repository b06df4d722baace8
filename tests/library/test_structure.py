"""Structure from motion: alignment exactly, files as others read them, errors in words, a run against known poses."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dreamtext_lib.capture.frames import copy_upright, frames_of_video, pictures_of, sharpness
from dreamtext_lib.capture.poses import Similarity, align, pose_errors
from dreamtext_lib.capture.structure import (
    Intrinsics,
    Sightings,
    Structure,
    reconstruct,
    seen_at,
    upright,
    write_capture,
)  # fmt: skip
from dreamtext_lib.capture.wall import cut_out
from dreamtext_lib.radiance.cameras import orbit, rays, turntable
from dreamtext_lib.radiance.lens import undistort
from dreamtext_lib.toybox.objects import ToyObject
from dreamtext_lib.toybox.stage import film, noise
from dreamtext_lib.viewing.film import write_video
from dreamtext_lib.viewing.pictures import write_picture

NOTHING = Sightings(torch.zeros(0).long(), torch.zeros(0).long(), torch.zeros(0, 2))


def turned(degrees: float) -> torch.Tensor:
    """A rotation about an oblique axis."""
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64), dim=0)
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(torch.deg2rad(torch.tensor(degrees, dtype=torch.float64)) * cross)


@pytest.fixture
def poses():
    angles = torch.linspace(0, 300, 7, dtype=torch.float64)
    return orbit(angles, 10 + angles / 10).pose


def pictures(folder, count=4, size=(20, 16)):
    folder.mkdir()
    for i in range(count):
        Image.new("RGB", size, (i, 9, 9)).save(folder / f"{i}.png")
    return folder


# alignment -----------------------------------------------------------------------------------------------------------


def test_align_finds_a_similarity_exactly(poses):
    move = Similarity(0.37, turned(131.0), torch.tensor([4.0, -1.0, 2.0], dtype=torch.float64))
    found = align(poses, move.pose(poses))
    assert abs(found.scale - 0.37) < 1e-12
    assert torch.allclose(found.rotation, move.rotation) and torch.allclose(found.translation, move.translation)
    degrees, share = pose_errors(found.pose(poses), move.pose(poses))
    assert degrees.max() < 1e-5 and share.max() < 1e-12


def test_align_never_mirrors(poses):
    mirrored = poses[:, :, 3] * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    found = align(poses[:, :, 3], mirrored)
    assert torch.isclose(torch.linalg.det(found.rotation), torch.tensor(1.0, dtype=torch.float64))
    gap = (found.points(poses[:, :, 3]) - mirrored).square().sum()
    nudged = Similarity(found.scale, turned(2.0) @ found.rotation, found.translation)
    centred = poses[:, :, 3] - poses[:, :, 3].mean(0)
    other = nudged.points(poses[:, :, 3])
    other = other - other.mean(0) + mirrored.mean(0)
    assert gap < (other - mirrored).square().sum() and gap < centred.square().sum() * 2


def test_pose_errors_are_degrees_and_shares_of_the_distance(poses):
    other = torch.cat([turned(3.0) @ poses[:, :, :3], poses[:, :, 3:] * 1.02], -1)
    degrees, share = pose_errors(other, poses)
    assert torch.allclose(degrees, torch.full((7,), 3.0, dtype=torch.float64))
    assert torch.allclose(share, torch.full((7,), 0.02, dtype=torch.float64))
    for wrong in (poses[:2], poses.mT, poses[:, 0]):
        with pytest.raises(ValueError, match="3 or more pairs"):
            align(wrong, wrong)


def test_project_inverts_the_rays(poses):
    around = orbit(torch.zeros(7, dtype=torch.float64), 0.0).sized(5, 8)
    origins, directions = rays(replace(around, pose=poses))
    lens = Intrinsics(2.5 / np.tan(np.deg2rad(20.5)), 2.5 / np.tan(np.deg2rad(20.5)), 4.0, 2.5, 8, 5)
    depth = torch.linspace(1, 4, 40, dtype=torch.float64)[:, None]
    for i in range(7):
        at = seen_at(origins[i] + depth * directions[i], poses[i : i + 1].expand(40, 3, 4), lens)
        y, x = torch.meshgrid(torch.arange(5) + 0.5, torch.arange(8) + 0.5, indexing="ij")
        assert torch.allclose(at, torch.stack([x, y], -1).reshape(-1, 2).double())


def test_project_bends_rays_as_a_capture_reads_them(poses):
    lens = Intrinsics(9.0, 9.0, 4.0, 4.0, 8, 8, -0.2)
    points = 0.4 * torch.randn(50, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    pose = poses[:1].expand(50, 3, 4)
    at = (seen_at(points, pose, lens) - 4) / 9
    bent = torch.tensor([[-0.2, 0, 0, 0, 0, 0, 0]], dtype=torch.float64).expand(50, 7)
    straight = (seen_at(points, pose, lens._replace(k1=0.0)) - 4) / 9
    assert (at - straight).abs().max() > 1e-3 and torch.allclose(undistort(at, bent), straight, atol=1e-8)


def test_upright_undoes_any_world_up_to_the_first_azimuth(poses):
    ball = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ball = 0.7 * torch.nn.functional.normalize(ball, dim=1)
    around = turntable(12)
    true = around.pose.double()
    move = Similarity(5.2, turned(77.0), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    lens = Intrinsics(9, 9, 4, 4, 8, 8)
    lost = Structure(["a"] * 12, move.pose(true), lens, move.points(ball), ball, NOTHING)
    found = upright(lost, radius=0.7)
    assert torch.allclose(found.pose, true, atol=1e-4) and torch.allclose(found.points, ball, atol=1e-4)


# files ---------------------------------------------------------------------------------------------------------------


def test_transforms_are_those_of_instant_ngp(poses, tmp_path):
    names = [f"{i:04d}.png" for i in range(7)]
    empty, lens = torch.zeros(0, 3), Intrinsics(300.0, 301.0, 128.0, 96.0, 256, 192, -0.1)
    write_capture(Structure(names, poses, lens, empty, empty, NOTHING), tmp_path / "transforms.json")
    read = json.loads((tmp_path / "transforms.json").read_text(encoding="utf-8"))
    assert {k: v for k, v in read.items() if k != "frames"} == {
        "fl_x": 300.0, "fl_y": 301.0, "cx": 128.0, "cy": 96.0, "w": 256, "h": 192, "k1": -0.1,
    }  # fmt: skip
    assert [frame["file_path"] for frame in read["frames"]] == [f"images/{name}" for name in names]
    matrices = torch.tensor([frame["transform_matrix"] for frame in read["frames"]], dtype=torch.float64)
    assert torch.equal(matrices[:, :3], poses) and matrices[:, 3].tolist() == [[0, 0, 0, 1]] * 7


def test_a_photograph_that_lies_on_its_side_is_turned(tmp_path):
    lying = Image.new("RGB", (16, 20), (200, 10, 10))
    note = Image.Exif()
    note[0x0112] = 6  # turn by a quarter, clockwise
    folder = pictures(tmp_path / "photos")
    lying.save(folder / "9.jpg", exif=note, quality=95)
    files = pictures_of(folder)  # of one size, all of them
    for file in files:
        copy_upright(file, tmp_path / file.name)
    with Image.open(tmp_path / "9.jpg") as turned_now:
        assert turned_now.size == (20, 16) and turned_now.getexif().get(0x0112, 1) == 1
    assert (tmp_path / "0.png").read_bytes() == files[0].read_bytes()


def test_the_sharpest_frame_of_each_window_is_taken(tmp_path):
    sharp = torch.rand(40, 48, 3, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(sharp.permute(2, 0, 1), 7, 1, 3).permute(1, 2, 0)
    assert sharpness((sharp.numpy() * 255).astype(np.uint8)) > 4 * sharpness((blurred.numpy() * 255).astype(np.uint8))
    frames = torch.stack([blurred * 0.5 + 0.04 * i for i in range(12)])  # brighter and brighter
    for i in (1, 7, 8):
        frames[i] = sharp * 0.5 + 0.04 * i
    write_video(frames, tmp_path / "v.mp4")
    files = frames_of_video(tmp_path / "v.mp4", tmp_path / "images", 3)
    assert [file.name for file in files] == ["0000.png", "0001.png", "0002.png"]
    taken = [np.asarray(Image.open(file)).mean() / 255 for file in files]
    for mean, i in zip(taken, (1, 7, 8)):
        assert abs(mean - frames[i].mean().item()) < 0.015
    assert len(frames_of_video(tmp_path / "v.mp4", tmp_path / "all", 99)) == 12


def test_a_plain_wall_becomes_transparent_and_nothing_else():
    noise = np.random.default_rng(0).integers(-4, 5, (40, 60, 3))
    picture = np.clip(245 + noise, 0, 255).astype(np.uint8)
    picture[10:30, 20:45] = (200, 40, 30)
    picture[15:20, 25:35] = 245  # white on the object, which no wall reaches
    picture[0, :5] = 0  # a speck at the border
    cut = cut_out(picture)
    assert cut.shape == (40, 60, 4) and (cut[..., :3] == picture).all()
    solid = np.zeros((40, 60), bool)
    solid[10:30, 20:45] = solid[0, :5] = True
    assert ((cut[..., 3] == 255) == solid).all() and ((cut[..., 3] == 0) == ~solid).all()
    busy = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="not of one colour"):
        cut_out(busy)


def test_errors_name_the_file_and_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no video"):
        frames_of_video(tmp_path / "none.mp4", tmp_path)
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.mp4.*MP4 or MOV"):
        frames_of_video(tmp_path / "text.mp4", tmp_path)
    with pytest.raises(ValueError, match=r"2 frames.*at least 3"):
        frames_of_video(tmp_path / "text.mp4", tmp_path, 2)
    with pytest.raises(FileNotFoundError, match="no folder"):
        pictures_of(tmp_path / "none")
    with pytest.raises(ValueError, match=r"holds 2 pictures.*at least 3"):
        pictures_of(pictures(tmp_path / "two", 2))
    mixed = pictures(tmp_path / "mixed")
    Image.new("RGB", (8, 8)).save(mixed / "9.png")
    with pytest.raises(ValueError, match=r"9\.png.*one camera"):
        pictures_of(mixed)
    (mixed / "9.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(ValueError, match=r"9\.png.*take it out"):
        pictures_of(mixed)
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(ValueError, match="pip install pycolmap"):
        reconstruct(pictures(tmp_path / "enough"))


# the stage -----------------------------------------------------------------------------------------------------------


def test_the_stage_is_exact_and_does_not_move():
    thing = ToyObject("teapot", "blue")
    shot = film(thing, turntable(2), size=48)
    assert shot.rgb.shape == (2, 48, 48, 3) and shot.alpha.shape == (2, 48, 48)
    outside = shot.alpha == 0
    assert 0.2 < shot.alpha.mean() < 0.6 and (shot.rgb[outside] - 0.9).abs().max() < 1e-6
    assert torch.equal(film(thing, turntable(2), size=48).rgb, shot.rgb)
    points = torch.rand(100, 3, generator=torch.Generator().manual_seed(1))
    assert (noise(points, torch.full((100,), 0.5)) == 0).all(), "what a pixel cannot resolve is left out"
    with pytest.raises(ValueError, match="cannot be rendered"):
        film(thing, turntable(1), size=0)


# COLMAP --------------------------------------------------------------------------------------------------------------


def test_colmap_finds_the_cameras_of_a_film(tmp_path):
    pytest.importorskip("pycolmap")
    along = torch.linspace(0, 1, 14)
    cameras = orbit(130 * along, 12 + 25 * along)
    write_video(film(ToyObject("teapot", "blue"), cameras, size=160).rgb, tmp_path / "v.mp4")
    frames_of_video(tmp_path / "v.mp4", tmp_path / "images", 14)
    found = reconstruct(tmp_path / "images")
    assert found.names == [f"{i:04d}.png" for i in range(14)]
    true = cameras.pose.double()
    degrees, share = pose_errors(align(found.pose, true).pose(found.pose), true)
    assert degrees.median() < 2 and share.median() < 0.04
    assert found.errors.mean() < 1 and found.intrinsics.w == 160 and abs(found.intrinsics.fl_x / 214 - 1) < 0.15
    known = reconstruct(tmp_path / "images", focal=214.0)
    assert abs(known.intrinsics.fl_x - 214) < 1e-3, "a known lens stays as it is"
    assert pose_errors(align(known.pose, true).pose(known.pose), true)[0].median() < 2
    standing = upright(found)
    assert (standing.pose[:, 2, 3] > 0).all(), "all cameras are above the plate"
    with pytest.raises(ValueError, match=r"0 of 4 pictures.*texture.*overlap"):
        reconstruct(pictures(tmp_path / "blank"))


def test_colmap_finds_the_bend_of_a_lens(tmp_path):
    pytest.importorskip("pycolmap")
    along, size, k1 = torch.linspace(0, 1, 14), 240, -0.6
    focal = size / 2 / np.tan(np.deg2rad(20.5))
    cameras = orbit(130 * along, 12 + 25 * along)
    shots = film(ToyObject("teapot", "blue"), cameras, size=size).rgb.permute(0, 3, 1, 2)
    at = (torch.stack(torch.meshgrid(*[torch.arange(size) + 0.5] * 2, indexing="xy"), -1) - size / 2) / focal
    lens = torch.tensor([k1, 0, 0, 0, 0, 0, 0]).expand(size**2, 7)
    straight = undistort(at.view(-1, 2), lens).view(1, size, size, 2) * focal / (size / 2)  # in -1..1
    for i, shot in enumerate(shots):
        bent = torch.nn.functional.grid_sample(shot[None], straight, align_corners=False, padding_mode="border")
        write_picture(bent[0].permute(1, 2, 0), tmp_path / f"{i:04d}.png")
    true = cameras.pose.double()
    off = {}
    for bends in (True, False):
        found = reconstruct(tmp_path, focal=focal, lens=bends)
        off[bends] = pose_errors(align(found.pose, true).pose(found.pose), true)[0].median()
        assert abs(found.intrinsics.k1 / k1 - 1) < 0.25 if bends else found.intrinsics.k1 == 0
    assert off[True] < off[False] / 2
