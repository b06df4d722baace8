"""`dreamtext sweep`: refusals in one sentence before any work, and a tiny sweep on a real Ray, twice."""

import csv
import json
from importlib.util import find_spec

import pytest
from commands import run

from dreamtext_lib.drive import alone

TINY = """
name = "tiny"
prompts = ["a red mug"]
seeds = [3, 4]
[recipes.fitfusion]
steps = 2
size = 16
levels = 2
[score]
by = "truth"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")
    (tmp_path / "file").touch()


def refused(capsys, tmp_path, *arguments):
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(capsys, "sweep", *arguments)
    assert (status, out) == (1, "") and err.startswith("dreamtext: ") and err.count("\n") == 1, err
    assert sorted(tmp_path.rglob("*")) == before
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.toml"], "there is no file 'none.toml'"),
        (["file"], "'file' has no name; it must be a text in quotes"),
        (["tiny.toml", "--cpus-per-run", "0"], "--cpus-per-run is 0; it must be a whole number, at least 1"),
        (["tiny.toml", "--gpus-per-run", "1.5"], "--gpus-per-run is 1.5; it must be a share from 0 to 1, or a whole"),
        (["tiny.toml", "--gpus-per-run", "nan"], "--gpus-per-run is nan"),
        (["tiny.toml", "--retries", "-1"], "--retries is -1; it must be a whole number, 0 or more"),
        (["tiny.toml", "--address", "local"], "--address is 'local'; it must be HOST:PORT of a Ray cluster, or auto"),
        (["tiny.toml", "--address", ":6379"], "--address is ':6379'; it must be HOST:PORT"),
        (["tiny.toml", "--address", "127.0.0.1:99999"], "--address is '127.0.0.1:99999'; it must be HOST:PORT"),
        (
            ["tiny.toml", "--address", "127.0.0.1:1"],
            "no Ray cluster answers at '127.0.0.1:1' (Connection refused); 'ray",
        ),
        (["tiny.toml", "--out", "file"], "'file' is a file; name a folder by --out"),
        (["tiny.toml", "--out", "file/x"], "cannot be written: it is not a folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, words, tmp_path, capsys, installed):
    assert words in refused(capsys, tmp_path, *arguments)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('name = "tiny"', 'name = "tiny"\nmodel = "./nope"'), "there is no folder './nope'"),
        (('"a red mug"', '"a red mug", "' + "red " * 30 + 'mug"'), "tokens long and the model takes 24"),
    ],
)
def test_a_model_or_a_prompt_that_no_job_could_use_is_refused_before_ray_starts(
    change, words, tmp_path, capsys, installed
):
    (tmp_path / "tiny.toml").write_text(TINY.replace(*change), encoding="utf-8")
    assert words in refused(capsys, tmp_path, "tiny.toml")


@pytest.fixture
def installed(monkeypatch):
    """Ray is taken for installed: what is refused here is refused before it is imported."""
    monkeypatch.setattr("dreamtext_lib.sweep.cluster.find_spec", lambda name: True)


@pytest.mark.parametrize(("package", "arguments"), [("ray", []), ("pyarrow", ["--parquet"])])
def test_what_is_not_installed_is_said_with_the_remedy(package, arguments, tmp_path, capsys, monkeypatch):
    for module in ("cluster", "table"):
        monkeypatch.setattr(
            f"dreamtext_lib.sweep.{module}.find_spec", lambda name: None if name == package else find_spec(name)
        )
    err = refused(capsys, tmp_path, "tiny.toml", *arguments)
    assert "not installed; pip install 'dreamtext[sweep]'" in err and package in err.lower()


def test_a_full_disk_is_told_before_any_work(tmp_path, capsys, monkeypatch, installed):
    monkeypatch.setattr("dreamtext_lib.sweep.folder.SPARE", 1 << 60)
    assert "the disk of 'runs/tiny' has" in refused(capsys, tmp_path, "tiny.toml")


def test_two_sweeps_in_one_folder_are_refused(tmp_path, capsys, installed):
    with alone(tmp_path / "runs" / "tiny"):
        assert "another run is at work in 'runs/tiny'" in refused(capsys, tmp_path, "tiny.toml")


def test_rows_that_are_all_there_need_no_ray_and_failures_are_counted(tmp_path, capsys, monkeypatch):
    from dreamtext_lib.sweep.experiment import jobs, read_experiment
    from dreamtext_lib.sweep.folder import work

    monkeypatch.setattr("dreamtext_lib.sweep.cluster.find_spec", lambda name: None)
    for job in jobs(read_experiment(tmp_path / "tiny.toml")):
        work(job, tmp_path / "runs" / "tiny", lambda job, home: {"steps": 2, "seconds": 1.5}, str)
    status, out, err = run(capsys, "sweep", "tiny.toml")
    assert (status, out, err) == (0, "runs/tiny/table.csv\n", "")
    table = (tmp_path / "runs/tiny/table.csv").read_text(encoding="utf-8").splitlines()
    assert table[1] == "fitfusion,a red mug,3,2,1.5,16,2," and len(table) == 3
    assert (tmp_path / "runs/tiny/experiment.toml").read_text(encoding="utf-8") == TINY


def test_the_copy_of_the_experiment_is_what_was_run_though_the_file_is_gone(tmp_path, capsys, monkeypatch, installed):
    def do(todo, rows, *others):
        (tmp_path / "tiny.toml").unlink()
        rows |= {job["folder"]: {"steps": 2, "seconds": 1.5} for job in todo}
        return True

    monkeypatch.setattr("dreamtext_lib.cli.sweep.do", do)
    status, out, err = run(capsys, "sweep", "tiny.toml")
    assert (status, out, err) == (0, "runs/tiny/table.csv\n", "")
    assert (tmp_path / "runs/tiny/experiment.toml").read_text(encoding="utf-8") == TINY


@pytest.mark.parametrize(
    ("profile", "kind", "recipe", "note"),
    [
        ("toy", "dream", "fitfusion", "note: the tiny model has never seen 'dragon'; it knows"),
        ("toy", "sample", "plain", "note: the tiny model has never seen 'dragon'; it knows"),
        ("full", "dream", "fitfusion", ""),  # Stable Diffusion has
    ],
)
def test_words_that_the_model_has_never_seen_are_named(profile, kind, recipe, note, tmp_path, capsys, monkeypatch):
    from dreamtext_lib.sweep.experiment import jobs, read_experiment
    from dreamtext_lib.sweep.folder import work

    monkeypatch.setenv("DREAMTEXT_PROFILE", profile)
    text = f'name = "tiny"\nkind = "{kind}"\nprompts = ["a red dragon"]\nseeds = 1\n[recipes.{recipe}]\n'
    (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
    for job in jobs(read_experiment(tmp_path / "tiny.toml")):
        work(job, tmp_path / "runs" / "tiny", lambda job, home: {"steps": 2}, str)
    status, _, err = run(capsys, "sweep", "tiny.toml")
    assert status == 0 and err.startswith(note) and bool(err) == bool(note)


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed; no sweep was run")
def test_a_tiny_sweep_on_ray(tmp_path, capsys):
    """One job fails, for its checkpoint is broken; the other is done. Without it, that one alone is done anew."""
    broken = tmp_path / "runs" / "tiny" / "fitfusion" / "a-red-mug-4"
    broken.mkdir(parents=True)
    (broken / "checkpoint.safetensors").write_bytes(b"no tensors")
    status, out, err = run(capsys, "sweep", "tiny.toml")
    assert status == 1 and "dreamtext: 1 of 2 jobs failed; the column 'error' of 'runs/tiny/table.csv'" in err, err
    assert "2 jobs, 0 of them done before, into 'runs/tiny'\n" in out and "| 2/2 [" in err and "failed=1" in err
    with open("runs/tiny/table.csv", newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["steps"] == "2" and first["error"] == "" and float(first["class_share"]) <= 1
    assert "a-red-mug-4/checkpoint.safetensors' is cut short or broken" in second["error"] and second["steps"] == ""
    assert (tmp_path / "runs/tiny/sheet.jpg").stat().st_size > 1000
    whole = broken.with_name("a-red-mug-3")
    done = (whole / "row.json").stat().st_mtime_ns
    (broken / "checkpoint.safetensors").unlink()
    status, out, err = run(capsys, "sweep", "tiny.toml")
    assert status == 0 and "2 jobs, 1 of them done before, into 'runs/tiny'\n" in out, err
    assert (whole / "row.json").stat().st_mtime_ns == done
    with open("runs/tiny/table.csv", newline="", encoding="utf-8") as file:
        assert [(line["seed"], line["steps"], line["error"]) for line in csv.DictReader(file)] == [
            ("3", "2", ""),
            ("4", "2", ""),
        ]
    assert json.loads((whole / "recipe.json").read_text(encoding="utf-8"))["recipe"]["views"]["size"] == 16
    status, out, _ = run(capsys, "view", whole, "--page", tmp_path / "page.html")  # a job's folder is a run's
    assert status == 0
