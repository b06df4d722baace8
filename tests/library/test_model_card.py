"""The model card (experiments.model_card): what it remembers of a training."""

import json

import torch

from dreamtext_lib.runs import write_tensors
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
