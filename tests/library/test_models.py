"""Models that are not whole or of another kind: a refusal is one sentence, true, and comes before all loading."""

import json
import shutil
import warnings

import pytest
import torch

from dreamtext_lib.distillation import prior as priors
from dreamtext_lib.distillation.models import check_folder
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.zoo import MODELS

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 3456789\n"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(MODELS / "tiny", tmp_path / "model")
    return tmp_path / "model"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def pointers(folder):
    for file in folder.rglob("*.safetensors"):
        file.write_text(POINTER, encoding="utf-8")


def shorten(folder, keep):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:keep])


def pickled(folder):
    (folder / UNET).rename((folder / UNET).with_suffix(".bin"))


def variants(folder):
    for file, name in zip(sorted(folder.rglob("*.safetensors")), ("fp16", "bf16", "fp16")):
        file.rename(file.with_suffix(f".{name}.safetensors"))


def config(folder, part, **values):
    change(folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json"), **values)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pointers, "is a pointer of Git LFS and not the file itself; run 'git lfs pull'"),
        (lambda f: (f / "unet/config.json").write_text(POINTER, encoding="utf-8"), "is a pointer of Git LFS"),
        (lambda f: shorten(f, 0), "is cut short or broken; get the model again"),
        (lambda f: shorten(f, 1000), "is cut short or broken; get the model again"),
        (lambda f: shorten(f, 10_000_000), "is cut short or broken: 10,000,000 bytes of 1"),
        (lambda f: (f / UNET).write_bytes(b"\x02" + bytes(7) + b"[]"), "is cut short or broken; get the model again"),
        (pickled, "are pickled, and nothing is unpickled here; get the model as safetensors"),
        (variants, "have weights of no common variant"),
        (lambda f: (f / UNET).unlink(), "diffusion_pytorch_model.safetensors' is missing; get the model again"),
        (lambda f: shutil.rmtree(f / "unet"), "its folder 'unet' is missing; get it again"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "its folder 'tokenizer' is missing; get it again"),
        (lambda f: (f / "tokenizer/tokenizer.json").unlink(), "its tokenizer has no vocabulary"),
        (lambda f: (f / "vae/config.json").unlink(), "vae/config.json' is missing"),
        (lambda f: (f / "unet/config.json").write_text("{", encoding="utf-8"), "unet/config.json' is not valid JSON"),
        (lambda f: (f / "unet/config.json").write_bytes(b'{"a": "\xe9"}'), "unet/config.json' is not valid JSON"),
        (lambda f: (f / "model_index.json").write_text("[1]", encoding="utf-8"), "holds no JSON object"),
        (lambda f: (f / "model_index.json").unlink(), "it has no model_index.json"),
        (lambda f: change(f / "model_index.json", text_encoder_2=["a", "B"]), "has a second text encoder"),
        (lambda f: change(f / "model_index.json", unet=[None, None]), "has no unet; distillation needs"),
        (lambda f: change(f / "model_index.json", unet=None), "has no unet; distillation needs"),
        (lambda f: change(f / "model_index.json", unet=True), "has no unet; distillation needs"),
        (lambda f: change(f / "model_index.json", unet={"a": 1}), "has no unet; distillation needs"),
        (lambda f: config(f, "unet", in_channels=9), "takes 9 channels and gives 4, .* made for inpainting"),
        (lambda f: config(f, "unet", in_channels=7, out_channels=3), "takes 7 channels and gives 3"),
        (
            lambda f: config(f, "unet", addition_embed_type="text_time"),
            r"more than a text \(addition_embed",
        ),
        (lambda f: config(f, "unet", time_cond_proj_dim=256), r"wants more than a text \(time_cond_proj_dim\)"),
        (lambda f: config(f, "unet", cross_attention_dim=768), "attends to 768 numbers a token"),
        (lambda f: config(f, "scheduler", prediction_type="sample"), "predicts 'sample'"),
        (lambda f: config(f, "scheduler", num_train_timesteps=50), "was trained with 50 time steps"),
    ],
)
def test_what_is_no_stable_diffusion_is_refused_before_it_is_loaded(spoil, words, folder, monkeypatch):
    monkeypatch.setattr(priors.StableDiffusionPipeline, "from_pretrained", lambda *_, **__: pytest.fail("was loaded"))
    spoil(folder)
    with pytest.raises(ValueError, match=words) as caught:
        load_prior(str(folder))
    assert "\n" not in str(caught.value) and "neither a folder" not in str(caught.value)


def test_weights_of_another_shape_are_refused_in_one_sentence(folder):
    config(folder, "unet", block_out_channels=[64, 64, 64])
    with pytest.raises(ValueError, match="cannot be read: ") as caught:
        load_prior(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./nothing", "/nothing/here", "a/b/c", "..\\nothing"])
def test_a_path_that_is_not_there_is_called_a_folder(name):
    with pytest.raises(ValueError, match="there is no folder"):
        load_prior(name)


@pytest.mark.parametrize("alone", [False, True])
def test_a_model_with_half_precision_alone_is_read(alone, folder, prior):
    for file in [folder / UNET] if alone else list(folder.rglob("*.safetensors")):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert check_folder(folder) == "fp16"
    got = load_prior(str(folder))
    assert got.dtype == torch.float32
    z, t = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([400])
    a, b = (p.eps(z, t, p.encode_text(["a red mug"])) for p in (prior, got))
    assert a.std() > 0.1 and torch.equal(a, b)  # the tiny model's weights are stored in half precision


@pytest.mark.parametrize("silent", [None, "1"])
def test_loading_says_nothing_and_leaves_the_libraries_as_they_were(silent, monkeypatch, capfd):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", silent and True)
    logs = (priors.diffusers_log, priors.transformers_log)
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_prior(str(MODELS / "tiny"))
    assert capfd.readouterr() == ("", "")
    if not silent:
        assert [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs] == before
    for log in logs:
        log.enable_progress_bar() if not silent else None
