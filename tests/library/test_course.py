"""The course of a dream (experiments.course): which dreams of a file are kept."""

import json
import sys
from dataclasses import asdict

import pytest

from dreamtext_lib.distillation.recipe import TOY_BASE
from experiments.course import NAMES, half_way, kept, main, summary
from experiments.gather import MEASURED


def test_dreams_of_another_recipe_are_not_mixed_with_those_that_are_missing(tmp_path):
    file, rows = tmp_path / "course.json", [{"prompt": "a mug", "seed": 0, "moments": []}]
    assert kept(file, TOY_BASE) == []
    file.write_text(json.dumps({"recipe": asdict(TOY_BASE), "rows": rows}), encoding="utf-8")
    assert kept(file, TOY_BASE) == rows
    with pytest.raises(ValueError, match=r"course\.json' have steps 500, not 20; choose another --out"):
        kept(file, TOY_BASE.with_fields(steps=20))
    earlier = asdict(TOY_BASE)
    del earlier["regular"]["photo_weight"]  # a field that came later
    file.write_text(json.dumps({"recipe": earlier, "rows": rows}), encoding="utf-8")
    assert kept(file, TOY_BASE) == rows


def test_half_of_the_way_is_done_at_the_first_moment_behind_it():
    assert half_way([0.0, 0.1, 0.2, 0.6, 0.5, 0.9, 1.0, 1.0, 1.0]) == 0.2
    assert half_way([4.0, 3.0, 2.5, 2.1, 2.0, 1.0, 0.5, 0.2, 0.0]) == 0.3


def test_a_dream_without_a_half_way_is_left_out_of_that_numbers_pairs_and_counted():
    course = json.loads((MEASURED / "course.json").read_text(encoding="utf-8"))
    found = summary(course["rows"])
    assert found == course["summary"]
    moment = {"outline": 0.0, "colour": float("nan"), "detail": float("nan")}  # an empty object
    empty = {"prompt": "a mug", "seed": 9, "moments": [moment] * 8 + [moment | {"outline": 1.0}]}
    both = summary([*course["rows"], empty])
    assert both["without a half-way"] == {"outline": 0, "colour": 1, "detail": 1}
    assert both["dreams"] == found["dreams"] + 1
    for name in NAMES[1:]:
        assert both["half-way after the outline's"][name] == found["half-way after the outline's"][name]
        assert both["half-way"][name] == found["half-way"][name] and both["means"][name] == found["means"][name]
    alone = summary([empty])
    assert alone["half-way after the outline's"] == {"colour": None, "detail": None} and not alone["holds"]


def test_one_dream_has_no_interval_that_could_hold():
    late = [{"outline": 1.0, "colour": float(i > 4), "detail": float(i > 4)} for i in range(1, 9)]
    row = {"prompt": "a mug", "seed": 0, "moments": [dict.fromkeys(NAMES, 0.0), *late]}
    assert not summary([row])["holds"] and summary([row, row])["holds"]


def test_a_run_too_short_for_its_moments_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["course", "--steps", "19", "--out", str(tmp_path / "course.json")])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--steps is 19, but 8 moments of a run need at least 20 steps" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
