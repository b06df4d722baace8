"""From photographs and films to a capture on the disk: frames even in time, nothing left behind by what is refused."""

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from dreamtext_lib.capture import photos
from dreamtext_lib.capture.frames import frames_of_video, times_of_video
from dreamtext_lib.capture.photos import make_capture
from dreamtext_lib.capture.structure import Intrinsics, Sightings, Structure
from dreamtext_lib.capture.transforms import read_capture
from dreamtext_lib.files import whole_folder
from dreamtext_lib.radiance.cameras import turntable


def tree(folder: Path) -> list[str]:
    """All that is under a folder, hidden files too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# films ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A film of 60 frames, ever brighter: 45 in the first 1.5 s, 15 in the next 3 s. Its path and its times."""
    path = tmp_path_factory.mktemp("film") / "v.mp4"
    frames = np.stack([np.full((48, 64, 3), 4 * i, np.uint8) for i in range(60)])
    times = np.concatenate([np.arange(45) / 30, 1.5 + np.arange(15) / 5])
    read = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "30", "-i", "-"]
    rate = ["-vf", "setpts='if(lt(N,45),N,45+6*(N-45))'", "-fps_mode", "passthrough"]
    codec = ["-c:v", "libx264", "-crf", "1", "-pix_fmt", "yuv444p", "-video_track_timescale", "90000"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *read, *rate, *codec, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path, times


def shown(files: list[Path]) -> list[int]:
    """The numbers of the film's frames that files hold."""
    return [round(np.asarray(Image.open(file)).mean() / 4) for file in files]


def test_the_times_of_a_film_are_its_own(uneven):
    path, times = uneven
    assert np.allclose(times_of_video(path), times, atol=1e-3)


def test_frames_are_even_in_time_and_none_comes_twice(uneven, tmp_path):
    path, times = uneven
    taken = shown(frames_of_video(path, tmp_path / "20", 20))
    assert len(taken) == 20 == len(set(taken)) and taken == sorted(taken)
    assert np.diff(times[taken]).max() < 2 * 4.5 / 20 and taken[0] < 7 and taken[-1] > 57, "one of each stretch of time"
    assert shown(frames_of_video(path, tmp_path / "all", 99)) == list(range(60))
    Image.new("RGB", (64, 48)).save(still := tmp_path / "still.png")
    with pytest.raises(ValueError, match="is a single picture; give a video, or a folder of at least 3"):
        frames_of_video(still, tmp_path / "one")
    many = shown(
        frames_of_video(path, tmp_path / "50", 50)
    )  # stretches of 0.09 s, of which the slow part leaves some empty
    assert len(set(many)) == len(many) and np.diff(times[many]).max() < 0.21


# a folder, whole or not at all ---------------------------------------------------------------------------------------


def test_a_whole_folder_takes_its_name_at_the_end(tmp_path):
    with whole_folder(tmp_path / "new" / "out") as folder:
        (folder / "a").write_text("a", encoding="utf-8")
        assert not (tmp_path / "new" / "out").exists()
    assert tree(tmp_path) == ["new", "new/out", "new/out/a"]
    (tmp_path / "empty").mkdir(mode=0o750)
    with whole_folder(tmp_path / "empty") as folder:
        (folder / "b").write_text("b", encoding="utf-8")
    assert tree(tmp_path / "empty") == ["b"] and (tmp_path / "empty").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_whole_folder_that_fails_leaves_the_place_as_it_was(tmp_path, error):
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    for name in ("new/deep/out", "empty"):
        with pytest.raises(error), whole_folder(tmp_path / name) as folder:
            (folder / "a").write_text("a", encoding="utf-8")
            raise error
        assert tree(tmp_path) == before


def test_a_folder_that_is_not_empty_is_refused_and_untouched(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    before = tree(tmp_path)
    for name in ("full", "file"):
        with pytest.raises(ValueError, match="not an empty folder"), whole_folder(tmp_path / name):
            pytest.fail("nothing may be begun")
    assert tree(tmp_path) == before


# photographs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path, monkeypatch) -> Path:
    """A folder of six pictures of a dark square before a light wall; COLMAP is taken to place them all."""
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = np.full((24, 32, 3), 240, np.uint8)
    picture[8:16, 12:20] = 40
    for i in range(6):
        Image.fromarray(picture).save(folder / f"{i}.png")

    def placed(images, **_):
        names = sorted(os.listdir(images))
        lens = Intrinsics(40.0, 40.0, 16.0, 12.0, 32, 24)
        points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).double() - 0.5
        nothing = Sightings(torch.zeros(0).long(), torch.zeros(0).long(), torch.zeros(0, 2).double())
        return Structure(names, turntable(len(names)).pose.double(), lens, points, points + 0.5, nothing)

    monkeypatch.setattr(photos, "reconstruct", placed)
    return folder


def test_a_folder_with_a_bad_file_leaves_nothing_and_works_once_it_is_mended(photographs, tmp_path, monkeypatch):
    whole = (photographs / "3.png").read_bytes()
    before, said = tree(tmp_path), []
    spoilt = {"no picture": b"no picture", "cut short": whole[: len(whole) // 2], "empty": b""}
    for name, data in spoilt.items():
        (photographs / "3.png").write_bytes(data)
        with pytest.raises(ValueError, match=r"3\.png") as error:
            make_capture(photographs, tmp_path / "out", say=said.append)
        assert "\n" not in str(error.value) and tree(tmp_path) == before and not said, name
    (photographs / "3.png").write_bytes(whole)
    structure, count = make_capture(photographs, tmp_path / "out", say=said.append)
    assert len(structure.names) == count == 6 and len(said) == 1
    assert len(read_capture(tmp_path / "out")[0]) == 5


def test_pictures_that_cannot_be_placed_leave_nothing(photographs, tmp_path, monkeypatch):
    def blind(images, **_):
        raise ValueError("2 of 6 pictures could be placed; surfaces need texture")

    monkeypatch.setattr(photos, "reconstruct", blind)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="2 of 6"):
        make_capture(photographs, tmp_path / "a" / "b", say=lambda _: None)
    assert tree(tmp_path) == before


def test_a_wall_that_is_not_plain_is_named_as_the_user_knows_it(photographs, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photographs / "4.png")
    before = tree(tmp_path)
    with pytest.raises(ValueError) as error:
        make_capture(photographs, tmp_path / "out", clear_wall=True, say=lambda _: pytest.fail("before any work"))
    assert f"'{photographs / '4.png'}'" in str(error.value) and tree(tmp_path) == before


def test_a_wall_is_cut_out_of_what_was_placed(photographs, tmp_path):
    make_capture(photographs, tmp_path / "out", clear_wall=True, say=lambda _: None)
    train = read_capture(tmp_path / "out")[0]
    solid = torch.zeros(24, 32, dtype=torch.bool)
    solid[8:16, 12:20] = True
    assert ((train.rgba[..., 3] == 255) == solid).all() and ((train.rgba[..., 3] == 0) == ~solid).all()


def test_a_photograph_that_is_cut_out_already_keeps_its_holes(photographs, tmp_path):
    for file in photographs.glob("*.png"):
        rgba = np.dstack([np.array(Image.open(file)), np.full((24, 32), 255, np.uint8)])
        rgba[:4], rgba[10:12, 14:16, 3] = 0, 0
        Image.fromarray(rgba).save(file)
    make_capture(photographs, tmp_path / "out", clear_wall=True, say=lambda _: None)
    assert (read_capture(tmp_path / "out")[0].rgba.numpy() == rgba).all()


def test_a_film_that_holds_nothing_leaves_nothing(tmp_path):
    (tmp_path / "film.mp4").write_text("no film", encoding="utf-8")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=r"film\.mp4"):
        make_capture(tmp_path / "film.mp4", tmp_path / "out", say=lambda _: None)
    with pytest.raises(ValueError, match="--count is 2"):
        make_capture(tmp_path / "film.mp4", tmp_path / "out", 2, say=lambda _: None)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        make_capture(tmp_path / "nowhere", tmp_path / "out", say=lambda _: None)
    assert tree(tmp_path) == before
