"""What is drawn after a training (experiments.redraw): with what the job learned, and held against its image."""

from types import SimpleNamespace

import pytest
import torch

from dreamtext_lib.evaluation.effect import read_table
from dreamtext_lib.files import write_json
from dreamtext_lib.lessons import evidence
from dreamtext_lib.sweep.folder import read_json
from dreamtext_lib.sweep.images import WORDS
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.words.recipe import WordsRecipe
from dreamtext_lib.words.sentence import Sentence
from dreamtext_lib.words.training import Words
from experiments import redraw

MUG = {one.title: one for one in inputs()}["mug"]
SENTENCE = Sentence("mug", ("green",))


@pytest.mark.parametrize("learns", ["descriptors", "noun", "embedding", "low-rank"])
def test_what_a_job_learned_is_read_again(prior, tmp_path, learns):
    recipe = WordsRecipe(learns=learns, steps=1, batch=1, look_every=1, patience=0, rank=2)
    words = Words(MUG.picture().permute(2, 0, 1), SENTENCE, prior, recipe, seed=3)
    for learns_ in words.rows.parameters():
        learns_.data += 0.5
    words.save(tmp_path / WORDS)
    again = redraw.learned(prior, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), words.rows.parameters(), strict=True))


def test_a_job_without_training_reads_its_sentence_as_it_stands(prior, tmp_path):
    nothing = redraw.learned(prior, tmp_path)
    with nothing.read_by(prior):
        assert torch.equal(nothing.states(prior, [SENTENCE.text]), prior.encode_text([SENTENCE.text]))


@pytest.mark.parametrize("model", [None, "tiny-front"])
def test_pictures_are_drawn_by_the_jobs_own_model(fake_sweep, monkeypatch, model):
    home = fake_sweep("trial", {("old", "mug", 0): {"sentence": "a mug"}}) / "old" / "mug-0"
    write_json(home / "job.json", read_json(home / "job.json") | {"model": model})
    quiet = SimpleNamespace(set_progress_bar_config=lambda disable: None)
    monkeypatch.setattr(redraw, "plain", lambda name: SimpleNamespace(name=name, pipeline=quiet))
    monkeypatch.setattr(redraw, "samples", lambda prior, rows, texts, **how: prior.name)
    assert redraw.drawn(home, {"sentence": "a mug"}) == (model or "tiny")


def test_a_sweep_without_a_finished_job_is_refused(fake_sweep, tmp_path):
    with pytest.raises(ValueError, match="trial' holds no finished job of a sweep"):
        redraw.redraw(fake_sweep("trial", {("old", "mug", 0): None}), tmp_path)


@pytest.fixture
def judge(monkeypatch):
    """A judge that tells only an even picture from others."""

    def vectors(judge, frames):
        return torch.stack([f.new_tensor([1.0, 0.0] if f.std() > 0 else [0.6, 0.8]) for f in frames])

    monkeypatch.setattr(redraw, "vectors", vectors)
    monkeypatch.setattr(redraw, "load_judge", lambda: SimpleNamespace(images=lambda x: vectors(None, x)))


def test_pictures_are_held_against_the_image_and_one_another(judge):
    true = MUG.picture()
    found = redraw.beside(torch.stack([true, true, torch.full_like(true, 0.5), torch.full_like(true, 0.5)]), "mug")
    assert found["drawn_similarity"] == pytest.approx((1 + 1 + 0.6 + 0.6) / 4)
    assert found["drawn_apart"] == pytest.approx(0.4 * 4 / 6, abs=1e-4)  # four of the six pairs differ


def test_table_and_sheet_are_those_of_the_jobs(judge, fake_sweep, tmp_path, monkeypatch):
    row = {"sentence": "an image of a mug"}
    folder = fake_sweep("trial", {("old", "mug", 0): row, ("new", "mug", 0): row, ("old", "fish", 0): row})
    grey = lambda home, row: torch.full((4, 64, 64, 3), 0.25 if "old" in home.parts[-2] else 0.75)  # noqa: E731
    monkeypatch.setattr(redraw, "drawn", grey)
    assert redraw.redraw(folder, tmp_path) == 3
    lines = read_table(tmp_path / "trial_drawn.csv")
    assert {(line["recipe"], line["image"]) for line in lines} == {("old", "mug"), ("old", "fish"), ("new", "mug")}
    monkeypatch.setattr(evidence, "MEASURED", tmp_path)
    sheet = evidence.fronts("trial", "drawn")
    assert sheet["old"].shape == (4, 64, 64, 3)
    assert sheet["old"].mean() == pytest.approx(64, abs=2) and sheet["new"].mean() == pytest.approx(191, abs=2)


def test_the_sheet_is_of_one_image_alone(judge, fake_sweep, tmp_path, monkeypatch):
    row = {"sentence": "an image of a mug"}
    rows = {("new", "fish", 0): row, ("new", "mug", 0): row, ("old", "fish", 0): None, ("old", "mug", 0): row}
    monkeypatch.setattr(redraw, "drawn", lambda home, row: torch.full((4, 64, 64, 3), 0.5))
    assert redraw.redraw(fake_sweep("trial", rows), tmp_path) == 3
    assert read_json(tmp_path / "trial" / "index.json")["drawn"] == {"recipes": ["new"], "image": "fish"}
