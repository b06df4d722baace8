"""What goes wrong is one sentence with the true reason, before any work; nothing is left behind or written over."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

from dreamtext_lib.cli.failures import FAULT, explain
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.viewing.pictures import write_picture

TOO_LARGE = str(2**64)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with one file and one folder in it, and no model within reach: a refusal comes before it is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.png").write_bytes(b"mine")
    (tmp_path / "folder.glb").mkdir()
    monkeypatch.setattr("dreamtext_lib.distillation.prior.load_prior", lambda *_: pytest.fail("a model was loaded"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "a mug", "--out", "castle"], "a picture is written as .png, .jpg, .jpeg, .webp, not as 'castle'"),
        (["sample", "a mug", "--out", "castle.pdf"], "not as 'castle.pdf'"),
        (["sample", "a mug", "--out", "mine.png"], "--out 'mine.png' is there already"),
        (["sample", "a mug", "--out", "folder.glb"], "--out 'folder.glb' is a folder; name a file"),
        (["sample", "a mug", "--out", "mine.png/a.png"], "'mine.png/a.png' cannot be written: it is not a folder"),
        (["sample", "a mug", "--out", "/proc/x/a.png"], "'/proc/x/a.png' cannot be written: "),
        (["sample", "a mug", "--out", "x" * 300 + ".png"], "File name too long"),
        (["sample", "a mug", "--count", "1000000"], "--count is 1000000; it must be a whole number in 1..100"),
        (["sample", "a mug", "--steps", "5000"], "--steps is 5000; it must be a whole number in 1..1000"),
        (["sample", "a mug", "--guidance", "nan"], "--guidance is nan; it must be a finite number"),
        (["sample", "a mug", "--seed", "-1"], "argument --seed: '-1' is no whole number from 0 to 2^64 - 1"),
        (["sample", "a r\udce9d mug"], "the prompt holds bytes that are no text"),
        (["dream", "a mug", "--seed", TOO_LARGE], f"argument --seed: '{TOO_LARGE}' is no whole number"),
        (["dream", "a mug", "--guidance", "nan"], "guidance is nan; it must be a finite number"),
        (["dream", "a mug", "--steps", "9" * 400], "it must lie between -2^53 and 2^53"),
        (["dream", "a red mug", "--watch-fronts", "--steps", "199"], "199 steps have none there; give --steps 200 or"),
        (["dream", "--image", "mine.png", "--out", "mine.png"], "--out 'mine.png' is a file; name a folder"),
        (["dream", "--image", "mine.png", "--out", "."], "the folder '.' is not empty; choose another --out"),
        (["dream", "--image", "mine.png", "--steps", "0"], "steps is 0; it must be a whole number, at least 1"),
        (["dream", "--image", "mine.png", "--photo-azimuth", "9"], "--photo-azimuth is given, but no photograph"),
        (["dream", "--image", "mine.png", "--photo", "gone.png", "--photo-weight", "1"], "no picture 'gone.png'"),
        (["dream", "--image", "mine.png", "--negative", "r\udce9d"], "the negative prompt holds bytes that are no"),
        (["dream", "--image", "mine.png", "--watch-fronts", "--steps", "9"], "9 steps have none there; give --steps"),
        (["describe", "caf\udce9.png"], "is not UTF-8, so no record can hold it; rename it"),
        (["fit", "caf\udce9"], "is not UTF-8, so no record can hold it; rename it"),
        (["dream", "a mug", "--out", "mine.png"], "--out 'mine.png' is a file; name a folder"),
        (["dream", "a mug", "--out", "mine.png/run"], "cannot be written: it is not a folder"),
        (["dream", "a mug", "--out", "/proc/run"], "'/proc/run/file' cannot be written: "),
        (["dream", "--resume", "mine.png"], "there is no folder 'mine.png' (it is a file)"),
        (["fit", "folder.glb", "--out", "/proc/run"], "'/proc/run/file' cannot be written: "),
        (["view", "folder.glb", "--port", "99999"], "--port is 99999; it must be a whole number in 1..65535"),
        (["view", "folder.glb", "--port", "0"], "--port is 0"),
        (["view", "folder.glb", "--page", "mine.png"], "--page 'mine.png' is there already"),
        (["view", "folder.glb"], "'folder.glb' holds no run"),
        (["view", "mine.png"], "there is no folder 'mine.png' (it is a file)"),
        (["export", "run", "--out", "folder.glb"], "--out 'folder.glb' is a folder; name a file"),
        (["export", "run", "--out", "mine.png"], "--out 'mine.png' is there already"),
        (["export", "run", "--out", "castle"], "a mesh is written as .glb, .obj or .ply, not as 'castle'"),
        (["export", "run", "--out", "a.glb", "--resolution", "100000"], "--resolution is 100000"),
        (["reconstruct", "folder.glb", "--out", "mine.png"], "--out 'mine.png' is a file; name a folder"),
        (["reconstruct", "folder.glb", "--out", "/proc/new"], "cannot be written: "),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_refusal_is_one_true_sentence_before_any_work(arguments, words, tmp_path, capsys):
    status, out, err = run(capsys, *arguments)
    assert status in (1, 2) and out == "" and words in err
    assert err.startswith("dreamtext: ") and err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.glb", "mine.png"]
    assert (tmp_path / "mine.png").read_bytes() == b"mine" and not list((tmp_path / "folder.glb").iterdir())


def test_a_size_that_the_model_does_not_have_is_told_before_an_image_is_described(prior, capsys, monkeypatch):
    monkeypatch.setattr("dreamtext_lib.distillation.prior.load_prior", lambda *_: prior)
    monkeypatch.setattr("dreamtext_lib.cli.dream.describe_first", lambda a: pytest.fail("an image was described"))
    write_picture(inputs()[0].picture(), Path("mug.png"))
    status, _, err = run(capsys, "dream", "--image", "mug.png", "--size", "24")
    assert status == 1 and "size is 24; a field of latents has one ray a latent, and this model has 16 a side" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dream", ""],
        ["dream", "a mug", "--steps", "0"],
        ["dream", "--image", "nothing.png"],
        ["dream", "--photo", "mine.png", "a mug", "--photo-weight", "1"],
        ["dream", "--resume", "folder.glb"],
        ["dream", "--words", "folder.glb"],
        ["describe", "mine.png"],
        ["fit", "folder.glb"],
        ["view", "folder.glb"],
    ],
)
def test_a_mistake_is_told_before_the_libraries_of_models_are_loaded(arguments):
    """They take seconds, and a refusal needs none of them."""
    code = "import sys; from dreamtext_lib.cli import main; status = main(sys.argv[1:]); loaded = set(sys.modules)"
    code += "; sys.exit(9 if {'diffusers', 'transformers.models'} & loaded else status)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("dreamtext: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["sample", "dream"])
def test_an_unknown_profile_is_named(command, capsys, monkeypatch):
    monkeypatch.setenv("DREAMTEXT_PROFILE", "huge")
    status, _, err = run(capsys, command, "a mug")
    assert status == 1 and "DREAMTEXT_PROFILE is 'huge'" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a"), 1, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1, "Permission denied: 'a'"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "not enough memory"),
        (MemoryError(), 1, "not enough memory"),
        (ImportError("No module named 'viser'"), 1, "dreamtext doctor"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "bad"), 1, "UTF-8"),
        (ValueError("one thing\nand another"), 1, "one thing and another"),
        (KeyError("x"), FAULT, "a fault of dreamtext, not yours: KeyError: 'x'"),
        (ValueError(), FAULT, "a fault of dreamtext"),
    ],
)
def test_every_error_has_a_sentence_and_a_status(error, status, words, capsys, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setattr("dreamtext_lib.cli.sample.run", fails)
    got, out, err = run(capsys, "sample", "a mug")
    assert (got, out) == (status, "") and words in err
    assert err.startswith("dreamtext: ") and err.count("\n") == 1 and explain(error)[0] == status
    monkeypatch.setenv("DREAMTEXT_TRACEBACK", "1")
    with pytest.raises(type(error)):
        run(capsys, "sample", "a mug")


@pytest.mark.parametrize("flags", [["a mug"], ["--image", "mine.png"]])
def test_an_engine_that_is_not_installed_is_refused_before_any_work(flags, capsys, monkeypatch):
    monkeypatch.setattr("dreamtext_lib.distillation.graph.at_hand", lambda: False)
    status, _, err = run(capsys, "dream", *flags, "--engine", "onnxruntime")
    assert status == 1 and "--engine onnxruntime needs a model on the CPU" in err and err.count("\n") == 1
