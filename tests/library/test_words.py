"""Learned words: which rows move and that no other does, what is done to copies, resuming, stopping, and the files."""

import gzip
import hashlib
from copy import deepcopy
from itertools import islice
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from dreamtext_lib.distillation.prior import LatentPrior
from dreamtext_lib.distillation.prompts import view_states
from dreamtext_lib.files import write_tensors
from dreamtext_lib.runs import write_record
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.words import training
from dreamtext_lib.words.augment import augmented
from dreamtext_lib.words.files import new_prompt, new_word, put_rows, read_rows, save_inversion, save_rows
from dreamtext_lib.words.known import Known, warnings
from dreamtext_lib.words.recipe import RECIPES, Augment, WordsRecipe
from dreamtext_lib.words.rows import Rows, pieces
from dreamtext_lib.words.sentence import Sentence
from dreamtext_lib.words.training import Words, read_words, samples
from dreamtext_lib.zoo import MODELS

BYTE_PAIRS = Path(__file__).parents[1] / "data" / "bpe_simple_vocab_16e6.txt.gz"  # of OpenAI's CLIP, MIT licence
PICTURE = inputs()[5].picture().permute(2, 0, 1)
MUG = Sentence("mug", ("green", "furry"))
SHORT = WordsRecipe(steps=2, batch=1, look_every=1, patience=0)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(training, "HELD", 4)


def real_tokenizer(pad: str) -> CLIPTokenizer:
    """CLIP's own tokenizer, from its byte pairs."""
    lines = gzip.decompress(BYTE_PAIRS.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(c + "</w>" for c in letters), *map("".join, merges), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(tokens)}
    return CLIPTokenizer(vocab, merges, pad_token=pad, model_max_length=77)


@pytest.fixture(scope="module", params=["<|endoftext|>", "!"], ids=["filled by the end", "filled by !"])
def real(prior, request):
    """A prior with CLIP's vocabulary and a text encoder of random weights, beside the tiny U-Net and autoencoder."""
    tokenizer = real_tokenizer(request.param)
    config = CLIPTextConfig(
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    return LatentPrior(pipeline(prior, CLIPTextModel(config), tokenizer))


def pipeline(prior, text_encoder, tokenizer) -> StableDiffusionPipeline:
    parts = {"vae": prior.vae, "unet": prior.unet, "scheduler": deepcopy(prior.pipeline.scheduler)}
    return StableDiffusionPipeline(
        **parts,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def marks(prior) -> dict[str, str]:
    """The hash of every parameter and buffer of a prior; of the token table, that of every row."""
    found = {}
    for part in ("unet", "vae", "text_encoder"):
        for name, tensor in getattr(prior, part).state_dict().items():
            rows = enumerate(tensor) if name.endswith("token_embedding.weight") else [("", tensor)]
            found |= {f"{part}.{name}{i}": hashlib.sha256(t.numpy().tobytes()).hexdigest() for i, t in rows}
    return found


def test_the_vocabulary_is_that_of_clip():
    assert real_tokenizer("!")("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_pieces_of_words_one_or_many(prior, real):
    assert [p.token for p in pieces(prior.tokenizer, Sentence("mug", ("green", "tall")))] == ["green</w>", "tall</w>"]
    strange = pieces(prior.tokenizer, Sentence("mug", ("glove",)))  # letters, each a token
    assert "".join(p.token for p in strange).replace("</w>", "") == "glove" and len(strange) > 1
    twice = pieces(prior.tokenizer, Sentence("mug", ("zz", "zz")))
    assert [p.token for p in twice] == ["z", "z</w>"]
    many = pieces(real.tokenizer, Sentence("teddy", ("photosynthesizing", "red", "grey-ish!")))
    assert len(many) >= 4 and many[0].token.startswith("photo") and all(p.token != "!</w>" for p in many[:-1])
    assert not {p.place for p in many} & set(real.tokenizer.all_special_ids)


def test_pieces_that_the_rest_of_the_sentence_has_stay(prior):
    with pytest.raises(ValueError, match="no word describes the noun in 'an image of a mug', so there is nothing"):
        pieces(prior.tokenizer, Sentence("mug"))
    with pytest.raises(ValueError, match="every piece of 'view', 'front' stands elsewhere in 'an image of a view, fr"):
        pieces(prior.tokenizer, Sentence("mug", ("view", "front")))
    shared = pieces(prior.tokenizer, Sentence("zebra", ("zen",)))
    assert [p.token for p in shared] == ["n</w>"]  # z and e stand in the noun


def test_pieces_that_are_joined_to_a_comma_do_not_learn(real):
    for commas in ("between", "all"):
        learn = pieces(real.tokenizer, Sentence("teddy", ("?", "red"), commas=commas))
        assert [p.token for p in learn] == ["red</w>"]
    with pytest.raises(ValueError, match=r"every piece of '\?' is joined to a comma in 'an image of a \?, teddy'"):
        pieces(real.tokenizer, Sentence("teddy", ("?",), commas="all"))


def test_a_sentence_that_no_dream_takes_is_refused_before_it_is_trained(prior):
    long = Sentence("mug", ("red", "blue", "tall", "wide", "green", "plain", "pink", "black"))
    assert len(prior.tokenizer(long.text).input_ids) <= 24  # without a view word there is room
    for name in ("words", "low-rank"):
        with pytest.raises(ValueError, match=r"red, blue, .* is 25 tokens long and the model takes 24"):
            Words(PICTURE, long, prior, RECIPES["toy"][name])
    assert Words(PICTURE, long, prior, RECIPES["toy"]["embedding"]).rows.moved.shape[1] == 24
    with pytest.raises(ValueError, match="holds a control code of a terminal"):
        Words(PICTURE, Sentence("mug", ("r\x1bed",)), prior, SHORT)


def test_training_moves_the_rows_and_nothing_else(prior, real):
    for p in (prior, real):
        before, words = marks(p), Words(PICTURE, MUG, p, SHORT)
        start = words.rows.moved.detach().clone()
        assert [r.step for r in words.run()] == [1, 2]
        assert (words.rows.moved != start).all() and marks(p) == before
        assert not any(q.requires_grad or q.grad is not None for m in (p.unet, p.vae) for q in m.parameters())
        assert not any(q.requires_grad for q in p.text_encoder.parameters())


def test_rows_in_the_table_change_those_rows_alone(prior, tmp_path):
    words, copy = Words(PICTURE, MUG, prior, SHORT), LatentPrior(deepcopy(prior.pipeline))
    list(words.run())
    save_rows(tmp_path / "words.safetensors", MUG, words.rows)
    before = marks(copy)
    put_rows(copy, learned := read_rows(tmp_path / "words.safetensors"))
    changed = {name for name, mark in marks(copy).items() if mark != before[name]}
    assert learned.sentence == MUG.text and torch.equal(learned.moved, words.rows.moved)
    assert changed == {
        f"text_encoder.embeddings.token_embedding.weight{p.place}" for p in words.rows.pieces
    } or changed == {f"text_encoder.text_model.embeddings.token_embedding.weight{p.place}" for p in words.rows.pieces}
    states = view_states(copy, MUG.text)
    for word in ("front", "side"):
        assert torch.equal(states[word], words.rows.states(prior, [f"{MUG.text}, {word} view"]))
    assert torch.equal(states[""], prior.encode_text([""]))


def test_a_plain_pipeline_loads_the_words_as_new_tokens_and_draws_the_same(prior, real, tmp_path):
    for p, sentence in ((prior, MUG), (real, Sentence("teddy", ("photosynthesizing", "red", "woolly"), commas="all"))):
        words = Words(PICTURE, sentence, p, SHORT)
        with torch.no_grad():
            words.rows.moved += torch.randn(words.rows.moved.shape, generator=torch.Generator().manual_seed(0)) / 50
        save_inversion(tmp_path / "inversion.safetensors", sentence, words.rows, p)
        if p is prior:
            plain = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", use_safetensors=True)
        else:
            fresh = CLIPTextModel(real.text_encoder.config)
            fresh.load_state_dict(real.text_encoder.state_dict())
            plain = pipeline(prior, fresh, real_tokenizer(real.tokenizer.pad_token))
        rows = len(plain.tokenizer)
        plain.load_textual_inversion(tmp_path / "inversion.safetensors")
        assert len(plain.tokenizer) > rows + 2
        for view in ("", ", side view"):
            asked, own = plain.encode_prompt(new_prompt(sentence) + view, "cpu", 1, False)[0], words.rows
            torch.testing.assert_close(asked, own.states(p, [sentence.text + view]), rtol=0, atol=0)
        how = {"guidance_scale": 5.0, "num_inference_steps": 2, "output_type": "np"}
        drawn = plain(new_prompt(sentence), generator=torch.Generator().manual_seed(7), **how).images
        mine = samples(p, words.rows, [sentence.text], guidance=4.0, steps=2, seed=7)
        assert torch.equal(torch.from_numpy(drawn), mine)
        assert not torch.allclose(mine, samples(p, Rows(p, sentence), [sentence.text], steps=2, seed=7), atol=1e-3)


def test_a_new_word_is_none_that_there_is():
    assert new_word(Sentence("ice cream")) == "<ice-cream-words>" and new_word(Sentence("鱼")) == "<thing-words>"
    assert new_prompt(Sentence("castle", ("old", "tall"))) == "an image of an <castle-words> castle"


def test_two_words_of_one_noun_go_into_one_pipeline(prior, tmp_path):
    plain = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", use_safetensors=True)
    for name, word in (("first", "<mug-words>"), ("second", "<mine>")):
        rows = Rows(prior, MUG)
        with torch.no_grad():
            rows.moved += torch.randn(rows.moved.shape, generator=torch.Generator().manual_seed(len(name))) / 50
        save_inversion(tmp_path / f"{name}.safetensors", MUG, rows, prior)
        plain.load_textual_inversion(tmp_path / f"{name}.safetensors", token=None if name == "first" else word)
        asked = plain.encode_prompt(new_prompt(MUG).replace("<mug-words>", word), "cpu", 1, False)[0]
        torch.testing.assert_close(asked, rows.states(prior, [MUG.text]), rtol=0, atol=0)


def test_times_come_from_the_range(prior, monkeypatch):
    seen, eps = [], prior.eps
    monkeypatch.setattr(prior, "eps", lambda x, t, states: seen.extend(t.tolist()) or eps(x, t, states))
    recipe = SHORT.with_fields(t_min=697, t_max=699, stay_weight=0.0, batch=8, steps=2)
    assert [r.stay for r in Words(PICTURE, MUG, prior, recipe).run()] == [0, 0]
    assert set(seen) == {697, 698, 699} and len(seen) == 2 * 8 + 2 * 4  # and two looks


def test_words_fit_better_after_some_steps(prior):
    words = Words(PICTURE, Sentence("mug", ("red",)), prior, WordsRecipe(steps=12, batch=2, look_every=12, rate=3e-2))
    before = words.look()
    assert list(words.run())[-1].held < before


def test_a_run_resumes_bit_for_bit(prior, tmp_path):
    whole = Words(PICTURE, MUG, prior, SHORT, 5)
    records = list(whole.run())
    half = Words(PICTURE, MUG, prior, SHORT, 5, model="tiny", source="mug.png")
    list(islice(half.run(), 1))
    half.save(tmp_path)
    about, sentence, recipe = read_words(tmp_path)
    assert (about["source"], about["model"], about["sentence"]) == ("mug.png", "tiny", MUG.text)
    again = Words(PICTURE, sentence, prior, recipe, about["seed"])
    again.load(tmp_path)
    assert [r[:4] for r in again.run()] == [r[:4] for r in records[1:]]
    assert torch.equal(again.rows.moved, whole.rows.moved) and torch.equal(again.watch, whole.watch)


def test_the_held_loss_of_the_last_look_is_kept_by_a_checkpoint(prior, tmp_path):
    recipe = SHORT.with_fields(steps=4, look_every=2)
    whole = Words(PICTURE, MUG, prior, recipe, 5)
    held = [r.held for r in whole.run()]
    half, again = (Words(PICTURE, MUG, prior, recipe, 5) for _ in range(2))
    list(islice(half.run(), 2))
    half.save(tmp_path)
    again.load(tmp_path)
    assert [r.held for r in again.run()] == held[2:] and held[2] == held[1] != held[3] and held[0] != held[0]
    with pytest.raises(ValueError, match=r"is of step 2, its recipe has 1 steps; put back the recipe\.json"):
        Words(PICTURE, MUG, prior, recipe.with_fields(steps=1), 5).load(tmp_path)


def test_it_stops_where_the_words_learn_no_more(prior, monkeypatch, tmp_path):
    heights = iter([3.0, 2.0, 2.5, 2.0, 1.0])  # of the looks: the third and the fourth bring nothing

    def look(self):
        least, since = self.watch.tolist()
        held = next(heights)
        self.watch[:] = torch.tensor([held, 0.0] if held < least else [least, since + 1])
        return held

    monkeypatch.setattr(Words, "look", look)
    words = Words(PICTURE, MUG, prior, SHORT.with_fields(steps=50, look_every=1, patience=2))
    assert [r.step for r in words.run()] == [1, 2, 3, 4] and words.over
    words.save(tmp_path)
    again = Words(PICTURE, MUG, prior, words.recipe)
    again.load(tmp_path)
    assert list(again.run()) == []


def test_the_same_draws_at_every_look(prior):
    words = Words(PICTURE, MUG, prior, SHORT)
    assert words.look() == words.look() and words.watch[1] == 1


NONE = Augment(mirror_share=0.0, turn_share=0.0, blur_share=0.0, crop_share=0.0, grey_share=0.0, jitter_share=0.0)


def changed(**fields) -> torch.Tensor:
    return augmented(PICTURE, 64, NONE.with_fields(**fields), torch.Generator().manual_seed(0))


def test_each_augmentation_can_be_switched_off_and_is_as_frequent_as_its_share():
    assert torch.equal(changed(), PICTURE.expand(64, -1, -1, -1))
    for field in ("mirror_share", "turn_share", "blur_share", "crop_share", "grey_share", "jitter_share"):
        some = (changed(**{field: 0.5}, blur_min=1.0) != PICTURE).flatten(1).any(1).float().mean()
        assert 0.3 < some < 0.7 and (changed(**{field: 1.0}, blur_min=1.0) != PICTURE).flatten(1).any(1).all(), field
    out = augmented(PICTURE, 64, Augment(), torch.Generator().manual_seed(1))
    assert out.shape == (64, 3, 64, 64) and 0 <= out.min() and out.max() <= 1
    assert torch.equal(out, augmented(PICTURE, 64, Augment(), torch.Generator().manual_seed(1)))


def test_what_the_augmentations_do():
    assert torch.equal(changed(mirror_share=1.0), PICTURE.flip(-1).expand(64, -1, -1, -1))
    grey = changed(grey_share=1.0)
    by_hand = (PICTURE * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    torch.testing.assert_close(grey, by_hand.expand(64, 3, 64, 64))
    turned = changed(turn_share=1.0)
    torch.testing.assert_close(turned[:, :, 0, 0], torch.full((64, 3), 0.9), rtol=0, atol=2e-3)  # the wall fills in
    torch.testing.assert_close(turned.mean((0, 2, 3)), PICTURE.mean((1, 2)), rtol=0, atol=0.02)
    blurred = changed(blur_share=1.0)
    torch.testing.assert_close(blurred.mean((2, 3)), PICTURE.mean((1, 2)).expand(64, 3), rtol=0, atol=0.01)
    edges = [(x[..., 1:] - x[..., :-1]).abs().mean().item() for x in (blurred, PICTURE)]
    assert edges[0] < 0.9 * edges[1]


def test_a_crop_is_a_square_enlarged():
    axis = torch.linspace(0, 1, 64)
    ramp = torch.stack([axis.expand(64, 64), axis[:, None].expand(64, 64), torch.full((64, 64), 0.5)])
    out = augmented(ramp, 32, NONE.with_fields(crop_share=1.0), torch.Generator().manual_seed(0))
    across, down = out[:, 0, 0], out[:, 1, :, 0]  # (32, 64) each
    for line in (across, down):
        torch.testing.assert_close(line[:, -1] - line[:, 0], torch.full((32,), 0.8), rtol=0, atol=1e-3)
        assert line[:, 0].min() >= -1e-4 and line[:, 0].max() <= 0.2 + 1e-3 and line[:, 0].std() > 0.03


def test_jitter_changes_colours_by_a_tenth_and_no_place():
    flat = torch.tensor([0.6, 0.5, 0.4])[:, None, None].expand(3, 8, 8)
    out = augmented(flat, 256, NONE.with_fields(jitter_share=1.0), torch.Generator().manual_seed(0))
    assert (out.std((2, 3)) < 1e-5).all()
    light = out.mean((1, 2, 3)) / flat.mean()
    assert 0.8 < light.min() < 0.93 and 1.07 < light.max() < 1.22
    wide = augmented(flat, 256, NONE.with_fields(jitter_share=1.0, jitter=0.3), torch.Generator().manual_seed(0))
    assert wide.mean((1, 2, 3)).std() > 2 * out.mean((1, 2, 3)).std()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"t_min": 500, "t_max": 400}, "t_min is 500, above t_max, which is 400"),
        ({"rate": 0.0}, "rate is 0.0; it must be a finite number above 0"),
        ({"patience": -1}, "patience is -1; it must be a whole number, 0 or more"),
        ({"crop_side": 0.0}, "crop_side is 0; a square of no size cannot be enlarged"),
        ({"blur_min": 3.0}, r"blur_min is 3.0, above blur_max, which is 0.5"),
        ({"fit_weight": 0.0, "stay_weight": 0.0}, "are both 0, so nothing would move the words"),
    ],
)
def test_recipes_that_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        WordsRecipe().with_fields(**fields)


def test_the_recipe_of_the_thesis_has_its_numbers():
    r = RECIPES["toy"]["thesis"]
    assert (r.rate, r.t_min, r.t_max, r.fit_weight, r.stay_weight, r.batch, r.steps) == (3e-4, 0, 999, 1, 1, 1, 10_000)
    a = r.augment
    assert (a.mirror_share, a.turn_share, a.turn_degrees, a.blur_share, a.blur_min, a.blur_max) == (
        *(0.5, 0.9, 10, 0.25, 0.1, 2.0),
    )
    assert (a.crop_share, a.crop_side, a.grey_share, a.jitter_share, a.jitter) == (0.5, 0.8, 0.1, 0.5, 0.1)
    assert WordsRecipe.from_values(r.values()) == r


def test_words_that_do_not_fit_a_model_are_refused(prior, real, tmp_path):
    path = tmp_path / "words.safetensors"
    save_rows(path, MUG, Rows(prior, MUG))
    learned = read_rows(path)
    with pytest.raises(ValueError, match="learned with another tokenizer, which has 'green</w>' at place"):
        put_rows(real, learned)
    with pytest.raises(ValueError, match="rows of 3 numbers, and this model's have 128"):
        put_rows(prior, learned._replace(moved=learned.moved[:, :3]))
    write_tensors(path, {"rows": torch.zeros(2, 3)}, {"sentence": "x", "tokens": ["a"], "places": [1, 2]})
    with pytest.raises(ValueError, match="holds no learned words"):
        read_rows(path)
    write_tensors(path, {"rows": torch.full((1, 3), torch.nan)}, {"sentence": "x", "tokens": ["a"], "places": [1]})
    with pytest.raises(ValueError, match="holds numbers that are not finite"):
        read_rows(path)


def test_a_folder_of_something_else_holds_no_words(tmp_path):
    write_record(tmp_path, "dream", {"prompt": "a", "seed": 0}, {})
    write_tensors(tmp_path / "checkpoint.safetensors", {}, {"step": 0})
    with pytest.raises(ValueError, match="holds a dream, not words"):
        read_words(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("noun", value) for value in (None, "", " ", 5)),
        *(("descriptors", value) for value in (None, [1], "red", ["red", ""])),
        *(("article", value) for value in (5, "the", ["a"])),
        *(("commas", value) for value in ("q", None, [])),
    ],
)
def test_a_record_of_which_no_sentence_can_be_made_is_refused(tmp_path, name, value):
    parts = {"noun": "mug", "descriptors": ["red"], "article": "fitting", "commas": "between"} | {name: value}
    write_record(tmp_path, "words", {"source": "", "model": "tiny", "seed": 0} | parts, SHORT.values())
    write_tensors(tmp_path / "checkpoint.safetensors", {}, {"step": 0})
    with pytest.raises(ValueError) as refused:
        read_words(tmp_path)
    path = tmp_path / "recipe.json"
    assert str(refused.value).startswith(
        f"'{path}' has the {name} {value!r}, of which no sentence can be made; describe"
    )


def test_an_image_outside_of_a_few_toys_may_be_known_all_the_same():
    toys = Known(0.042, 0.25)
    assert warnings(Known(0.042, 0.25), toys, "bird") == []
    error, near = warnings(Known(0.0541, 0.1), toys, "bird")
    assert "an error of 0.054, and 14 toys with 0.042 at most: it may never have seen the like" in error
    assert near.startswith("the nearest noun, 'bird', has a similarity of 0.10 to the image, and the nouns of 14 toys")
    (given,) = warnings(Known(0.0, 0.1), toys, "sword", searched=False)
    assert given.startswith("'sword' has a similarity of 0.10") and "it may not be what the image shows" in given


def test_the_noun_learns_alone(prior):
    recipe, sentence = RECIPES["toy"]["noun"].with_fields(steps=2, batch=1, look_every=2), Sentence("mug")
    before = marks(prior)
    words = Words(PICTURE, sentence, prior, recipe)
    assert words.rows.what == "the rows of mug</w>"
    first = words.rows.moved.detach().clone()
    assert len(list(words.run())) == 2 and not torch.equal(first, words.rows.moved)
    assert marks(prior) == before
    with pytest.raises(ValueError, match="every piece of 'view' stands elsewhere in 'an image of a view'"):
        Words(PICTURE, Sentence("view"), prior, recipe)


def test_a_noun_that_learned_loads_in_plain_diffusers(prior, tmp_path):
    recipe = RECIPES["toy"]["noun"].with_fields(steps=3, batch=1, look_every=3, rate=5e-2)
    words = Words(PICTURE, Sentence("mug"), prior, recipe)
    list(words.run())
    save_inversion(tmp_path / "noun.safetensors", words.sentence, words.rows, prior, "noun")
    assert new_prompt(words.sentence, "noun") == "an image of a <mug-words>"
    plain = StableDiffusionPipeline.from_pretrained(MODELS / "tiny", safety_checker=None)
    plain.load_textual_inversion(tmp_path / "noun.safetensors")
    copy = LatentPrior(plain)
    torch.testing.assert_close(
        copy.encode_text([new_prompt(words.sentence, "noun")]), words.rows.states(prior, [words.sentence.text])
    )


def test_the_whole_embedding_learns_and_stands_for_every_text(prior, tmp_path):
    recipe = RECIPES["toy"]["embedding"].with_fields(steps=3, batch=1, look_every=3, rate=5e-2)
    before = marks(prior)
    words = Words(PICTURE, MUG, prior, recipe)
    first = words.rows.moved.detach().clone()
    assert torch.equal(first, prior.encode_text([MUG.text]))
    losses = [r.fit for r in words.run()]
    assert len(losses) == 3 and not torch.equal(first, words.rows.moved) and marks(prior) == before
    with words.rows.read_by(prior):
        states = view_states(prior, "a fish")
    assert all(torch.equal(states[word], words.rows.moved.detach()) for word in ("front", "side", "back", "overhead"))
    assert torch.equal(states[""], prior.encode_text([""]))
    assert not torch.equal(view_states(prior, "a fish")["front"], words.rows.moved.detach())  # it is over

    save_rows(tmp_path / "words.safetensors", MUG, words.rows)
    copy = LatentPrior(deepcopy(prior.pipeline))
    put_rows(copy, read_rows(tmp_path / "words.safetensors"))
    assert torch.equal(copy.encode_text(["a fish"]), words.rows.moved.detach())
    write_tensors(tmp_path / "short", {"embedding": torch.zeros(1, 3, 5)}, {"sentence": "x"})
    with pytest.raises(ValueError, match=r"the embedding has 3 x 5 numbers, and this model's have \d+ x 128"):
        put_rows(copy, read_rows(tmp_path / "short"))


def test_an_embedding_goes_on_bit_for_bit(prior, tmp_path):
    recipe = RECIPES["toy"]["embedding"].with_fields(steps=4, batch=1, look_every=2)
    whole, half = (Words(PICTURE, MUG, prior, recipe) for _ in range(2))
    list(whole.run())
    list(islice(half.run(), 2))
    half.save(tmp_path)
    again = Words(PICTURE, MUG, prior, recipe)
    again.load(tmp_path)
    list(again.run())
    assert torch.equal(whole.rows.moved, again.rows.moved)
