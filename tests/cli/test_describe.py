"""`dreamtext describe`: what a run leaves, how it goes on, what dreams with it, and what it says to bad images."""

import json
import os
import re

import numpy as np
import pytest
import torch
from commands import run
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open

from dreamtext_lib import cli
from dreamtext_lib.cli.learned import teach
from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.files import write_tensors
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.viewing.pictures import write_picture
from dreamtext_lib.words import training
from dreamtext_lib.words.files import read_rows
from dreamtext_lib.words.rows import ids_of
from dreamtext_lib.zoo import MODELS

SHORT = ["--steps", "2", "--batch", "1", "--look-every", "1", "--patience", "0"]


@pytest.fixture(autouse=True, scope="module")
def few_draws():
    patch = pytest.MonkeyPatch()
    patch.setattr(training, "HELD", 2)
    patch.setattr("dreamtext_lib.cli.describe.ROUGH", 2)
    patch.setattr("dreamtext_lib.cli.describe.FINE", 2)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "my mug.png"
    write_picture(inputs()[5].picture(), path)
    return path


@pytest.fixture(scope="module")
def described(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mug"
    assert cli.main(["describe", str(image), "--out", str(folder), "--seed", "3", *SHORT]) == 0
    return folder


def test_a_run_folder_holds_all_that_it_promises(described, image):
    assert {p.name for p in described.iterdir()} == {
        "recipe.json", "checkpoint.safetensors", "log.jsonl", "preview.png", "image.png", "search.md", "search.png",
        "words.safetensors", "textual_inversion.safetensors",
    }  # fmt: skip
    record = json.loads((described / "recipe.json").read_text(encoding="utf-8"))
    assert (record["kind"], record["noun"], record["seed"], record["model"]) == ("words", "mug", 3, "tiny")
    assert record["source"] == str(image.resolve()) and record["image"] == "image.png"
    assert record["sentence"] in (described / "search.md").read_text(encoding="utf-8").splitlines()[-1]
    shown, true = (np.asarray(Image.open(p)).astype(int) for p in (described / "image.png", image))
    assert shown.shape == (64, 64, 3) and np.abs(shown - true).mean() < 1
    assert Image.open(described / "preview.png").width > 5 * 128
    lines = (described / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2] and json.loads(lines[-1])["held"] > 0


def test_the_textual_inversion_loads_into_plain_diffusers(described):
    plain = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", use_safetensors=True)
    plain.load_textual_inversion(described / "textual_inversion.safetensors")
    with safe_open(described / "textual_inversion.safetensors", "pt") as file:
        prompt = json.loads(file.metadata()["prompt"])
    assert prompt == "an image of a <mug-words> mug" and "<mug-words>" in plain.tokenizer.get_vocab()


def test_a_stopped_run_goes_on_to_the_same_words(image, described, tmp_path, capsys, monkeypatch):
    words = json.loads((described / "recipe.json").read_text(encoding="utf-8"))
    told = ["--noun", "mug", "--words", ",".join(words["descriptors"]), "--seed", "3", *SHORT]
    walk = training.Words.run

    def failing(self):
        for record in walk(self):
            yield record
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Words, "run", failing)
    status, _, err = run(capsys, "describe", image, "--out", tmp_path / "half", *told)
    assert status == 130 and not (tmp_path / "half" / "words.safetensors").exists()
    status, _, err = run(capsys, "dream", "--words", tmp_path / "half")
    assert status == 1 and f"are not done; go on with: dreamtext describe --resume '{tmp_path / 'half'}'" in err
    monkeypatch.undo()
    status, out, _ = run(capsys, "describe", "--resume", tmp_path / "half")
    assert status == 0 and "go on with: dreamtext dream --words" in out and "load_textual_inversion(file, token=" in out
    ended = [read_rows(f / "words.safetensors") for f in (tmp_path / "half", described)]
    assert ended[0][:2] == ended[1][:2] and torch.equal(ended[0].moved, ended[1].moved)
    status, _, err = run(capsys, "describe", image, "--resume", described)
    assert status == 1 and "drop the image" in err
    status, _, err = run(capsys, "describe", "--resume", described, "--rate", "1")
    assert status == 1 and "drop --rate" in err


def test_a_dream_takes_the_words_and_their_prompt_and_goes_on_with_them(described, tmp_path, capsys):
    short = ["--steps", "2", "--size", "8", "--samples", "8", "--recipe", "stable-dreamfusion", "--engine", "torch"]
    folder = tmp_path / "dream"
    seen = {}

    def stop(self):
        seen[len(seen)] = self.states["front"]
        raise ValueError("that will do")
        yield

    patch = pytest.MonkeyPatch()
    patch.setattr(Dream, "run", stop)
    sentence = json.loads((described / "recipe.json").read_text(encoding="utf-8"))["sentence"]
    status, out, _ = run(capsys, "dream", "--words", described, "--out", folder, *short)
    run(capsys, "dream", sentence, "--out", tmp_path / "plain", *short)
    patch.undo()
    assert f"dreaming '{sentence}'" in out and status == 1
    assert not torch.equal(seen[0], seen[1]) and torch.allclose(seen[0], seen[1], atol=0.5)


def test_a_folder_of_words_is_no_object(described, capsys):
    status, _, err = run(capsys, "export", described, "--out", described.parent / "x.glb")
    assert status == 1 and f"holds words, not an object; go on with: dreamtext dream --words '{described}'" in err
    status, _, err = run(capsys, "dream", "--resume", described)
    assert status == 1 and f"holds words, not a dream; use dreamtext describe --resume '{described}'" in err


def test_an_image_that_is_no_toy_is_warned_of_with_a_number(tmp_path, capsys, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    monkeypatch.setattr(training.Words, "run", lambda self: iter(()))
    _, _, err = run(capsys, "describe", tmp_path / "noise.png", "--out", tmp_path / "run", *SHORT)
    assert "warning: the model's own autoencoder gives the image back with an error of 0." in err
    assert "note: the background of" in err and "is not plain" in err


def test_words_outside_of_the_tiny_models_are_told_before_the_training(image, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.Words, "run", lambda self: iter(()))
    told = ["--noun", "sword", "--words", "green, shiny", "--out", tmp_path / "run"]
    _, _, err = run(capsys, "describe", image, *told, *SHORT)
    assert "note: the tiny model has never seen 'shiny', 'sword'; it knows castle, " in err
    number = r"'sword' has a similarity of -?0\.\d\d to the image, and the nouns of 14 toys have 0\.\d\d to theirs at"
    assert re.search(f"warning: {number} least: it may not be what the image shows", err), err


@pytest.mark.parametrize("kind", ["missing", "a folder", "empty", "text", "a link to itself", "one pixel", "CMYK"])
def test_a_bad_image_is_one_sentence_and_leaves_nothing(tmp_path, capsys, kind):
    path, out = tmp_path / "bad.png", tmp_path / "out"
    make = {
        "missing": lambda: None,
        "a folder": path.mkdir,
        "empty": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("hello", encoding="utf-8"),
        "a link to itself": lambda: os.symlink(path.name, path),
        "one pixel": lambda: Image.new("RGB", (1, 1)).save(path),
        "CMYK": lambda: Image.new("CMYK", (32, 32)).save(path, "JPEG"),
    }
    make[kind]()
    status, text, err = run(capsys, "describe", path, "--out", out)
    assert status == 1 and err.startswith("dreamtext: ") and err.count("\n") == 1 and "bad.png" in err and not text
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "name an image: a picture of one thing"),
        (["IMAGE", "--words", " , "], "--words is empty; give descriptors"),
        (["IMAGE", "--vocabulary", "none"], "there is no vocabulary 'none'"),
        (["IMAGE", "--clip", "./none"], "there is no folder './none'"),
        (["IMAGE", "--noun", "mug", "--words", "mug"], "every piece of 'mug' stands elsewhere"),
        (["IMAGE", "--t-min", "9", "--t-max", "3"], "t_min is 9, above t_max, which is 3"),
    ],
)
def test_mistakes_are_one_sentence(image, tmp_path, capsys, flags, sentence):
    told = [image if f == "IMAGE" else f for f in flags]
    status, _, err = run(capsys, "describe", *told, "--out", tmp_path / "out")
    assert status == 1 and sentence in err.splitlines()[-1] and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flag", "text", "sentence"),
    [
        ("--noun", " ", "--noun is empty; say what the thing is"),
        ("--noun", "mug\udcff", r"--noun is 'mug\udcff': the prompt holds bytes that are no text"),
        ("--noun", "mu\x1bg", r"--noun is 'mu\x1bg': the prompt holds a control code of a terminal"),
        ("--words", "red, ta\udcffll", r"--words is 'red, ta\udcffll': the prompt holds bytes that are no text"),
        ("--words", "re\0d, tall", r"--words is 're\x00d, tall': the prompt holds a control code of a terminal"),
    ],
)
def test_words_that_no_dream_takes_are_refused_before_a_model_is_read(image, capsys, monkeypatch, flag, text, sentence):
    monkeypatch.setattr("dreamtext_lib.cli.describe.prior_of", lambda *_: pytest.fail("a model is read"))
    status, out, err = run(capsys, "describe", image, flag, text)
    assert (status, out) == (1, "") and err.startswith(f"dreamtext: {sentence}") and err.count("\n") == 1


def test_a_dream_of_an_image_describes_it_first(image, described, tmp_path, capsys, monkeypatch):
    told = {}

    def describe(a):
        told.update(image=a.image, out=a.out, seed=a.seed, model=a.model, mask=a.mask, last=a.last)
        os.symlink(described, a.out)
        return 0

    def stop(self):
        told.update(prompt=self.prompt, words=self.words)
        raise ValueError("that will do")
        yield

    monkeypatch.setattr("dreamtext_lib.cli.describe.run", describe)
    monkeypatch.setattr(Dream, "run", stop)
    out, short = tmp_path / "dream", ["--recipe", "stable-dreamfusion", "--size", "8", "--engine", "torch"]
    status, _, err = run(
        capsys, "dream", "--image", image, "--out", out, "--seed", 4, "--model", "tiny", "--mask", image, *short
    )
    assert status == 1 and "that will do" in err and told["mask"] == image and not told["last"]
    assert (told["image"], told["out"], told["seed"]) == (image, tmp_path / "dream-words", 4)
    assert told["words"] == str(described / "words.safetensors") and told["prompt"].endswith(" mug")
    status, _, err = run(capsys, "dream", "a mug", "--image", image)
    assert status == 1 and "--image finds its own words; drop --words and the prompt" in err
    status, _, err = run(capsys, "dream", "a mug", "--mask", image)
    assert status == 1 and "--mask is given, but no image; name one with --image" in err


def test_a_network_that_learned_dreams_too(image, tmp_path, capsys, monkeypatch):
    folder, told = tmp_path / "mug", ["--recipe", "low-rank", "--noun", "mug", "--longest", "1", *SHORT]
    status, out, _ = run(capsys, "describe", image, "--out", folder, *told)
    assert status == 0 and "training low-rank changes of the U-Net, of 'an image of a mug'" in out
    assert "pytorch_lora_weights.safetensors: for diffusers; the prompt is 'an image of a mug'" in out
    assert not (folder / "textual_inversion.safetensors").exists()
    seen = []

    def stop(self):
        seen.append(self.prior.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2.to_q").weight)
        raise ValueError("that will do")
        yield

    monkeypatch.setattr(Dream, "run", stop)
    short = ["--recipe", "stable-dreamfusion", "--size", "8", "--engine", "torch"]
    for flags in (["--words", folder], ["a mug"]):
        status, _, err = run(capsys, "dream", *flags, "--out", tmp_path / f"dream-{len(seen)}", *short)
        assert status == 1 and "that will do" in err
    assert not torch.equal(*seen)


def test_a_prompt_without_any_word_that_was_learned_is_told(prior, tmp_path, capsys):
    (place,) = ids_of(prior.tokenizer, "red")
    own = prior.text_encoder.get_input_embeddings().weight[[place]].clone()
    about = {"sentence": "an image of a red mug", "tokens": [prior.tokenizer.convert_ids_to_tokens(place)]}
    write_tensors(tmp_path / "words.safetensors", {"rows": own}, about | {"places": [place]})
    for prompt, told in (("a blue mug", True), ("a red castle", False)):
        teach(prior, str(tmp_path / "words.safetensors"), prompt)
        note = f"note: '{prompt}' has none of the tokens that were learned ({about['tokens'][0]}): a plain dream\n"
        assert capsys.readouterr().err == note * told


def test_a_whole_embedding_hears_no_prompt_and_takes_no_negative_one(prior, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(prior, "encode_text", prior.encode_text)  # which the embedding replaces
    sentence, file = "an image of a red mug", tmp_path / "words.safetensors"
    write_tensors(file, {"embedding": prior.encode_text([sentence]) + 1}, {"sentence": sentence})
    with pytest.raises(ValueError, match=r"the negative prompt 'blurry' would mean what the prompt does, .* without a"):
        teach(prior, str(file), sentence, "blurry")
    teach(prior, str(file), sentence)
    assert capsys.readouterr().err == ""
    teach(prior, str(file), "a fish")
    assert capsys.readouterr().err == (
        f"note: 'a fish' and its view words are not heard: the whole embedding of '{sentence}' stands for every text\n"
    )
