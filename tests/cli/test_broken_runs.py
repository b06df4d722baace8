"""Run folders that are not whole, or of another kind or version: each command says why in one sentence."""

import json
import shutil

import pytest
import torch
from commands import run

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.recipe import RECIPES
from dreamtext_lib.files import read_tensors, write_tensors
from dreamtext_lib.fitting.recipe import FitRecipe
from dreamtext_lib.runs import Log, write_record

RECIPE = RECIPES["toy"]["fitfusion"].with_fields(steps=1, size=8, voxels=8, levels=2)


@pytest.fixture(scope="module")
def whole(prior, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    Dream("a red mug", prior, RECIPE, 5, "tiny").save(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path, prior, monkeypatch):
    monkeypatch.setattr("dreamtext_lib.distillation.prior.load_prior", lambda *_: prior)
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def record(folder, **changes):
    values = json.loads((folder / "recipe.json").read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in values.items() if value is not None}
    (folder / "recipe.json").write_text(json.dumps(kept), encoding="utf-8")


def raw(folder, data):
    (folder / "recipe.json").write_bytes(data)


def cut(folder, keep):
    file = folder / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:keep])


def rewritten(folder, change):
    tensors, meta = read_tensors(folder / "checkpoint.safetensors")
    change(tensors, meta)
    write_tensors(folder / "checkpoint.safetensors", tensors, meta)


def a_folder(folder):
    (folder / "checkpoint.safetensors").unlink()
    (folder / "checkpoint.safetensors").mkdir()


def changed(**fields):
    return RECIPE.values() | fields


@pytest.mark.parametrize(
    ("spoil", "words", "looks"),  # looks: whether view and export refuse it too
    [
        (lambda f: raw(f, b"{"), "recipe.json' is not valid JSON", True),
        (lambda f: raw(f, b'{"prompt": "a r\xe9d mug"}'), "recipe.json' is not valid JSON", True),
        (lambda f: raw(f, b"[]"), "holds no JSON object", True),
        (lambda f: (f / "recipe.json").unlink(), "recipe.json is missing", True),
        (lambda f: record(f, kind="fit", capture="x"), "holds a fit, not a dream; use dreamtext fit", False),
        (lambda f: record(f, recipe=None), "lacks 'recipe'", True),
        (lambda f: record(f, prompt=None), "lacks 'prompt'", True),
        (lambda f: record(f, seed="x"), "has the seed 'x'", True),
        (lambda f: record(f, seed=True), "has the seed True", True),
        (lambda f: record(f, kind=["dream"]), "has the kind ['dream']; it must be a text", True),
        (lambda f: record(f, prompt=["a mug"]), "has the prompt ['a mug']; it must be a text", True),
        (lambda f: record(f, model=5), "has the model 5; it must be a text", True),
        (lambda f: record(f, engine="steam"), "has the engine 'steam'; it must be one of torch, onnxruntime", False),
        (lambda f: rewritten(f, lambda t, m: m.update(step=9)), "is of step 9, its recipe has 1 steps", False),
        (lambda f: (f / "log.jsonl").write_bytes(b"\xff"), "log.jsonl' cannot be read (it holds bytes that", False),
        (lambda f: record(f, recipe=changed(sparkle=1)), "has a field 'sparkle' that this version does not", False),
        (lambda f: record(f, recipe=changed(steps="x")), "steps is 'x'; it must be a whole number", False),
        (lambda f: record(f, recipe={"steps": 1}), "lacks the field 'space'; another version wrote it", False),
        (lambda f: record(f, recipe=RECIPE.with_fields(levels=3).values()), "of another recipe or version", False),
        (lambda f: cut(f, 0), "checkpoint.safetensors' is cut short or broken", True),
        (lambda f: cut(f, 500), "checkpoint.safetensors' is cut short or broken", True),
        (lambda f: cut(f, -100), "checkpoint.safetensors' is cut short or broken", True),
        (a_folder, "checkpoint.safetensors is missing", True),
        (lambda f: rewritten(f, lambda t, m: t.pop(next(n for n in t if n.startswith("field")))), "version", True),
        (lambda f: rewritten(f, lambda t, m: m.pop("step")), "another version of dreamtext wrote it", True),
        (lambda f: rewritten(f, lambda t, m: m.pop("volume")), "holds no volume", True),
    ],
)
def test_a_run_that_is_not_whole_is_refused_in_one_sentence(spoil, words, looks, folder, tmp_path, capsys):
    spoil(folder)
    commands = [["dream", "--resume", folder]]
    if looks:
        commands += [["export", folder, "--out", tmp_path / "m.glb"], ["view", folder, "--page", tmp_path / "p.html"]]
    if words == "holds no volume":  # what looks needs, and what goes on does without
        commands = commands[1:]
    for command in commands:
        before = sorted(p.name for p in folder.iterdir())
        status, _, err = run(capsys, *command)
        assert status == 1 and words in err, (command, err)
        assert err.startswith("dreamtext: ") and err.count("\n") == 1
        assert sorted(p.name for p in folder.iterdir()) == before and [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"sparkle": 1}, "has a field 'sparkle' that this version does not know"),
        ({"steps": "x"}, "steps is 'x'; it must be a whole number"),
        (
            {"descent": {**FitRecipe().descent.values(), "rate_net": float("inf")}},
            "rate_net is inf; it must be a finite number",
        ),
        ({"pictures": {**FitRecipe().pictures.values(), "cut_out": 1}}, "cut_out is 1; it must be of the kind bool"),
        ({"batch": 2048}, "has a field 'batch' that this version does not know"),  # from before recipes were nested
        ({"kind": "splat"}, "kind is 'splat'; choose one of hash, vanilla, hierarchical"),
        ("x", "the recipe is 'x'"),
    ],
)
def test_the_recipe_of_a_fit_is_read_with_care(recipe, words, tmp_path, capsys):
    values = FitRecipe().values() | recipe if isinstance(recipe, dict) else recipe
    write_record(tmp_path, "fit", {"capture": "x", "seed": 0}, values)
    write_tensors(tmp_path / "checkpoint.safetensors", {"x": torch.zeros(1)})
    status, _, err = run(capsys, "fit", "--resume", tmp_path)
    assert status == 1 and words in err and err.count("\n") == 1


def test_a_broken_line_of_the_log_is_dropped(folder):
    (folder / "log.jsonl").write_text('{"step": 0}\n{"st', encoding="utf-8")
    assert Log(folder / "log.jsonl", keep=0).lines == ['{"step": 0}']


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: record(f, recipe="x"), "holds no recipe of a dream; another program wrote it"),
        (lambda f: record(f, recipe={"steps": 1}), "holds no recipe of a dream; another program wrote it"),
        (lambda f: record(f, recipe={"score": {"guidance": "x"}}), "holds no recipe of a dream"),
        (lambda f: record(f, kind="fit"), "lacks 'capture'"),
        (lambda f: record(f, kind="fit", capture="x", recipe={}), "holds no recipe of a fit"),
        (lambda f: record(f, kind="sculpture"), "holds a sculpture, which this version does not know"),
    ],
)
def test_a_record_that_says_too_little_is_refused_by_whatever_looks_at_it(spoil, words, folder, tmp_path, capsys):
    spoil(folder)
    for command in (["export", folder, "--out", tmp_path / "m.glb"], ["view", folder, "--page", tmp_path / "p.html"]):
        status, _, err = run(capsys, *command)
        assert status == 1 and words in err and err.count("\n") == 1, err
    if "dream" in words:
        status, _, err = run(capsys, "score", folder)
        assert status == 1 and words in err and err.count("\n") == 1, err


def test_a_run_goes_on_without_the_engine_that_it_found_when_told_so(folder, capsys, monkeypatch):
    def stop(self):
        raise ValueError("that will do")
        yield

    monkeypatch.setattr("dreamtext_lib.distillation.graph.at_hand", lambda: False)
    monkeypatch.setattr(Dream, "run", stop)
    record(folder, engine="onnxruntime")
    status, _, err = run(capsys, "dream", "--resume", folder)
    assert status == 1 and "or use --engine torch, with --resume too" in err
    status, _, err = run(capsys, "dream", "--resume", folder, "--engine", "torch")
    assert "note: begun with onnxruntime, goes on with torch: the bits are those of neither alone" in err
    assert status == 1 and err.endswith("that will do\n")
