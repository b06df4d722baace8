"""`dreamtext score`, and dreams that are begun anew when they grow a second front."""

import json
import shutil
from argparse import Namespace

import pytest
from commands import run

from dreamtext_lib import cli
from dreamtext_lib.cli.dream import watch_over
from dreamtext_lib.cli.watch import Watch
from dreamtext_lib.evaluation.fronts import FrontWatch

SHORT = ["--recipe", "fitfusion", "--steps", "8", "--size", "8", "--samples", "8", "--voxels", "8"]
LATENTS = ["--recipe", "latent", "--steps", "8", "--samples", "8", "--ending-views", "8", "--ending-steps", "10"]


def record(folder):
    return json.loads((folder / "recipe.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mug"
    assert cli.main(["dream", "a red mug", "--out", str(folder), "--seed", "6", *SHORT]) == 0
    return folder


@pytest.fixture
def asked(monkeypatch):
    """A rule that gives the answers of a list, the last of them for ever, and what it was asked of."""
    answers, volumes = [], []

    def rule(self, volume):
        volumes.append(volume)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(FrontWatch, "sees_two", rule)
    monkeypatch.setattr("dreamtext_lib.cli.dream.PREVIEW_EVERY", 1)
    return answers, volumes


def test_a_second_front_begins_the_run_anew_and_leaves_nothing_of_it(plain, asked, tmp_path, capsys):
    answers, volumes = asked
    answers += [False, True, False]
    folder = tmp_path / "watched"
    words = ["dream", "a red mug", "--watch-fronts", "--out", folder, "--seed", "5", *SHORT]
    status, out, err = run(capsys, *words)
    assert status == 0 and "begun anew once" in out and "seed that was kept is 6" in out
    assert "a second front at step 2: begun anew with seed 6 (restart 1 of at most 3)" in err
    assert len(volumes) == 4, "steps 1 and 2 are the first quarter, of either run"
    about = record(folder)
    assert (about["seed"], about["watch_fronts"], about["restarts"]) == (6, 3, 1)
    assert {p.name for p in folder.iterdir()} == {p.name for p in plain.iterdir()}
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (folder / "mesh.glb").read_bytes() == (plain / "mesh.glb").read_bytes(), "as if it had begun with that seed"
    again = watch_over(Namespace(resume=folder, watch_fronts=None), "a red mug")
    assert (again.most, again.restarts) == (3, 1), "a resumed run is watched on"


def test_a_run_is_begun_anew_at_most_as_often_as_told(asked, tmp_path, capsys):
    answers, volumes = asked
    answers.append(True)
    folder = tmp_path / "watched"
    status, out, _ = run(capsys, "dream", "a red mug", "--out", folder, "--watch-fronts", "2", *LATENTS)
    assert status == 0 and "begun anew 2 times" in out
    assert [v.shape for v in volumes] == [(24, 64, 64, 3)] * 2, "latents are decoded to be looked at"
    assert (record(folder)["seed"], record(folder)["restarts"]) == (2, 2)


def test_a_run_is_not_watched_unless_asked(plain, tmp_path):
    assert "restarts" not in record(plain) and "watch_fronts" not in record(plain)
    assert isinstance(watch := watch_over(Namespace(resume=None, watch_fronts=None), "a dragon"), Watch)
    assert watch.most == 0


def test_watching_is_refused_where_no_judge_is_at_hand(plain, tmp_path, capsys):
    folder = tmp_path / "dragon"
    status, _, err = run(capsys, "dream", "a dragon", "--out", folder, "--watch-fronts")
    assert status == 1 and "asks a judge who knows no 'a dragon'" in err and err.count("\n") == 1
    assert not folder.exists()
    status, _, err = run(capsys, "dream", "--watch-fronts", "a red mug")
    assert status == 2 and "'a red mug' is no whole number" in err and err.count("\n") == 1
    status, _, err = run(capsys, "dream", "--resume", plain, "--watch-fronts")
    assert status == 1 and "drop --watch-fronts" in err


def test_score_prints_a_row_as_a_table_and_as_json(plain, capsys):
    status, out, err = run(capsys, "score", plain)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("'a red mug', seed 6, against")
    names = ["class", "colour", "pattern", "view", "fronts", "size", "opacity", "sharpness", "silhouette IoU"]
    assert [line[:18].strip() for line in lines[1:]] == [*names, "Chamfer distance", "the same, fitted"]
    assert "50% of a constant answer" in lines[4] and lines[3].split()[1] == "-"
    status, out, _ = run(capsys, "score", plain, "--json")
    row = json.loads(out)
    assert status == 0 and row["seed"] == 6 and 0 < row["iou"] < 1 and row["pattern_share"] is None
    assert row["chamfer"] > row["chamfer_fitted"] > 0 and row["view_constant"] == 0.5


def test_score_refuses_what_has_no_truth(plain, tmp_path, capsys):
    folder = tmp_path / "other"
    shutil.copytree(plain, folder)
    (folder / "recipe.json").write_text(json.dumps(record(plain) | {"prompt": "a dragon"}), encoding="utf-8")
    status, _, err = run(capsys, "score", folder)
    assert status == 1 and "'a dragon' is no prompt of the toybox" in err and err.count("\n") == 1
    status, _, err = run(capsys, "score", tmp_path)
    assert status == 1 and "holds no run" in err
