"""`dreamtext compare`: refusals in one sentence, and one page of a sweep that is not done."""

import json

import pytest
from commands import run

from dreamtext_lib.sweep.compare import jobs_in

ROWS = {("dreamtext", "mug", 0): {"similarity": 0.5, "sentence": "an image of a mug"}, ("noun", "mug", 0): None}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, tmp_path, *arguments):
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(capsys, "compare", *arguments)
    assert (status, out) == (1, "") and err.startswith("dreamtext: ") and err.count("\n") == 1, err
    assert sorted(tmp_path.rglob("*")) == before
    return err


def test_what_cannot_be_compared_is_one_sentence(fake_sweep, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    fake_sweep("images", ROWS)
    fake_sweep("prompts", {("base", "a red mug", 0): {"sharpness": 1.0}}, kind="dream")
    fake_sweep("begun", {("noun", "mug", 0): None})
    strange, other, broken = (fake_sweep(name, ROWS) for name in ("strange", "other", "broken"))
    job = strange / "dreamtext/mug-0/job.json"
    job.write_text(json.dumps({"folder": "x"}), encoding="utf-8")
    job = other / "dreamtext/mug-0/job.json"
    job.write_text(
        json.dumps(json.loads(job.read_text(encoding="utf-8")) | {"kind": "sound", "prompt": ""}), encoding="utf-8"
    )
    job = fake_sweep("nothing", ROWS) / "dreamtext/mug-0/job.json"
    values = json.loads(job.read_text(encoding="utf-8"))
    job.write_text(json.dumps({name: value for name, value in values.items() if name != "image"}), encoding="utf-8")
    (broken / "dreamtext/mug-0/row.json").write_text("{", encoding="utf-8")
    for arguments, words in [
        (["none"], "there is no folder 'none'"),
        (["file"], "there is no folder 'file' (it is a file)"),
        (["empty"], "'empty' holds no sweep: no folder in it has a job.json; name one that dreamtext sweep wrote"),
        (
            ["images", "prompts"],
            "'images' is a sweep of the kind 'image' and 'prompts' one of 'dream'; compare one kind",
        ),
        (["begun"], "no job of 'begun' is done yet"),
        (["strange"], "mug-0/job.json' is no job of a sweep; another program wrote it"),
        (["other"], "is a job of the kind 'sound'; this version knows dream, image, sample"),
        (["nothing"], "mug-0/job.json' has the image None; it must be a text"),
        (["broken"], "mug-0/row.json' is not valid JSON"),
        (["images", "--out", "page.txt"], "--out 'page.txt' is a page; let its name end in .html"),
        (["images", "--out", "file/x.html"], "cannot be written"),
    ]:
        assert words in refused(capsys, tmp_path, *arguments), arguments


def test_a_page_is_written_once(fake_sweep, tmp_path, capsys):
    fake_sweep("images", ROWS)
    status, out, _ = run(capsys, "compare", "images")
    assert (status, out) == (0, "runs/comparison.html\n")
    text = (tmp_path / "runs/comparison.html").read_text(encoding="utf-8")
    assert "an image of a mug" in text and "not done yet" in text
    assert "of the other sides to the truth" in text  # what a number means, from the source of `Likeness`
    assert run(capsys, "compare", "images")[1] == "runs/comparison-2.html\n"
    assert "is there already" in refused(capsys, tmp_path, "images", "--out", "runs/comparison.html")


def test_seeds_are_in_the_order_of_numbers(fake_sweep):
    folder = fake_sweep("many", {("noun", "mug", seed): {"similarity": 0.5} for seed in range(12)})
    assert [done.job["seed"] for done in jobs_in(folder)] == list(range(12))
