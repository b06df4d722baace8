"""How much seeds differ by way of images (experiments.diversity): which runs are compared, and paired differences."""

import json
from types import SimpleNamespace

import pytest
import torch

from experiments import diversity, seeds

FIVE = {(r, "a mug", seed): {"class_share": 0.5} for r in ("base", "fitfusion") for seed in range(5)}
PAIRS = {(r, "a mug", seed): {"class_share": 0.5} for r in ("plain", "through-image") for seed in (0, 1)}


@pytest.fixture(autouse=True)
def looks(monkeypatch):
    """Results that are grey pictures, and a judge whose unit vector turns with the grey."""

    def images(x):
        angle = x.mean((1, 2, 3))
        return torch.stack([angle.cos(), angle.sin()], 1)

    def grey(values, count):
        return torch.tensor(values)[:count, None, None, None, None].expand(-1, 8, 64, 64, 3)

    monkeypatch.setattr(diversity, "load_judge", lambda: SimpleNamespace(images=images))
    monkeypatch.setattr(diversity, "finished", lambda home: SimpleNamespace(volume=float(home.parent.name)))
    look = lambda volume, cameras: SimpleNamespace(frames=torch.full((len(cameras), 64, 64, 3), volume))  # noqa: E731
    monkeypatch.setattr(diversity, "look_at", look)
    monkeypatch.setattr(diversity, "sampled_frames", lambda model, prompt, cameras, count: grey([0.2, 0.4], count))
    monkeypatch.setattr(diversity, "true_frames", lambda words, cameras, count: grey([0.0, 1.0], count))


def test_distances_are_those_between_the_seeds_of_one_recipe_and_prompt(tmp_path):
    runs = {
        ("plain", "a mug", 0): (tmp_path / "0.5", {}),
        ("plain", "a mug", 1): (tmp_path / "0.5", {}),
        ("through-image", "a mug", 0): (tmp_path / "0.5", {}),
        ("through-image", "a mug", 1): (tmp_path / "0.6", {}),
        ("through-image", "a fish", 0): (tmp_path / "0.9", {}),
        ("alone", "a mug", 0): (tmp_path / "0.1", {}),
    }
    found = diversity.measured(runs, "a mug", ["plain", "through-image", "alone"])
    apart = {k: 1 - torch.tensor(2 * gap).cos().item() for k, gap in {"way": 0.1, "drawn": 0.2, "true": 1.0}.items()}
    assert found == {
        "plain": pytest.approx(0, abs=1e-4),
        "through-image": pytest.approx(apart["way"], abs=1e-4),
        "drawn": pytest.approx(apart["drawn"], abs=1e-4),
        "true": pytest.approx(apart["true"], abs=1e-4),
    }


def test_differences_are_paired_over_prompts():
    found = {"a": {"plain": 0.1, "new": 0.3}, "b": {"plain": 0.2, "new": 0.6}, "c": {"plain": 0.9}}
    assert diversity.gaps(found, "new", "plain")[:1] == (pytest.approx(0.3),)
    assert diversity.gaps(found, "new", "plain").count == 2 and diversity.gaps(found, "new", "other") is None


def test_the_program_reads_a_sweep_and_writes_what_it_found(fake_sweep, tmp_path, monkeypatch, capsys):
    folder = fake_sweep("trial", PAIRS, kind="sample")
    monkeypatch.setattr(diversity, "finished", lambda home: SimpleNamespace(volume=0.5))
    monkeypatch.setattr("sys.argv", ["diversity", str(folder), "--out", str(tmp_path / "found.json")])
    diversity.main()
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["distances"]["a mug"]["through-image"] == pytest.approx(0, abs=1e-4)
    assert found["recognised"] == {"plain": 0.5, "through-image": 0.5}
    assert "through-image - plain: +0.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "rows", "words"),
    [
        (seeds, {("base", "a mug", 0): {"class_share": 0.5}}, "lacks 9 finished jobs, ('base', 'a mug', 1) first"),
        (seeds, {("other", "a mug", 0): {"class_share": 0.5}}, "holds no finished job of base or fitfusion"),
        (seeds, {**FIVE, ("base", "a fish", 0): None}, "lacks 10 finished jobs, ('base', 'a fish', 0) first"),
        (diversity, {("plain", "a mug", 0): {"class_share": 0.5}}, "lacks two finished jobs of plain on 'a mug'"),
        (diversity, {**PAIRS, ("plain", "a fish", 0): None}, "lacks two finished jobs of plain on 'a fish'"),
        (diversity, {**PAIRS, ("new", "a mug", 0): {"error": "it broke"}}, "lacks two finished jobs of new on 'a mug'"),
    ],
)
def test_a_sweep_that_is_not_done_is_refused_in_a_sentence(
    program, rows, words, fake_sweep, tmp_path, monkeypatch, capsys
):
    folder = fake_sweep("trial", rows, kind="sample")
    monkeypatch.setattr("sys.argv", ["program", str(folder), "--out", str(tmp_path / "found.json")])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert words in capsys.readouterr().err and not (tmp_path / "found.json").exists()


@pytest.mark.parametrize("program", [seeds, diversity])
def test_a_folder_that_is_not_there_is_refused_in_a_sentence(program, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["program", str(tmp_path / "nope")])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert "there is no folder" in capsys.readouterr().err
