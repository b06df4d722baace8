"""The folder of a sweep: what is done is not done again, what differs is refused, and the table holds all rows."""

import csv
import errno
import json
import shutil
from dataclasses import fields
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from dreamtext_lib.capture.single import of_png
from dreamtext_lib.cli.sweep import words
from dreamtext_lib.distillation.recipe import RECIPES
from dreamtext_lib.drive import alone
from dreamtext_lib.evaluation.evaluate import Row
from dreamtext_lib.evaluation.likeness import Likeness
from dreamtext_lib.evaluation.truth import exact, family
from dreamtext_lib.files import read_tensors
from dreamtext_lib.runs import read_record
from dreamtext_lib.sweep.cluster import keep
from dreamtext_lib.sweep.dreams import LARGEST, PICTURE, TURN, Scoring, dream, room, row_of, write_turn
from dreamtext_lib.sweep.experiment import Experiment, jobs
from dreamtext_lib.sweep.folder import SPARE, check_room, row_there, rows_there, work
from dreamtext_lib.sweep.images import METHODS, image
from dreamtext_lib.sweep.samples import WAYS, drawn, sample
from dreamtext_lib.sweep.table import lines_of, write_csv, write_parquet, write_sheet
from dreamtext_lib.toybox.objects import Words

BASE = RECIPES["toy"]["fitfusion"].with_fields(steps=2, size=16, levels=2)
GUIDED = BASE.with_fields(guidance=20.0)


def experiment(**changes):
    about = {"prompt": "prompt", "subjects": ("a red mug",), "seeds": (3, 2**64 - 1), "scoring": Scoring()}
    about = {k: v for k, v in about.items() if k != "prompt"} | changes
    recipes = {"plain": BASE, "guided": GUIDED}
    return Experiment("e", "dream", None, recipes, ("steps", "guidance"), "prompt", **about)


def square(job, home):
    return {"steps": 2, "seconds": 0.5, "square": job["seed"] ** 2}


def test_a_job_is_done_once_and_scored_anew_where_its_scores_are_to_be_others(tmp_path):
    job, calls = jobs(experiment())[0], []

    def run(job, home):
        calls.append(job["score"]["by"])
        return square(job, home)

    assert work(job, tmp_path, run, str) == work(job, tmp_path, run, str) == {"steps": 2, "seconds": 0.5, "square": 9}
    other = jobs(experiment(scoring=Scoring(by="none")))[0]
    assert rows_there([other], tmp_path) == {}
    work(other, tmp_path, run, str)
    assert calls == ["truth", "none"] and set(rows_there([other], tmp_path)) == {"plain/a-red-mug-3"}


def test_an_error_is_a_row_that_is_tried_again(tmp_path):
    job = jobs(experiment())[0]

    def full(job, home):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert work(job, tmp_path, full, words)["error"].startswith("the disk is full; free some space")
    assert rows_there([job], tmp_path) == {}
    assert work(job, tmp_path, square, words)["square"] == 9


def test_the_row_of_a_node_that_does_not_see_the_folder_takes_the_place_of_an_error_and_of_nothing_else(tmp_path):
    job = jobs(experiment())[0]
    keep(job, tmp_path, {"error": "it broke"})
    keep(job, tmp_path, {"square": 9})
    assert row_there(job, tmp_path) == {"square": 9}
    keep(job, tmp_path, {"error": "its worker died"})  # after it had written its row
    assert row_there(job, tmp_path) == {"square": 9}


def test_ctrl_c_is_no_row(tmp_path):
    def stopped(job, home):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(jobs(experiment())[0], tmp_path, stopped, str)
    assert [p.name for p in (tmp_path / "plain/a-red-mug-3").iterdir()] == ["job.json"]


def test_another_job_in_the_folder_is_refused(tmp_path):
    job = jobs(experiment())[0]
    work(job, tmp_path, square, str)
    changed = json.loads(json.dumps(job))
    changed["settings"]["score"]["guidance"] = 7.0
    with pytest.raises(ValueError, match=r"a-red-mug-3' holds a job that was another: its guidance was 10.0 and is to"):
        rows_there([changed], tmp_path)
    (tmp_path / job["folder"] / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"job\.json' is not valid JSON"):
        rows_there([job], tmp_path)
    (tmp_path / job["folder"] / "job.json").unlink()
    for name in ("recipe.json", "words/recipe.json"):  # a job about an image keeps its runs in folders of their own
        (run := tmp_path / job["folder"] / name).parent.mkdir(exist_ok=True)
        run.touch()
        with pytest.raises(ValueError, match="holds a run of its own and no job of a sweep"):
            rows_there([job], tmp_path)
        run.unlink()


def test_jobs_of_other_seeds_are_refused_where_their_settings_are_others(tmp_path):
    """One recipe's folder holds one recipe; a sweep may be run in parts."""
    for job in jobs(experiment(seeds=(0,))):
        work(job, tmp_path, square, str)
    more = jobs(experiment(seeds=(1,), subjects=("a blue mug",)))
    assert rows_there(more, tmp_path) == {}
    changed = json.loads(json.dumps(more))
    changed[1]["settings"]["score"]["guidance"] = 100.0
    with pytest.raises(
        ValueError, match=r"guided/a-red-mug-0' holds a job that was another: its guidance was 20.0 and"
    ):
        rows_there(changed, tmp_path)
    with pytest.raises(
        ValueError, match="its model was None and is to be 'tiny-front'; give the experiment another name"
    ):
        rows_there([job | {"model": "tiny-front"} for job in more], tmp_path)


def test_a_folder_that_another_worker_holds_is_waited_for(tmp_path):
    job = jobs(experiment())[0]
    with alone(tmp_path / job["folder"]):
        assert "another run is at work" in work(job, tmp_path, square, str, wait=0.6)["error"]
    assert work(job, tmp_path, square, str, wait=0.6)["square"] == 9


def test_a_full_disk_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=SPARE + 10))
    check_room(tmp_path / "new" / "folder", 10)
    with pytest.raises(ValueError, match=r"the disk of '.*folder' has 16 MiB free, and the jobs may need 16"):
        check_room(tmp_path / "new" / "folder", 11)


def test_a_dream_is_given_room_for_its_checkpoint_twice_and_for_its_colours():
    # bytes of the files that runs left: checkpoint.safetensors, and for latents colours.safetensors
    assert room(RECIPES["toy"]["stable-dreamfusion"]) > 2 * 1_279_596
    assert room(latent := RECIPES["toy"]["latent"]) > 2 * 3_840_928 + 2_097_684
    student = 2 * 10_638_520  # bytes of the tiny U-Net, whose file has half precision; AdamW keeps two arrays more
    assert room(latent.with_fields(arrow="vsd"), "tiny-front") == pytest.approx(room(latent) + 6 * student, rel=0.02)
    assert room(latent.with_fields(arrow="vsd"), "some/where") > 20e9  # Stable Diffusion's
    # Adan keeps the means of the gradient, of its change and of its square, and the gradient before
    assert room(latent.with_fields(optimiser="adan")) > 2 * 5 * 4 * 5 * 40**3


def rows(made):
    found = [{"steps": 2, "seconds": 0.25, "fronts": 1}, {"error": "it broke, at 1"}, {"steps": 2, "recognised": True}]
    return {job["folder"]: row for job, row in zip(made, [*found, {}])}


def test_the_table_has_all_rows_in_the_order_of_the_file(tmp_path):
    made = jobs(experiment())
    lines = lines_of(experiment(), made, dict(reversed(rows(made).items())))
    write_csv(lines, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == (
        "recipe,prompt,seed,steps,seconds,fronts,recognised,guidance,error\n"
        "plain,a red mug,3,2,0.25,1,,10.0,\n"
        'plain,a red mug,18446744073709551615,,,,,10.0,"it broke, at 1"\n'
        "guided,a red mug,3,2,,,True,20.0,\n"
        "guided,a red mug,18446744073709551615,,,,,20.0,\n"
    )
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        assert [line["error"] for line in csv.DictReader(file)] == ["", "it broke, at 1", "", ""]


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed; Parquet was not written")
def test_parquet_holds_the_same(tmp_path):
    from pyarrow import parquet

    made = jobs(experiment())
    lines = lines_of(experiment(), made, rows(made))
    write_parquet(lines, tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet").to_pylist() == lines


def test_the_sheet_has_a_place_for_each_job(tmp_path):
    made = jobs(experiment())
    assert not write_sheet(made, tmp_path, "prompt", tmp_path / "sheet.jpg")
    for job, colour in zip(made[:3], ("red", "green", "blue")):
        (tmp_path / job["folder"]).mkdir(parents=True)
        Image.new("RGB", (286, 76), colour).save(tmp_path / job["folder"] / PICTURE)
    assert write_sheet(made, tmp_path, "prompt", tmp_path / "sheet.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        width, height = sheet.size
        seen = [sheet.getpixel((width * x // 4, height * y // 4)) for y in (1, 3) for x in (1, 3)]
    assert width == 2 * 286 + 3 * 6
    brightest = [max(range(3), key=colour.__getitem__) for colour in seen[:3]]
    assert brightest == [0, 1, 2] and min(seen[3]) > 240  # the fourth has no picture


def test_a_sheet_is_no_wider_than_a_jpeg_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr("dreamtext_lib.sweep.table.WIDEST", 2 * 286 + 3 * 6 + 5)
    made = jobs(experiment(seeds=(0, 1, 2)))
    for job in made:
        (tmp_path / job["folder"]).mkdir(parents=True)
        Image.new("RGB", (286, 76), "red").save(tmp_path / job["folder"] / PICTURE)
    assert write_sheet(made, tmp_path, "prompt", tmp_path / "sheet.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width == 2 * 286 + 3 * 6 and sheet.height > 3 * 76


def test_a_job_of_several_runs_holds_its_own_folder_all_the_while(tmp_path, monkeypatch):
    def held(*given, **how):
        with pytest.raises(ValueError, match="another run is at work"), alone(tmp_path):
            pass
        raise ValueError("that will do")

    for module in ("images", "samples"):
        monkeypatch.setattr(f"dreamtext_lib.sweep.{module}.shaped", held)
    monkeypatch.setattr("dreamtext_lib.sweep.samples.drawn", lambda job, way: None)
    job = {"image": "mug", "prompt": "a mug", "seed": 0, "model": None, "score": {"by": "truth"}}
    for run, settings in ((image, METHODS["dreamtext"]), (sample, WAYS["through-image"])):
        with pytest.raises(ValueError, match="that will do"):
            run(job | {"settings": settings.values()}, tmp_path)
        assert not list(tmp_path.iterdir())


def test_a_dream_is_a_row_with_a_picture_and_goes_on_where_it_was_stopped(tmp_path, prior, monkeypatch):
    monkeypatch.setattr("dreamtext_lib.sweep.dreams.prior_of", lambda model: (prior, "tiny"))
    whole, halved = jobs(experiment(seeds=(3, 4)))[:2]
    row = dream(whole, tmp_path / "whole")
    assert list(row) == ["steps", "seconds", *(field.name for field in fields(Row)), "recognised"]
    assert row["steps"] == 2 and row["seconds"] > 0 and 0 <= row["class_share"] <= 1
    assert 0 < (tmp_path / "whole" / PICTURE).stat().st_size < 20_000
    with Image.open(tmp_path / "whole" / TURN) as turn:
        assert turn.size == (96, 96) and turn.info["loop"] == 0
    assert dream(whole, tmp_path / "whole") == row  # nothing was left to do, and the seconds are those of the log

    from dreamtext_lib.distillation.dream import Dream

    run = Dream(halved["prompt"], prior, BASE, 4, "tiny")
    next(run.run())
    run.save(tmp_path / "halved")
    dream(halved, tmp_path / "halved")
    dream(halved, tmp_path / "at once")
    (one, _), (two, _) = (read_tensors(tmp_path / name / "checkpoint.safetensors") for name in ("halved", "at once"))
    assert one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)


def test_a_turn_is_small_whatever_it_shows(tmp_path):
    noise = torch.rand(24, 96, 96, 3, generator=torch.Generator().manual_seed(0))  # the hardest to pack
    write_turn(SimpleNamespace(pictures=lambda cameras, size: noise), tmp_path / TURN)
    assert 10_000 < (tmp_path / TURN).stat().st_size <= LARGEST


def test_scores_are_those_against_the_truth_where_a_prompt_has_one():
    assert row_of("a dragon", None, Scoring()) == row_of("a red mug", None, Scoring(by="none")) == {}
    true = exact(family(Words("castle", "red", "", ""))[3], ambient=1.0)
    found = row_of("a red castle", true, Scoring())
    assert (found["recognised"], found["fronts"], found["empty"]) == (True, 1, False)
    assert found["class_share"] > 0.9 and found["colour_share"] > 0.8 and found["chamfer"] < 0.03
    other = row_of("a green castle", true, Scoring())
    assert other["colour_share"] == 0 and list(other) == list(found)


def test_an_image_is_described_trained_dreamed_and_scored(tmp_path):
    how = {"words.steps": 2, "words.batch": 1, "look_every": 1, "dream.steps": 40, "lattice": 12, "ending_steps": 5}
    method = METHODS["dreamtext"].with_fields(learns="noun", longest=1, photo_weight=1.0, ending_views=8, **how)
    job = {"image": "mug", "seed": 0, "model": None, "settings": method.values(), "score": {"by": "truth"}}
    row = image(job, tmp_path)
    names = [field.name for kind in (Row, Likeness) for field in fields(kind)]
    assert list(row) == ["steps", "seconds", "words_seconds", "sentence", *names]
    assert row["steps"] == 40 and row["sentence"] == "an image of a mug" and row["words_seconds"] > 0
    assert (tmp_path / "dream" / "photo.safetensors").exists() and (tmp_path / PICTURE).exists()
    assert image(job, tmp_path) == row  # nothing was left to do


def test_a_prompt_is_dreamed_by_way_of_an_image_or_plainly(tmp_path):
    how = {"method.words.steps": 1, "method.words.batch": 1, "look_every": 1, "method.dream.steps": 20, "lattice": 8}
    way = WAYS["through-image"].with_fields(
        drawn_steps=2, longest=2, ending_views=4, ending_steps=2, stay_weight=0, **how
    )
    job = {"prompt": "a red mug", "seed": 1, "model": None, "settings": way.values(), "score": {"by": "none"}}
    row = sample(job, tmp_path / "by way")
    assert list(row) == ["steps", "seconds", "words_seconds", "sentence"] and row["sentence"].startswith(
        "an image of a"
    )
    drawings = [drawn(job | {"seed": seed}, way) for seed in (1, 1, 2)]
    assert torch.equal(drawings[0], drawings[1]) and not torch.equal(drawings[0], drawings[2])
    kept = of_png(tmp_path / "by way" / "words" / "image.png")
    assert (kept - drawings[0].permute(2, 0, 1)).abs().max() <= 0.51 / 255
    plain = sample(job | {"settings": way.with_fields(through=False).values()}, tmp_path / "plain")
    assert list(plain) == ["steps", "seconds"] and read_record(tmp_path / "plain" / "dream")["prompt"] == "a red mug"
    assert read_record(tmp_path / "by way" / "dream")["prompt"] == row["sentence"]
