"""Low-rank changes of the U-Net: their formula, that nothing else moves, a resume, and how diffusers reads the file."""

from copy import deepcopy
from importlib.util import find_spec
from itertools import islice

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from dreamtext_lib.distillation.prior import LatentPrior
from dreamtext_lib.files import write_tensors
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.words import training
from dreamtext_lib.words.files import put_rows, read_rows, save_rows
from dreamtext_lib.words.low_rank import LowRank
from dreamtext_lib.words.recipe import RECIPES
from dreamtext_lib.words.sentence import Sentence
from dreamtext_lib.words.training import Words, samples
from dreamtext_lib.zoo import MODELS

PICTURE = inputs()[5].picture().permute(2, 0, 1)
MUG = Sentence("mug", ("green",))
RECIPE = RECIPES["toy"]["low-rank"].with_fields(steps=4, batch=1, look_every=2, rate=1e-2)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(training, "HELD", 4)


def answer(prior):
    """What the U-Net says to one noise."""
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return prior.eps(z, torch.tensor([500]), prior.encode_text(["a mug"]))


def some_changes(prior):
    """Changes that are not 0."""
    made, generator = LowRank(prior, 3, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(2)
    for b in made.up:
        nn.init.normal_(b, std=0.1, generator=generator)
    return made


def test_a_layer_answers_as_if_it_had_other_weights(prior):
    made = some_changes(prior)
    layer = prior.unet.get_submodule(made.names[0])
    x = torch.randn(2, 5, layer.in_features, generator=torch.Generator().manual_seed(3))
    plain = layer(x)
    with made.read_by(prior):
        seen = layer(x)
    weight = layer.weight + made.up[0] @ made.down[0]
    expected = x @ weight.t() + (0 if layer.bias is None else layer.bias)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(seen, plain, atol=1e-2) and torch.equal(layer(x), plain)
    assert made.down[0].shape == (3, layer.in_features) and made.up[0].shape == (layer.out_features, 3)


def test_every_attention_is_changed_and_at_first_by_nothing(prior):
    made = LowRank(prior, 2, torch.Generator().manual_seed(0))
    attentions = [name for name, _ in prior.unet.named_modules() if name.endswith(("attn1", "attn2"))]
    assert len(made.names) == 4 * len(attentions) > 0
    before = answer(prior)
    with made.read_by(prior):
        assert torch.equal(answer(prior), before)
    assert torch.stack([a.std() for a in made.down]).mean().item() == pytest.approx(1 / 2, rel=0.05)


def test_they_learn_and_nothing_else_does(prior):
    before, said = {k: v.clone() for k, v in prior.unet.state_dict().items()}, answer(prior)
    words = Words(PICTURE, Sentence("mug"), prior, RECIPE.with_fields(steps=12, look_every=12))
    first = words.look()
    records = list(words.run())
    assert records[0].stay == 0 and records[-1].stay > 0  # the anchor is what the unchanged network says
    assert words.look() < first and all(b.abs().max() > 0 for b in words.rows.up)
    assert all(torch.equal(v, before[k]) for k, v in prior.unet.state_dict().items())
    assert torch.equal(answer(prior), said) and not any(p.requires_grad for p in prior.unet.parameters())
    with words.rows.read_by(prior):
        assert not torch.equal(answer(prior), said)


def test_a_training_goes_on_bit_for_bit(prior, tmp_path):
    whole, half, other = (Words(PICTURE, MUG, prior, RECIPE, seed) for seed in (3, 3, 4))
    assert not torch.equal(whole.rows.down[0], other.rows.down[0])
    list(whole.run())
    list(islice(half.run(), 2))
    half.save(tmp_path)
    again = Words(PICTURE, MUG, prior, RECIPE, 3)
    again.load(tmp_path)
    list(again.run())
    assert all(map(torch.equal, whole.rows.parameters(), again.rows.parameters()))


def test_put_into_a_model_for_good_they_say_the_same(prior, tmp_path):
    made = some_changes(prior)
    save_rows(tmp_path / "words.safetensors", MUG, made)
    with made.read_by(prior):
        expected = answer(prior)
    copy = LatentPrior(deepcopy(prior.pipeline))
    put_rows(copy, learned := read_rows(tmp_path / "words.safetensors"))
    assert learned.sentence == MUG.text
    torch.testing.assert_close(answer(copy), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(
    find_spec("peft") is None, reason="peft, through which diffusers reads such files, is not installed"
)
def test_plain_diffusers_reads_the_file_and_draws_the_same(prior, tmp_path):
    made = some_changes(prior)
    save_rows(tmp_path / "pytorch_lora_weights.safetensors", MUG, made)
    plain = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    plain.load_lora_weights(tmp_path)
    drawn = plain(MUG.text, guidance_scale=5, num_inference_steps=3, output_type="np", generator=torch.manual_seed(0))
    ours = samples(prior, made, [MUG.text], guidance=4.0, steps=3, seed=0)
    torch.testing.assert_close(torch.from_numpy(drawn.images), ours, rtol=0, atol=2e-3)
    untouched = samples(prior, LowRank(prior), [MUG.text], guidance=4.0, steps=3, seed=0)
    assert (untouched - ours).abs().max() > 0.05


def test_changes_of_another_model_and_broken_files_are_refused(prior, tmp_path):
    made, file = some_changes(prior), tmp_path / "words.safetensors"
    about, before = {"sentence": MUG.text}, prior.unet.state_dict()
    first = f"unet.{sorted(made.names)[-1]}.lora_A.weight"
    write_tensors(file, made.tensors | {first: torch.zeros(3, 7)}, about)
    with pytest.raises(
        ValueError, match=r"are of \d+ x 7 weights, and this model has \d+ x \d+ weights; use the model"
    ):
        put_rows(prior, read_rows(file))
    write_tensors(file, {"unet.x.lora_A.weight": torch.zeros(3, 7), "unet.x.lora_B.weight": torch.zeros(5, 3)}, about)
    with pytest.raises(ValueError, match=r"changes of 'x' are of 5 x 7 weights, and this model has no such layer"):
        put_rows(prior, read_rows(file))
    assert all(torch.equal(v, before[k]) for k, v in prior.unet.state_dict().items())
    write_tensors(file, made.tensors | {first: torch.full((3, 7), torch.nan)}, about)
    with pytest.raises(ValueError, match="holds numbers that are not finite"):
        read_rows(file)
    for broken in ({first: torch.zeros(3, 7)}, made.tensors | {"rows": torch.zeros(1, 2)}):
        write_tensors(file, broken, about)
        with pytest.raises(ValueError, match="holds no learned words"):
            read_rows(file)
