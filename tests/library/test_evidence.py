"""What sweeps measured, gathered into the book and shown in a chapter."""

import json
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from dreamtext_lib.evaluation.effect import read_table
from dreamtext_lib.lessons import evidence
from dreamtext_lib.sweep.images import METHODS
from dreamtext_lib.viewing.pictures import contact_sheet, write_picture
from experiments import gather as gathering
from experiments.gather import done, gather, views

EXPERIMENT = """
name = "trial"
kind = "image"
images = ["mug", "castle 1"]
seeds = 2
[recipes.plain-words]
[recipes.dreamtext]
"""


@pytest.fixture
def sweep(tmp_path):
    (tmp_path / "trial.toml").write_text(EXPERIMENT, encoding="utf-8")
    for recipe, lift in (("dreamtext", 0.25), ("plain-words", 0.0)):
        for i, image in enumerate(("castle 1", "mug")):
            for seed in (0, 1):
                home = tmp_path / "trial" / recipe / f"{i}-{seed}"
                home.mkdir(parents=True)
                job = {"kind": "image", "recipe": recipe, "image": image, "seed": seed, "model": None, "score": {}}
                job |= {"settings": METHODS[recipe].values()}
                row = {"steps": 9, "seconds": 3.5, "words_seconds": 2.0, "class_share": 0.5 + lift + 0.1 * seed}
                (home / "job.json").write_text(json.dumps(job), encoding="utf-8")
                (home / "row.json").write_text(json.dumps({"score": {}, "row": row}), encoding="utf-8")
    return tmp_path


def test_a_sweep_is_gathered_in_the_order_of_its_file_without_times_and_failures(sweep):
    bad = sweep / "trial" / "dreamtext" / "1-1" / "row.json"
    bad.write_text(json.dumps({"score": {}, "row": {"error": "it broke"}}), encoding="utf-8")
    counts = gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    assert counts == {"plain-words": 4, "dreamtext": 3}
    lines = read_table(sweep / "trial.csv")
    assert [(line["recipe"], line["image"], line["seed"]) for line in lines[:3]] == [
        ("plain-words", "mug", "0"),
        ("plain-words", "mug", "1"),
        ("plain-words", "castle 1", "0"),
    ]
    assert not any("seconds" in name for name in lines[0]) and lines[1]["class_share"] == "0.6"


def test_a_sweep_without_a_finished_job_is_refused(sweep):
    for path in (sweep / "trial").glob("*/*/row.json"):
        path.unlink()
    with pytest.raises(ValueError, match="holds no finished job of 'trial'"):
        gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    with pytest.raises(ValueError, match="there is no folder"):
        gather(sweep / "nothing", sweep / "trial.toml", sweep, looks=False)


def test_jobs_that_are_others_than_the_file_asks_for_are_refused(sweep):
    path = sweep / "trial" / "dreamtext" / "1-0" / "job.json"
    job = json.loads(path.read_text(encoding="utf-8"))
    del job["settings"]["words"]["search"]["swap"]  # an earlier version did not know it: it is as usual
    path.write_text(json.dumps(job), encoding="utf-8")
    gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    job["settings"]["dream"]["score"]["guidance"] = 100.0
    path.write_text(json.dumps(job), encoding="utf-8")
    words = (
        r"1-0' holds another job than '.*trial\.toml' asks for: its guidance was 100\.0 and is to be 5\.0; gather it"
    )
    with pytest.raises(ValueError, match=words):
        gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    job["settings"]["dream"]["score"]["guidance"] = 5.0
    path.write_text(json.dumps(job | {"model": "tiny-front"}), encoding="utf-8")
    with pytest.raises(ValueError, match="its model was 'tiny-front' and is to be None"):
        gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)


def test_every_run_is_a_dot_and_the_mean_has_its_interval(sweep, monkeypatch):
    gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    monkeypatch.setattr(evidence, "MEASURED", sweep)
    lines = evidence.measured("trial")
    figure, axis = plt.subplots()
    evidence.dots(axis, lines, {"plain-words": "plain", "dreamtext": "learned"}, "class_share")
    heights = sorted(float(y) for points in axis.collections[:2] for _, y in getattr(points, "get_offsets", list)())
    assert heights == pytest.approx([0.5, 0.5, 0.6, 0.6])
    assert [text.get_text() for text in axis.get_xticklabels()] == ["plain", "learned"]
    plt.close(figure)
    lines = [line | {"empty": str(line["image"] == "mug")} for line in lines]
    figure, axis = plt.subplots()
    evidence.dots(axis, lines, {"plain-words": "plain"}, "class_share", legend=True)
    hollow = [len(points.get_offsets()) for points in axis.collections if not len(points.get_facecolors())]
    assert 2 in hollow and [t.get_text() for t in axis.get_legend().get_texts()] == ["mug", "castle 1"]
    plt.close(figure)
    (row,) = evidence.effects(lines, [("words that learn", "plain-words", "dreamtext")], {"class_share": "+.2f"})
    assert row == ["words that learn", "+0.25 (+0.25 to +0.25) *"]
    with pytest.raises(ValueError, match="no table 'other'"):
        evidence.measured("trial", "other")


def test_pictures_of_runs_are_cut_from_their_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "MEASURED", tmp_path)
    home = tmp_path / "trial"
    home.mkdir()
    sheet = np.zeros((2 * 64, 12 * 64, 3), np.uint8)
    sheet[64:, 3 * 64 : 4 * 64] = 200  # the second prompt, the fourth view
    Image.fromarray(sheet).save(home / "base.webp", lossless=True)
    small = np.zeros((2 * 48, 3 * 48, 3), np.uint8)
    small[48:, 48:96] = 100  # the second recipe, the second run
    Image.fromarray(small).save(home / "fronts.webp", lossless=True)
    index = {"base": ["a", "b"], "fronts": {"recipes": ["base", "other"], "subjects": ["a"], "seeds": [0, 1, 2]}}
    (home / "index.json").write_text(json.dumps(index), encoding="utf-8")
    prompts, frames = evidence.turns("trial", "base")
    assert prompts == ["a", "b"] and frames.shape == (2, 12, 64, 64, 3)
    assert frames[1, 3].min() == 200 and frames.astype(int).sum() == 200 * 64 * 64 * 3
    runs = evidence.fronts("trial")
    assert runs["other"].shape == (3, 48, 48, 3) and runs["other"][1].min() == 100 and runs["base"].max() == 0
    with pytest.raises(ValueError, match="no pictures of 'other'"):
        evidence.turns("trial", "other")


def test_fronts_and_first_images_are_cut_from_what_jobs_left(sweep, monkeypatch):
    grey = {"plain-words": [100, 0, 0, 0], "dreamtext": [200, 50, 0, 0, 0]}  # front first; an image, then the front
    for recipe, levels in grey.items():
        tiles = [np.full((64, 64, 3), level / 255) for level in levels]
        for home in (sweep / "trial" / recipe).iterdir():
            write_picture(contact_sheet(tiles, columns=5), home / "views.webp")
    subjects, seeds, home = ["mug", "castle 1"], [0, 1], sweep / "trial"
    (home / "index.json").write_text("{}", encoding="utf-8")
    views(done(home), list(grey), subjects, seeds, home, places={"fronts": -4, "images": -5})
    monkeypatch.setattr(evidence, "MEASURED", sweep)
    fronts, images = evidence.fronts("trial"), evidence.fronts("trial", "images")
    assert {name: frames.shape for name, frames in fronts.items()} == dict.fromkeys(grey, (4, 48, 48, 3))
    assert fronts["plain-words"].mean() == pytest.approx(100, abs=3)
    assert fronts["dreamtext"].mean() == pytest.approx(50, abs=3)
    assert list(images) == ["dreamtext"] and images["dreamtext"].mean() == pytest.approx(200, abs=3)


def test_jobs_that_the_book_has_and_the_folder_lacks_stay(sweep, monkeypatch):
    monkeypatch.setattr(gathering, "turn", lambda run: np.full((64, 12 * 64, 3), 90 if run.name == "1-0" else 0, "u1"))
    for home in sweep.glob("trial/*/*"):
        tiles = [np.full((64, 64, 3), 0.4 if home.parent.name == "dreamtext" else 0.8)] * 4
        write_picture(contact_sheet(tiles, columns=4), home / "views.webp")
    about = sweep / "trial", sweep / "trial.toml", sweep
    gather(*about)
    monkeypatch.setattr(evidence, "MEASURED", sweep)
    table, fronts = (sweep / "trial.csv").read_text(encoding="utf-8"), evidence.fronts("trial")
    shutil.rmtree(sweep / "trial" / "dreamtext")
    shutil.rmtree(sweep / "trial" / "plain-words" / "1-0")
    index = read_index(sweep)
    assert gather(*about, keep=True) == {"plain-words": 4, "dreamtext": 4}
    assert (sweep / "trial.csv").read_text(encoding="utf-8") == table
    for name in ("fronts", "plain-words", "dreamtext"):
        assert read_index(sweep)[name] == index[name]
    prompts, frames = evidence.turns("trial", "plain-words")
    assert prompts == ["mug", "castle 1"] and [int(f.mean().round()) for f in frames] == [90, 0]  # mug: kept, and grey
    again = evidence.fronts("trial")
    assert list(again) == ["plain-words", "dreamtext"]
    assert all(np.abs(again[name].astype(int) - fronts[name]).max() < 6 for name in again)
    written = [path.stat().st_mtime_ns for path in sorted((sweep / "trial").glob("*.webp"))]
    gather(*about, keep=True)  # nothing is new, so no sheet is encoded again
    assert [path.stat().st_mtime_ns for path in sorted((sweep / "trial").glob("*.webp"))] == written
    assert gather(*about) == {"plain-words": 3} and read_index(sweep)["plain-words"] == ["castle 1"]
    for name in ("fronts", "plain-words"):  # a sheet that was deleted is drawn again
        (sweep / "trial" / f"{name}.webp").unlink()
    gather(*about)
    assert evidence.turns("trial", "plain-words")[0] == ["castle 1"] and "plain-words" in evidence.fronts("trial")


def test_a_folder_that_is_no_sweep_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gather", str(tmp_path / "nope")])
    with pytest.raises(SystemExit, match="2"):
        gathering.main()
    assert "there is no file 'experiments/sweeps/nope.toml'" in capsys.readouterr().err


def test_a_prompt_keeps_its_colour_where_a_recipe_lacks_another(sweep):
    gather(sweep / "trial", sweep / "trial.toml", sweep, looks=False)
    lines = read_table(sweep / "trial.csv")
    lines = [line for line in lines if (line["recipe"], line["image"]) != ("dreamtext", "mug")]
    figure, axis = plt.subplots()
    evidence.dots(axis, lines, {"dreamtext": "learned", "plain-words": "plain"}, "class_share", legend=True)
    colours = [tuple(p.get_facecolor()[0]) for p in axis.collections if len(getattr(p, "get_offsets", list)()) == 2]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["castle 1", "mug"]
    assert len(colours) == 3 and colours[0] == colours[2] != colours[1]  # learned: castle 1; plain: mug, castle 1
    plt.close(figure)


def read_index(sweep):
    return json.loads((sweep / "trial" / "index.json").read_text(encoding="utf-8"))


def test_turns_of_jobs_that_were_done_again_are_made_again(sweep, monkeypatch):
    made = []

    def turn(run):
        made.append(run.name)
        return np.zeros((64, 12 * 64, 3), np.uint8)

    monkeypatch.setattr(gathering, "turn", turn)
    about = ["plain-words"], ["mug"], [0, 1], sweep / "trial-seen"
    gathering.turns(done(sweep / "trial"), *about)
    gathering.turns(done(sweep / "trial"), *about)
    assert made == ["1-0"]
    row = sweep / "trial" / "plain-words" / "1-0" / "row.json"
    row.write_text(json.dumps({"score": {}, "row": {"steps": 9, "seconds": 3.6}}), encoding="utf-8")
    gathering.turns(done(sweep / "trial"), *about)
    assert made == ["1-0", "1-0"]


def test_a_stop_between_a_sheet_and_the_index_leaves_no_picture_under_a_wrong_prompt(sweep, monkeypatch):
    def stopped(image, path):
        write_picture(image, path)
        if path.stem in ("plain-words", "fronts"):
            raise KeyboardInterrupt

    monkeypatch.setattr(gathering, "turn", lambda run: np.zeros((64, 12 * 64, 3), np.uint8))
    for home in sweep.glob("trial/*/*"):
        write_picture(contact_sheet([np.zeros((64, 64, 3))] * 4, columns=4), home / "views.webp")
    rows, recipes, home = done(sweep / "trial"), ["dreamtext", "plain-words"], sweep / "trial"
    fronts = {"places": {"fronts": -4}}
    gathering.turns(rows, recipes, ["mug"], [0, 1], home)
    views(rows, recipes, ["mug"], [0, 1], home, **fronts)
    assert read_index(sweep).keys() == {"marks", "dreamtext", "plain-words", "fronts"}
    monkeypatch.setattr(gathering, "write_picture", stopped)
    both = ["castle 1", "mug"]  # the sheets begin with another prompt than the index says
    with pytest.raises(KeyboardInterrupt):
        gathering.turns(rows, recipes, both, [0, 1], home)
    with pytest.raises(KeyboardInterrupt):
        views(rows, recipes, both, [0, 1], home, **fronts)
    index = read_index(sweep)
    assert index["dreamtext"] == both and "plain-words" not in index and "fronts" not in index
    monkeypatch.setattr(gathering, "write_picture", write_picture)
    gathering.turns(rows, recipes, both, [0, 1], home)
    views(rows, recipes, both, [0, 1], home, **fronts)
    assert read_index(sweep)["plain-words"] == read_index(sweep)["fronts"]["subjects"] == both


def test_dots_of_prompts_with_fewer_runs_do_not_stand_on_others():
    values = {"a": 3, "b": 1, "c": 2}
    lines = [
        {"recipe": "base", "prompt": prompt, "seed": str(i), "class_share": "0.5"}
        for prompt, count in values.items()
        for i in range(count)
    ]
    for mine, count in ((lines, 6), ([line for line in lines if line["prompt"] != "b"], 5)):
        figure, axis = plt.subplots()
        evidence.dots(axis, mine, {"base": "base"}, "class_share")
        x = [float(at) for points in axis.collections for at, _ in points.get_offsets()][:count]  # then the mean
        plt.close(figure)
        assert x == pytest.approx([i / count * 0.5 - 0.35 for i in range(count)])
