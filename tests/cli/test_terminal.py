"""The program as a shell runs it: narrow encodings, silence but for the bar, help that speaks and comes at once."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest
from commands import run

from dreamtext_lib.cli.flags import comments, groups
from dreamtext_lib.cli.main import COMMANDS, parser
from dreamtext_lib.distillation.recipe import RECIPES
from dreamtext_lib.fitting.recipe import FitRecipe

PROGRAM = [sys.executable, "-m", "dreamtext_lib.cli"]
SHORT = ["--steps", "1", "--size", "8", "--samples", "8", "--voxels", "8"]
COLOURS = ["--recipe", "stable-dreamfusion"]  # one of latents has no pictures of that size


def shell(*arguments, cwd=None, **environment):
    """A finished process, its output as bytes."""
    path = os.pathsep.join([os.getcwd(), *sys.path])
    values = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **environment}
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, cwd=cwd, env=values)


def test_sample_is_silent_but_for_its_bar_in_a_narrow_terminal(tmp_path):
    done = shell(
        "sample",
        "a red mug 城",
        "--count",
        "1",
        "--steps",
        "2",
        cwd=tmp_path,
        PYTHONIOENCODING="cp1252",
        PYTHONUTF8="0",
    )
    assert done.returncode == 0, done.stderr
    note, *bar = done.stderr.decode("cp1252").splitlines()
    assert note.startswith("note: the tiny model has never seen '\\u57ce'")
    assert all(re.match(r"\s*\d+%\|", line) for line in "\n".join(bar).split("\r") if line.strip()), bar
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["a-red-mug-城-0.png"]


@pytest.fixture(scope="module")
def latin(tmp_path_factory):
    """The environment of a Latin-1 locale, made here where the system has its sources."""
    folder = tmp_path_factory.mktemp("locales")
    if not shutil.which("localedef"):
        pytest.skip("there is no localedef to make a Latin-1 locale")
    subprocess.run(["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "latin")], capture_output=True)
    values = {"LOCPATH": str(folder), "LC_ALL": "latin", "PYTHONUTF8": "0"}
    asked = [sys.executable, "-c", "import locale; print(locale.getencoding())"]
    got = subprocess.run(asked, capture_output=True, env={**os.environ, **values}).stdout
    if b"8859-1" not in got:
        pytest.skip("a Latin-1 locale cannot be made here")
    return values


def test_a_latin_locale_dreams_and_resumes_the_same_prompt(latin, tmp_path):
    done = shell(b"dream", "a réd castle".encode("latin-1"), *SHORT, *COLOURS, "--out", "run", cwd=tmp_path, **latin)
    assert done.returncode == 0, done.stderr
    record = (tmp_path / "run" / "recipe.json").read_text(encoding="utf-8")
    assert json.loads(record)["prompt"] == "a réd castle"
    done = shell("dream", "--resume", "run", cwd=tmp_path, **latin)
    assert done.returncode == 0, done.stderr
    assert "dreaming 'a réd castle'" in done.stdout.decode("latin-1")
    assert (tmp_path / "run" / "recipe.json").read_text(encoding="utf-8") == record


def test_help_comes_before_torch_is_imported():
    for arguments in (
        ["--help"],
        ["dream", "--help"],
        ["fit", "--help"],
        ["describe", "--help"],
        ["doctor", "--help"],
        ["--version"],
    ):
        script = f"import sys; from dreamtext_lib.cli import main\ntry: main({arguments})\nfinally: print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True)
        names = done.stdout.decode().splitlines()[-1].split()
        assert done.returncode == 0 and "argparse" in names and "torch" not in names, arguments


def test_a_reader_that_goes_early_is_no_error():
    command = f"'{sys.executable}' -m dreamtext_lib.cli dream --help | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_all_commands_are_told_and_the_version(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0 and all(re.search(rf"^    {name}\b", out, re.M) for name in COMMANDS)
    status, out, _ = run(capsys, "--version")
    assert status == 0 and re.fullmatch(r"dreamtext \d+\.\d+.*\n", out)


@pytest.mark.parametrize(
    ("command", "recipe", "some"),
    [
        ("dream", RECIPES["toy"]["latent"], "(default 5, fitfusion 10, fitfusion-as-run 10)"),
        ("fit", FitRecipe(), "a factor of the start; they fall exponentially (default 0.1)"),
    ],
)
def test_every_field_of_a_recipe_is_a_flag_with_its_comment_and_default(command, recipe, some, capsys):
    _, out, _ = run(capsys, command, "--help")
    told = " ".join(out.split())
    for _, group in groups(recipe):
        for name in (f.name for f in fields(group) if not hasattr(getattr(group, f.name), "values")):
            words = comments(type(group))[name]
            assert re.search(f"--(no-)?{name.replace('_', '-')} ", told) and len(words) > 8, name
    assert some in told


@pytest.mark.parametrize(
    ("command", "then", "now", "value"),
    [
        ("dream", "late", "late_from", 0.25), ("dream", "occupancy", "voxels", 16),
        ("dream", "opacity", "opacity_weight", 0.5), ("fit", "few", "samples_early", 3),
        ("fit", "every", "renew_every", 7), ("fit", "early", "early_until", 0.3), ("fit", "extra", "samples_more", 5),
        ("fit", "occupancy", "voxels", 9),
    ],
)  # fmt: skip
def test_flags_of_former_names_go_on_working(command, then, now, value):
    words = [command, "x", f"--{then}", str(value)]
    assert getattr(parser(words).parse_args(words), now) == value
    assert f"--{then} " not in parser(words).format_help()


def test_the_doctor_says_what_there_is_and_fails_where_something_is_missing(capsys, monkeypatch, tmp_path):
    status, out, err = run(capsys, "doctor")
    assert (status, err) == (0, "")
    for subject in ("python", "packages", "threads", "gpu", "profile", "ffmpeg", "chromium", "model tiny"):
        assert re.search(rf"^(ok|optional) +{subject}: \S", out, re.M), subject
    monkeypatch.setattr("dreamtext_lib.zoo.MODELS", tmp_path)
    status, out, _ = run(capsys, "doctor")
    assert status == 1 and re.search(r"^MISSING +model tiny: ", out, re.M)
