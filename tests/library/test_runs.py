"""Files are whole or absent; a checkpoint holds all that a run needs."""

import errno
import json

import pytest
import torch
from torch import nn

from dreamtext_lib import files, runs


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_two_writers_of_one_file_leave_it_whole(tmp_path, monkeypatch):
    path, sync = tmp_path / "a.bin", files.os.fsync

    def between(file):
        monkeypatch.setattr(files.os, "fsync", sync)
        files.write_bytes(path, b"second")
        assert path.read_bytes() == b"second"

    monkeypatch.setattr(files.os, "fsync", between)
    files.write_bytes(path, b"first")
    assert path.read_bytes() == b"first" and [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    files.write_bytes(tmp_path / ("é" * 127), b"a name as long as systems allow")


def test_the_working_folder_can_be_filled(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with files.whole_folder(".") as partial:
        (partial / "a").touch()
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["a"] and [p.name for p in tmp_path.iterdir()] == ["here"]


def test_tensors_and_values_come_back(tmp_path):
    files.write_tensors(tmp_path / "t.safetensors", {"a": torch.arange(6).reshape(2, 3).T}, {"step": 7, "name": "ü"})
    tensors, meta = files.read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(tensors["a"], torch.arange(6).reshape(2, 3).T) and meta == {"step": 7, "name": "ü"}


def test_a_resumed_optimiser_goes_on_bit_for_bit(tmp_path):
    def parts():
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        return net, torch.optim.Adam(net.parameters(), lr=0.1)

    def steps(net, optimiser, count, start=0):
        for i in range(start, start + count):
            optimiser.zero_grad()
            net(torch.full((1, 3), float(i))).square().sum().backward()
            optimiser.step()

    net, optimiser = parts()
    steps(net, optimiser, 6)
    half, half_optimiser = parts()
    steps(half, half_optimiser, 3)
    files.write_tensors(tmp_path / "c.safetensors", runs.pack({"net": half}, {"o": half_optimiser}))
    again, again_optimiser = parts()
    runs.unpack(files.read_tensors(tmp_path / "c.safetensors")[0], {"net": again}, {"o": again_optimiser})
    steps(again, again_optimiser, 3, start=3)
    assert torch.equal(net.weight, again.weight) and torch.equal(net.bias, again.bias)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: [t.pop(name) for name in list(t) if name.startswith("o/")], "o has no state after 1 steps"),
        (lambda t: t.update({"o/0/exp_avg": torch.zeros(2, 4)}), "o/0/exp_avg has the shape .2, 4., not .2, 3."),
        (lambda t: t.update({"o/7/step": t["o/0/step"]}), "o/7 is the state of no parameter"),
        (lambda t: t.pop("o/1/exp_avg_sq"), "o/1 is the state of no parameter, or lacks what others have"),
    ],
)
def test_the_state_of_another_optimiser_is_refused(spoil, words):
    net = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(net.parameters())
    runs.unpack(runs.pack({"net": net}, {"o": optimiser}), {"net": net}, {"o": optimiser})  # from before its first step
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    tensors = runs.pack({"net": net}, {"o": optimiser})
    runs.unpack(tensors, {"net": net}, {"o": optimiser}, 1)
    spoil(tensors)
    with pytest.raises(ValueError, match=f"the checkpoint is of another recipe or version .*{words}"):
        runs.unpack(tensors, {"net": net}, {"o": optimiser}, 1)


def test_a_resumed_log_drops_what_follows_its_checkpoint(tmp_path):
    log = runs.Log(tmp_path / "log.jsonl")
    for step in (10, 20, 30):
        log({"step": step})
    runs.Log(tmp_path / "log.jsonl", keep=20)({"step": 25})
    lines = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [10, 20, 25]


def test_a_stream_depends_on_seed_step_and_purpose_alone():
    seeds = [0, 1, 2**32, 2**63, 2**64 - 1]
    drawn = {
        (seed, step, purpose): torch.rand(4, generator=runs.stream(seed, step, purpose)).tolist()
        for seed in seeds
        for step in (0, 1, 2**32 - 1)
        for purpose in ("noise", "light", "eso")
    }
    assert len({tuple(v) for v in drawn.values()}) == len(drawn)
    assert torch.rand(4, generator=runs.stream(1, 1, "light")).tolist() == drawn[1, 1, "light"]
    for wrong in ((-1, 0), (2**64, 0), (0, -1), (0, 2**32)):
        with pytest.raises(ValueError, match="64"):
            runs.stream(*wrong, "noise")


def written(folder):
    runs.write_record(folder, "dream", {"prompt": "a mug", "seed": 2**64 - 1}, {"steps": 3})
    files.write_tensors(folder / "checkpoint.safetensors", {"a": torch.ones(100)}, {"step": 3})
    return folder


def test_a_record_comes_back(tmp_path):
    values = runs.read_record(written(tmp_path), "dream", ("prompt",))
    assert (values["prompt"], values["seed"], values["recipe"]) == ("a mug", 2**64 - 1, {"steps": 3})
    assert (values["format"], values["words"], values["image"]) == (runs.FORMAT, None, None)
    runs.write_record(tmp_path, "dream", {"seed": 1, "words": "cat.safetensors", "image": "/pictures/cat.png"}, {})
    values = runs.read_record(tmp_path)
    assert (values["words"], values["image"]) == ("cat.safetensors", "/pictures/cat.png")
    files.write_json(tmp_path / "recipe.json", {"kind": "fit", "seed": 1, "recipe": {}})  # from before formats
    assert runs.read_record(tmp_path, "fit") == {"kind": "fit", "seed": 1, "recipe": {}, "words": None, "image": None}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "recipe.json").unlink(), "recipe.json is missing"),
        (lambda f: (f / "checkpoint.safetensors").unlink(), "checkpoint.safetensors is missing"),
        (lambda f: (f / "recipe.json").write_bytes(b'{"kind": '), "not valid JSON"),
        (lambda f: (f / "recipe.json").write_bytes(b"\xff\xfe"), "not valid JSON"),
        (lambda f: files.write_json(f / "recipe.json", [1]), "no JSON object"),
        (lambda f: files.write_json(f / "recipe.json", {"kind": "dream", "seed": 1}), "lacks 'recipe'"),
        (lambda f: files.write_json(f / "recipe.json", {"kind": "dream", "seed": -1, "recipe": {}}), "the seed -1"),
        (lambda f: files.write_json(f / "recipe.json", {"kind": "dream", "seed": 1, "recipe": {}}), "lacks 'prompt'"),
        (lambda f: runs.write_record(f, "fit", {"seed": 1}, {}), "holds a fit, not a dream"),
        (
            lambda f: files.write_json(f / "recipe.json", {"format": runs.FORMAT + 1}),
            "a later dreamtext wrote; this one",
        ),
        (
            lambda f: files.write_json(f / "recipe.json", {"format": "new"}),
            "the format 'new'; it must be a whole number",
        ),
        (lambda f: runs.write_record(f, "dream", {"seed": 1, "prompt": "", "words": 3}, {}), "has the words 3"),
        (lambda f: runs.write_record(f, "dream", {"seed": 1, "prompt": "", "image": []}, {}), "has the image "),
    ],
)
def test_what_is_no_dream_is_refused_in_one_sentence(spoil, words, tmp_path):
    spoil(written(tmp_path))
    with pytest.raises(ValueError, match=words) as refused:
        runs.read_record(tmp_path, "dream", ("prompt",))
    assert "\n" not in str(refused.value)


def test_a_checkpoint_that_is_cut_short_is_refused_in_one_sentence(tmp_path):
    path = written(tmp_path) / "checkpoint.safetensors"
    whole = path.read_bytes()
    for length in (0, 5, 60, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut short or broken"):
            files.read_tensors(path)


def test_a_log_drops_lines_that_are_broken(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step": 2, "lo\n{"step": 9}\n', encoding="utf-8")
    assert runs.Log(tmp_path / "log.jsonl", keep=5).lines == ['{"step": 1}']
