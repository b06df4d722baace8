"""What is drawn after a training (experiments.redraw): with what the job learned, and held against its image."""

from types import SimpleNamespace

import pytest
import torch

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


def test_pictures_are_held_against_the_image_and_one_another(prior, tmp_path, monkeypatch):
    true = MUG.picture()
    monkeypatch.setattr(redraw, "plain", lambda model: prior)
    drawn = torch.stack([true, true, torch.full_like(true, 0.5), torch.full_like(true, 0.5)])
    monkeypatch.setattr(redraw, "samples", lambda *given, **how: drawn)

    def vectors(judge, frames):
        return torch.stack([f.new_tensor([1.0, 0.0] if f.std() > 0 else [0.6, 0.8]) for f in frames])

    monkeypatch.setattr(redraw, "vectors", vectors)
    judge = SimpleNamespace(images=lambda x: vectors(None, x))
    monkeypatch.setattr(redraw, "load_judge", lambda: judge)
    found = redraw.redrawn(tmp_path, {"sentence": SENTENCE.text}, "mug")
    assert found["drawn_similarity"] == pytest.approx((1 + 1 + 0.6 + 0.6) / 4)
    assert found["drawn_apart"] == pytest.approx(0.4 * 4 / 6, abs=1e-4)  # four of the six pairs differ
