"""The model card (experiments.model_card): what it remembers of a training."""

import json

import torch

from dreamtext_lib.files import write_tensors
from experiments import model_card


def test_a_checkpoint_behind_the_log_ends_the_curve_of_its_own_stage_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(model_card, "HISTORY", tmp_path / "history.json")
    for stage, logged in (("autoencoder", 10), ("clip", None)):  # the CLIP's training wrote no line yet
        (tmp_path / stage).mkdir()
        if logged:
            (tmp_path / stage / "log.jsonl").write_text(json.dumps({"step": logged, "psnr": 20.0}), encoding="utf-8")
        write_tensors(
            tmp_path / stage / "checkpoint.safetensors", {"x": torch.zeros(1)}, {"step": 12 if logged else 13}
        )
    kept = model_card.remember(tmp_path, "round 9")
    assert [(r["stage"], r["step"], r["value"]) for r in kept] == [("autoencoder", 10, 20.0), ("autoencoder", 12, 20.0)]


def test_the_card_says_how_many_words_hold_their_colour(tmp_path):
    assert model_card.words(tmp_path / "none.json") == ""
    things = [
        {"thing": f"thing {x}", "sentence": "an image", "plain words": 0.1, "learned words": x} for x in (0.05, 0.051)
    ]
    (tmp_path / "held.json").write_text(json.dumps({"steps": 600, "lowest t": 400, "things": things}), encoding="utf-8")
    text = model_card.words(tmp_path / "held.json")
    assert "1 of 2 things keep it" in text and "| thing 0.051 | an image | 0.100 | 0.051 |" in text
