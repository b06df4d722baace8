"""The command line: a short dream leaves all it promises; a mistake ends in one sentence and leaves nothing behind."""

import errno
import json
import os
import signal
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
import torch
import trimesh
from commands import run
from PIL import Image

from dreamtext_lib import cli, files, runs
from dreamtext_lib.cli.dream import plan
from dreamtext_lib.cli.main import parser
from dreamtext_lib.profile import PROFILES

SHORT = ["--steps", "4", "--samples", "12", "--ending-views", "8", "--ending-steps", "40"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mug"
    assert cli.main(["dream", "a red mug", "--out", str(folder), "--seed", "5", *SHORT]) == 0
    return folder


def test_a_run_folder_holds_all_that_it_promises(finished):
    names = {p.name for p in finished.iterdir()}
    assert names == {
        "recipe.json", "checkpoint.safetensors", "log.jsonl", "preview.png", "colours.safetensors",
        "turntable.mp4", "turntable.webp", "contact_sheet.png", "mesh.glb",
    }  # fmt: skip
    recipe = json.loads((finished / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["prompt"], recipe["seed"], recipe["model"]) == ("a red mug", 5, "tiny")
    assert recipe["engine"] == "onnxruntime"
    wanted = PROFILES["toy"].recipes["latent"].with_fields(steps=4, samples=12, ending_views=8, ending_steps=40)
    assert recipe["recipe"] == wanted.values()
    assert len(iio.imread(finished / "turntable.mp4", plugin="FFMPEG")) == 60
    assert Image.open(finished / "turntable.webp").size == (128, 128)  # equal frames of a ball are one frame
    assert np.asarray(Image.open(finished / "contact_sheet.png")).std() > 5
    mesh = trimesh.load(finished / "mesh.glb", force="mesh")
    assert len(mesh.faces) > 40 and mesh.visual.material.metallicFactor == 0
    record = json.loads((finished / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert record["step"] == 4 and sum(record["shares"].values()) == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_mesh_and_a_resumed_run_too(finished, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "again"
    monkeypatch.setattr("dreamtext_lib.cli.dream.PREVIEW_EVERY", 2)
    from dreamtext_lib.distillation.dream import Dream

    walk = Dream.run

    def interrupted(self):
        for record in walk(self):
            if record.step == 3 and not (tmp_path / "stopped").exists():
                (tmp_path / "stopped").touch()
                signal.raise_signal(signal.SIGINT)
            yield record

    monkeypatch.setattr(Dream, "run", interrupted)
    status, _, err = run(capsys, "dream", "a red mug", "--out", folder, "--seed", "5", *SHORT)
    assert status == 130 and f"--resume '{folder}'" in err
    status, out, _ = run(capsys, "dream", "--resume", folder)
    assert status == 0 and "mesh.glb" in out
    assert (folder / "mesh.glb").read_bytes() == (finished / "mesh.glb").read_bytes()


def test_flags_and_recipes_reach_the_run(tmp_path, capsys):
    words = ["dream", "x", "--recipe", "stable-dreamfusion", "--guidance", "3.5", "--t-min", "40"]
    prompt, seed, recipe, _, engine, folder, _ = plan(parser(words).parse_args(words))
    assert (prompt, seed, recipe.score.guidance, recipe.score.t_min) == ("x", 0, 3.5, 40)
    assert recipe.views.size == PROFILES["toy"].recipes["stable-dreamfusion"].views.size
    assert (folder.name, engine) == ("x-0", "auto")
    status, out, _ = run(capsys, "dream", "--help")
    for flag in ("--recipe", "--seed", "--resume", "--model", "--out", "--guidance", "--blob-radius"):
        assert flag in out
    assert status == 0


def test_sample_draws_a_sheet(tmp_path, capsys):
    out = tmp_path / "s.png"
    status, text, _ = run(capsys, "sample", "a red mug", "--count", 2, "--steps", 2, "--guidance", 3, "--out", out)
    assert status == 0 and "s = 3 (diffusers' g = 4)" in text
    assert Image.open(out).width > 200
    loud = tmp_path / "loud.png"
    status, _, err = run(capsys, "sample", "a red mug", "--steps", 2, "--guidance", "1e38", "--out", loud)
    assert status == 1 and "dreamtext: --guidance 1e+38 gives pictures of numbers that are not finite" in err
    assert not loud.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dream", ""], "prompt is empty"),
        (["dream"], "prompt is empty"),
        (["dream", "a mug", "--model", "nobody/nothing"], "no model 'nobody/nothing'"),
        (["dream", "a mug " * 30], "shorten it"),
        (["dream", "a mug", "--size", "-3"], "size is -3"),
        (["dream", "a mug", "--steps", "0"], "steps is 0"),
        (["dream", "a mug", "--size", "big"], "--size: invalid int value: 'big'"),
        (["dream", "a mug", "--recipe", "magic"], "invalid choice: 'magic'"),
        (["dream", "a mug", "--colour", "red"], "it does not know --colour red; see 'dreamtext dream --help'"),
        (["dream", "a mug", "--model", ""], "nothing stands after --model; give it a value, or leave it out"),
        (["dream", "a mug", "--out="], "nothing stands after --out"),
        (["dream", "\u200b"], "prompt is empty"),
        (["dream", "a \x1b[31m mug"], "holds a control code of a terminal"),
        (["dream", "a mug", "--guidance", "-inf"], "guidance is -inf"),
        (["sample", "a mug", "--count", "0"], "--count is 0"),
        (["sample", " "], "prompt is empty"),
        (["paint", "a mug"], "invalid choice: 'paint'"),
        (["dream", "--resume", "nowhere"], "there is no folder 'nowhere'"),
        (["dream", "a mug", "--resume", "nowhere"], "drop the prompt"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *arguments)
    assert status != 0 and words in err
    assert err.startswith("dreamtext: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_number_below_zero_is_no_flag():
    for text, value in (("-1e1", -10.0), ("-.5", -0.5), ("-2.", -2.0), ("-3E-1", -0.3)):
        assert parser(["sample"]).parse_args(["sample", "a mug", "--guidance", text]).guidance == value


def test_a_text_that_is_far_too_long_is_shown_by_its_beginning(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "dream", "a mug " * 500)
    assert status == 1 and "a mug a mug" in err and len(err) < 300


def test_a_folder_that_is_no_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    status, _, err = run(capsys, "dream", "a mug", "--model", tmp_path / "empty")
    assert status == 1 and "holds no diffusers pipeline" in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_a_folder_that_is_not_empty_or_is_a_file(finished, tmp_path, capsys):
    status, _, err = run(capsys, "dream", "a mug", "--out", finished, *SHORT)
    assert status == 1 and "is not empty; choose another --out, or go on with --resume" in err
    (tmp_path / "file").touch()
    status, _, err = run(capsys, "dream", "a mug", "--out", tmp_path / "file", *SHORT)
    assert status == 1 and "is a file" in err


def test_a_place_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = run(capsys, "dream", "a mug", "--out", tmp_path / "file" / "run", *SHORT)
    assert status == 1 and err.startswith("dreamtext: ") and err.count("\n") == 1


def test_a_full_disk(tmp_path, capsys, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    status, _, err = run(capsys, "dream", "a mug", "--out", tmp_path / "run", *SHORT)
    assert status == 1 and err.splitlines()[-1].startswith("dreamtext: the disk is full")
    assert not list(tmp_path.iterdir())


def test_no_traceback_from_the_shell():
    command = [sys.executable, "-m", "dreamtext_lib.cli", "dream", "a mug", "--model", "nobody/nothing"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, encoding="utf-8"
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("dreamtext: no model 'nobody/nothing'")


def test_a_u_net_that_answers_nan_ends_the_dream(tmp_path, capsys, monkeypatch):
    from dreamtext_lib.distillation.prior import LatentPrior

    eps = LatentPrior.eps
    monkeypatch.setattr(LatentPrior, "eps", lambda *a: eps(*a) * float("nan"))
    arguments = [*SHORT, "--steps", "40", "--manifold-weight", "0"]
    status, _, err = run(capsys, "dream", "a red mug", "--out", tmp_path / "run", *arguments)
    assert status == 1 and "stopped at step 5: the model's answer was not finite" in err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_the_first_step_saves_a_run_that_goes_on_and_a_second_one_leaves_nothing(
    tmp_path, capsys, monkeypatch
):
    from dreamtext_lib.distillation.dream import Dream, read_run

    walk, presses = Dream.run, [2]

    def pressed(self):
        for record in walk(self):
            for _ in range(presses.pop() if presses else 0):
                signal.raise_signal(signal.SIGINT)
            yield record

    monkeypatch.setattr(Dream, "run", pressed)
    folder = tmp_path / "run"
    status, _, err = run(capsys, "dream", "a red mug", "--out", folder, *SHORT)
    assert status == 130 and err.splitlines()[-1] == "dreamtext: stopped" and not list(tmp_path.iterdir())
    presses.append(1)
    status, _, err = run(capsys, "dream", "a red mug", "--out", folder, *SHORT)
    assert status == 130 and "stopped at step 1; go on with" in err
    assert read_run(folder)[0] == "a red mug" and runs.read_checkpoint(folder)[1]["step"] == 1


def test_threads_are_those_of_the_flag_or_of_the_run_to_resume(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--recipe", "stable-dreamfusion", "--steps", "2", "--size", "8", "--samples", "8", "--out"]
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr("dreamtext_lib.cli.dream.finish", lambda *a: seen.append(torch.get_num_threads()))
    assert cli.main(["dream", "a mug", *flags, "one"]) == 0
    assert cli.main(["dream", "a mug", *flags, "two", "--threads", "2"]) == 0
    assert cli.main(["dream", "--resume", "two"]) == 0
    assert seen == [1, 2, 2] and torch.get_num_threads() == before
    records = [json.loads((tmp_path / name / "recipe.json").read_text(encoding="utf-8")) for name in ("one", "two")]
    assert [record["threads"] for record in records] == [1, 2]
    capsys.readouterr()
    assert run(capsys, "dream", "--resume", "two", "--threads", "1")[::2] == (1, wrong("drop --threads"))
    status, _, err = run(capsys, "dream", "a mug", "--threads", "0")
    assert status == 2 and "'0' is no whole number from 1 to 1024" in err


def wrong(words):
    return f"dreamtext: --resume goes on with a run as it was; {words}\n"
