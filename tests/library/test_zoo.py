"""The shipped models load without code of ours and do what the card says; training resumes bit for bit."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from dreamtext_lib.files import write_tensors
from dreamtext_lib.toybox.dataset import batches, gather, write
from dreamtext_lib.toybox.objects import vocabulary
from dreamtext_lib.zoo import (
    MODELS,
    PIPELINES,
    architectures,
    make,
    resolve,
    scores,
    train_autoencoder,
    train_clip,
    train_pixels,
    train_unet,
)
from dreamtext_lib.zoo.make import Budget, Zoo
from dreamtext_lib.zoo.negatives import KINDS, kind
from dreamtext_lib.zoo.scores import NEW_COLOURS, plain_objects, sample_labels, samples
from dreamtext_lib.zoo.train_clip import change_one, fits, leave_out
from dreamtext_lib.zoo.training import average, schedule, train
from dreamtext_lib.zoo.zeroshot import COLUMNS, NOTHING, ZeroShot, sentence

# What the shipped weights must hold on pictures made here. The card has the figures on the full held-out set.
FLOORS = json.loads((MODELS / "floors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def held():
    return gather(batches(448, seed=4_000_007, workers=1), 448)


@pytest.fixture(scope="module")
def judge():
    return ZeroShot.load(MODELS / "judge")


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_load_as_any_stable_diffusion(name):
    pipe = StableDiffusionPipeline.from_pretrained(resolve(name), safety_checker=None)
    assert isinstance(pipe.scheduler, DDIMScheduler) and isinstance(pipe.tokenizer, CLIPTokenizer)
    out = [
        pipe("a red mug", num_inference_steps=3, generator=torch.Generator().manual_seed(1), output_type="np").images
        for _ in range(2)
    ]
    assert out[0].shape == (1, 64, 64, 3) and np.array_equal(*out)


def test_weights_are_safetensors_in_half_precision_and_small():
    files = [p for p in MODELS.rglob("*") if p.is_file()]
    assert not [p for p in files if p.suffix in (".bin", ".pt", ".pkl", ".ckpt", ".py")]
    for path in files:
        if path.suffix == ".json":
            assert not re.search(r"_name_or_path|/(home|root|work|Users|tmp)/", path.read_text(encoding="utf-8")), path
    weights = [p for p in files if p.suffix == ".safetensors"]
    assert len(weights) >= 8 and sum(p.stat().st_size for p in weights) < 40e6
    for path in weights:
        assert {t.dtype for t in load_file(path).values() if t.is_floating_point()} == {torch.float16}, path


def test_autoencoder(held):
    pipe = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", safety_checker=None)
    assert train_autoencoder.psnr(pipe.vae, held.pixels(slice(128))) > FLOORS["autoencoder psnr"]
    for name, rgb in NEW_COLOURS.items():
        assert train_autoencoder.psnr(pipe.vae, plain_objects(rgb, 2)) > FLOORS["plain objects psnr"], name
    z = train_autoencoder.latents(pipe.vae, held) * pipe.vae.config.scaling_factor
    assert z.float().std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["clip", "judge"])
def test_clips_name_what_they_see(name, held):
    clip = ZeroShot.load(MODELS / name)
    x = held.pixels(slice(None))
    for column, floor in FLOORS[name].items():
        clear = held.clear[:, COLUMNS[column]]
        right = clip.right(x, held.labels, column, nothing=name == "judge")[clear].float().mean().item()
        assert right > floor, (column, right)


@pytest.mark.parametrize("what", KINDS)
def test_the_judge_calls_nothing_nothing(what, held, judge):
    rng = np.random.default_rng(11)
    x = torch.stack([kind(p, what, rng) for p in held.pixels(slice(0, 64))])
    called = judge.classes(x, nothing=True).argmax(1) == NOTHING
    assert called.float().mean() > FLOORS["nothing"][what]


def test_samples_are_what_was_asked(judge):
    labels = sample_labels(1)
    x = samples(MODELS / "tiny", labels)
    for column, floor in FLOORS["samples"].items():
        assert judge.right(x, labels, column, nothing=True).float().mean() > floor, column


def test_every_word_is_one_token(tmp_path):
    made, shipped = architectures.tokenizer(tmp_path), CLIPTokenizer.from_pretrained(MODELS / "tiny" / "tokenizer")
    for word in vocabulary():
        assert len(made.tokenize(word)) == 1
        assert made(word).input_ids == shipped(word).input_ids
    assert len(made.tokenize("dragon")) > 1 and made.unk_token_id not in made("dragon ü").input_ids[1:-1]


def test_a_clip_keeps_what_it_knows_when_words_are_added(tmp_path, monkeypatch):
    shipped = ZeroShot.load(MODELS / "clip")
    words = [*vocabulary(), "turquoise", "dragon"]
    monkeypatch.setattr(architectures, "vocabulary", lambda: words)
    tokenizer = architectures.tokenizer(tmp_path)
    clip = architectures.clip(tokenizer)
    architectures.transplant(shipped.model, shipped.tokenizer, clip, tokenizer)
    more, texts = ZeroShot(clip, tokenizer), ["an image of a tall, red castle, front view", "a spotted fish"]
    torch.testing.assert_close(more.texts(texts), shipped.texts(texts), atol=1e-5, rtol=0)
    assert len(tokenizer.tokenize("turquoise")) == 1 < len(shipped.tokenizer.tokenize("turquoise"))


def test_fronts_and_backs_are_drawn_as_often_as_asked():
    data = gather(batches(448, seed=1, size=8, workers=1), 448)
    chance = train_unet.chances(data, (0.4, 0.1, 0.4, 0.1))
    drawn = data.labels[torch.multinomial(chance, 4000, True, generator=torch.Generator().manual_seed(0)), 4]
    shares = drawn.bincount(minlength=4) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.4, 0.1, 0.4, 0.1]), atol=0.03, rtol=0)
    assert train_unet.chances(data, None).unique().numel() == 1


def test_captions_and_what_they_are_true_of():
    labels = torch.tensor([[0, 0, 1, 1, 0], [0, 3, 0, 0, 2]])
    assert sentence((0, 0, 1, 1, 0)) == "an image of a tall, red, striped castle, front view"
    assert sentence((NOTHING, -1, -1, -1, -1)) == "an image of nothing"
    rng = np.random.default_rng(0)
    clear = torch.tensor([[True] * 5, [True, False, True, True, True]])
    for _ in range(20):
        said = leave_out(labels, clear, rng)
        assert fits(labels, said).diagonal().all() and said[1, 1] == -1  # a colour on a border is left unsaid
        assert not fits(labels, change_one(labels, rng)).diagonal().any()
    assert fits(labels, torch.tensor([[0, -1, -1, -1, -1]])).all()


def small_stage(name):
    torch.manual_seed(0)
    data = gather(batches(28, seed=1, workers=1), 28)
    tokenizer = CLIPTokenizer.from_pretrained(MODELS / "clip")
    if name == "autoencoder":
        return train_autoencoder.stage(architectures.autoencoder(), data, batch=3)
    if name == "unet":
        encoder = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", safety_checker=None).text_encoder
        z = torch.randn(28, 4, 16, 16, generator=torch.Generator().manual_seed(0))
        return train_unet.stage(architectures.unet(), encoder, tokenizer, architectures.scheduler(), data, z, batch=2)
    return train_clip.stage(
        architectures.clip(tokenizer), tokenizer, data, batch=8, judge=name == "judge", text=name != "image tower"
    )


@pytest.mark.parametrize("name", ["autoencoder", "clip", "image tower", "judge", "unet"])
def test_training_resumes_bit_for_bit(name, tmp_path):
    whole = small_stage(name)
    losses = [r["loss"] for r in train(whole, 4, tmp_path / "whole")]
    first = train(small_stage(name), 4, tmp_path / "parts", every=2)
    assert [next(first)["loss"] for _ in range(2)] == losses[:2]
    next(first)  # the checkpoint of step 2 is written; step 3 is lost
    rest = small_stage(name)
    assert [r["loss"] for r in train(rest, 4, tmp_path / "parts")] == losses[2:]
    for a, b in zip(whole.modules["model"].parameters(), rest.modules["model"].parameters()):
        assert torch.equal(a, b)


def test_training_lowers_the_loss(tmp_path):
    losses = [r["loss"] for r in train(small_stage("autoencoder"), 40, tmp_path)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_the_whole_zoo_from_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "STEPS", 2)  # of what is drawn to be scored
    budget = Budget(112, 112, 112, 112, 3, 3, 2, 3, 2, 3, 2)
    zoo = Zoo(tmp_path / "work", budget)
    zoo.make(tmp_path / "models", each=1)
    found = json.loads((tmp_path / "models" / "scores.json").read_text(encoding="utf-8"))
    assert set(found["samples"]) >= {"tiny", "tiny-front"}
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "models" / "tiny-front", safety_checker=None)
    assert pipe("a mug", num_inference_steps=2, output_type="np").images.shape == (1, 64, 64, 3)


def test_a_trial_neither_poisons_the_data_nor_takes_the_place_of_the_models(tmp_path, monkeypatch, capsys):
    pictures = gather(batches(16, seed=1, size=8, workers=1), 16)
    write(pictures, tmp_path / "held.safetensors")
    assert len(make.data(tmp_path, "held", 16)) == 16
    with pytest.raises(
        ValueError, match=r"held\.safetensors' holds 16 pictures, not 3,584; name another --work, or delete"
    ):
        make.data(tmp_path, "held", 3_584)
    write_tensors(tmp_path / "latents.safetensors", {"latents": torch.zeros(3, 4, 16, 16)})
    with pytest.raises(ValueError, match=r"latents\.safetensors' holds 3 pictures, not 16; name"):
        make.encoded(tmp_path / "latents.safetensors", None, pictures)
    made = []
    monkeypatch.setattr(Zoo, "make", lambda self, models: made.append((self.work, models)))
    for given in ([], ["--work", str(tmp_path)], ["--models", str(tmp_path)]):
        monkeypatch.setattr("sys.argv", ["make", "--scale", "0.001", *given])
        with pytest.raises(SystemExit, match="2"):
            make.main()
        assert "--scale is 0.001: name --work and --models too" in capsys.readouterr().err and not made
    monkeypatch.setattr("sys.argv", ["make", "--scale", "0.001", "--work", "trial", "--models", "trial/models"])
    make.main()
    monkeypatch.setattr("sys.argv", ["make"])
    make.main()
    assert [tuple(map(str, pair)) for pair in made] == [("trial", "trial/models"), ("zoo-work", str(MODELS))]


def test_the_model_of_pixels_refuses_renders_of_another_count(tmp_path, monkeypatch, capsys):
    write_tensors(tmp_path / "pixels.safetensors", {"pictures": torch.zeros(5, 3, 32, 32, dtype=torch.uint8)})
    monkeypatch.setattr(train_pixels, "train", lambda *_: pytest.fail("it trains"))
    monkeypatch.setattr("sys.argv", ["train_pixels", "--work", str(tmp_path), "--models", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        train_pixels.main()
    assert "pixels.safetensors' holds 5 pictures, not 14,336; name another --work" in capsys.readouterr().err
    for other in (["--count", "5"], ["--steps", "5"]):  # and a trial does not take the place of the shipped model
        monkeypatch.setattr("sys.argv", ["train_pixels", "--work", str(tmp_path), *other])
        with pytest.raises(SystemExit, match="2"):
            train_pixels.main()
        assert "would replace the shipped model, which has 14,336 and 20,000; name another" in capsys.readouterr().err


def test_models_are_trained_further(tmp_path, monkeypatch):
    """`start` and `only`: the stages that are named move, all others stay what they were."""
    monkeypatch.setattr(scores, "STEPS", 2)
    shutil.copytree(MODELS, tmp_path / "first", ignore=shutil.ignore_patterns("*.png"))
    budget = Budget(112, 112, 112, 112, 2, 2, 2, 2, 2, 2, 2)
    only = ("clip-image", "judge-image", "unet", "front", "export")
    Zoo(tmp_path / "work", budget, tmp_path / "first", only).make(tmp_path / "second", each=1)

    def moved(part):
        a, b = (load_file(next((tmp_path / run / part).glob("*.safetensors"))) for run in ("first", "second"))
        assert a.keys() == b.keys()
        return {name for name in a if not torch.equal(a[name], b[name])}

    assert not moved("tiny/vae") and not moved("tiny/text_encoder") and moved("tiny/unet") and moved("tiny-front/unet")
    for name in ("clip", "judge"):
        changed = moved(name)
        assert changed and not [part for part in changed if part.startswith("text")]
    configs = [
        json.loads((tmp_path / run / "tiny/vae/config.json").read_text(encoding="utf-8")) for run in ("first", "second")
    ]
    assert configs[0]["scaling_factor"] == configs[1]["scaling_factor"]


def test_the_schedule_of_rates_is_transformers_after_its_warm_up():
    from transformers import get_wsd_schedule

    steps = 400
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_wsd_schedule(optimiser, 100, steps // 2, num_training_steps=steps, min_lr_ratio=0.02)
    rates = [schedule(step / steps, step) for step in range(steps)]
    assert rates[0] == pytest.approx(0.01) and rates[49] == pytest.approx(0.5)  # linear, from 1/100 in the first step
    for step in range(steps):
        if step >= 100:
            assert theirs.get_last_lr()[0] == pytest.approx(rates[step], abs=1e-9), step
        optimiser.step()
        theirs.step()


def test_the_moving_average_of_weights_is_that_of_diffusers():
    from diffusers.training_utils import EMAModel

    generator = torch.Generator().manual_seed(0)
    net, mine = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    mine.load_state_dict(net.state_dict())
    theirs = EMAModel(net.parameters(), decay=0.5)
    for step in range(12):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn(p.shape, generator=generator))
        average(mine, net, step, 0.5)
        theirs.step(net.parameters())
        if step == 0:  # theirs copies the first, ours takes 1/10 of what was there into it
            theirs.shadow_params = [p.detach().clone() for p in mine.parameters()]
        else:
            for a, b in zip(mine.parameters(), theirs.shadow_params):
                torch.testing.assert_close(a.detach(), b)
