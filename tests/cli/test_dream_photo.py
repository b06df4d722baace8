"""`dreamtext dream --photo`: what does not go together is told before any work; a short run keeps its photograph."""

import pytest
import torch
from commands import run
from PIL import Image

from dreamtext_lib.capture.single import outline, read_single
from dreamtext_lib.cli.watch import WRITTEN
from dreamtext_lib.distillation.photo import FILE, Photo
from dreamtext_lib.toybox.inputs import inputs


@pytest.fixture
def mug(tmp_path):
    file = tmp_path / "mug.png"
    Image.fromarray((255 * inputs()[5].picture(96)).round().byte().numpy()).save(file)
    return file


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--photo", "MUG"], "--photo has no weight; give --photo-weight, --mask-weight or both"),
        (["--photo-weight", "1"], "weights of a photograph are given, but no photograph; name one with --photo"),
        (["--photo-azimuth", "30"], "--photo-azimuth is given, but no photograph"),
        (["--photo", "nowhere.png", "--photo-weight", "1"], "there is no picture 'nowhere.png'"),
        (["--photo", "MUG", "--photo-weight", "1", "--photo-elevation", "100"], "elevation 100; they are degrees"),
        (["--photo", "MUG", "--photo-weight", "-1"], "photo_weight is -1.0; it must be a finite number, 0 or more"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(mug, tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    status, _, said = run(capsys, "dream", "a mug", *(mug if flag == "MUG" else flag for flag in flags))
    assert status not in (0, None) and words in said and said.count("\n") == 1 and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", ["--photo", "--photo-mask", "--photo-azimuth", "--photo-elevation"])
def test_a_resumed_run_keeps_its_own(tmp_path, capsys, flag):
    status, _, said = run(capsys, "dream", "--resume", tmp_path, flag, "0")
    assert status == 1 and f"--resume goes on with a run as it was; drop {flag}\n" in said


def test_nothing_of_a_photograph_is_left_when_a_dream_is_begun_anew():
    assert FILE in WRITTEN


def test_a_run_keeps_its_photograph(mug, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--steps", "60", "--lattice", "12", "--ending-steps", "5", "--photo-weight", "10", "--mask-weight", "10"]
    assert run(capsys, "dream", "a mug", "--photo", mug, "--photo-azimuth", "20", *flags, "--out", "out")[0] == 0
    kept = Photo.load(tmp_path / "out")
    assert (kept.azimuth, kept.elevation, kept.wall) == (20.0, 15.0, 0.9) and kept.picture.shape == (3, 256, 256)
    single = read_single(mug)
    assert torch.equal(kept.mask, outline(single.rgba, 256)) and 0.1 < kept.mask.mean() < 0.5
    true = torch.from_numpy(single.rgba[..., 3] / 255.0).mean()
    assert outline(single.rgba, 96).mean() == pytest.approx(true.item(), abs=0.01)
