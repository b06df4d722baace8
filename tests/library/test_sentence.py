"""The search for a sentence: the template, the vocabularies, the greedy path against one by hand, the cache."""

import gzip
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import normalize

from dreamtext_lib.files import write_tensors
from dreamtext_lib.toybox.inputs import inputs
from dreamtext_lib.viewing.search import plot_search
from dreamtext_lib.words import clip as describer
from dreamtext_lib.words.clip import Clip
from dreamtext_lib.words.recipe import Search
from dreamtext_lib.words.sentence import Sentence, articles, search, table
from dreamtext_lib.words.vocabulary import LISTS, Vocabulary, read_list, toybox_words, vocabulary

OWN = toybox_words()


@pytest.fixture(scope="module")
def clip():
    return Clip.load()


class Scripted:
    """A stand-in for CLIP whose nearness is a sum of given scores of words, less a price for each word."""

    limit = 77

    def __init__(self, scores, price=0.0):
        self.scores, self.price, self.asked = scores, price, 0

    def fitting(self, sentences):
        return [i for i, s in enumerate(sentences) if "toolong" not in s]

    def texts(self, sentences, done=lambda count: None):
        self.asked += len(sentences)
        done(len(sentences))
        words = [s.replace(",", "").split()[3:] for s in sentences]
        words = [w[1:] if w[0] in ("a", "an") else w for w in words]
        return torch.tensor([[sum(self.scores.get(x, -9.0) for x in w) - self.price * len(w)] for w in words])


ONE = torch.ones(1)
WORDS = Vocabulary(("castle", "mug", "toolong"), ("red", "tall", "old", "blue"))
SCORES = {"castle": 0.3, "mug": 0.1, "red": 0.2, "tall": 0.1, "old": -0.1, "blue": -0.3, "toolong": 9.0}


def test_templates():
    s = Sentence("castle", ("orange", "tall"))
    assert s.text == "an image of an orange, tall castle"
    assert s._replace(commas="all").text == "an image of an orange, tall, castle"  # as the thesis prints it
    assert s._replace(commas="none").text == "an image of an orange tall castle"  # as its code has it
    assert s._replace(article="a").text == "an image of a orange, tall castle"
    assert s.base.text == "an image of a castle" and Sentence("cherries", (), "").text == "an image of cherries"
    assert articles("cherries", Search()) == ("fitting", "") and articles("cactus", Search()) == ("fitting",)
    assert articles("mug", Search(article="tried")) == ("a", "an")
    assert Sentence("Apple").text == "an image of an Apple" and Sentence("Égg").text == "an image of a Égg"


def test_the_path_is_the_greedy_one():
    path = list(search(Scripted(SCORES), ONE, WORDS, Search(nouns_describe=False)))
    assert [(f.act, f.word) for f in path] == [("noun", "castle"), ("add", "red"), ("add", "tall")]
    assert [round(f.similarity, 5) for f in path] == [0.3, 0.5, 0.6] and [f.tried for f in path] == [2, 4, 3]
    assert path[-1].sentence.text == "an image of a red, tall castle"
    both = list(search(Scripted(SCORES), ONE, WORDS))
    assert [f.word for f in both] == ["castle", "red", "tall", "mug"]  # the noun scores 0.1 too, and comes later
    short = list(search(Scripted(SCORES), ONE, WORDS, Search(longest=2)))
    assert [f.word for f in short] == ["castle", "red"]


def test_the_first_descriptor_is_taken_in_any_case_and_others_are_not():
    scores = SCORES | {"red": -0.01, "tall": -0.02}
    adjectives = Search(nouns_describe=False)
    assert [f.word for f in search(Scripted(scores), ONE, WORDS, adjectives)] == ["castle", "red"]
    more = list(search(Scripted(scores), ONE, WORDS, adjectives.with_fields(fewest=2)))
    assert [f.word for f in more] == ["castle", "red", "tall"]


def test_a_given_noun_is_held_and_one_that_is_too_long_refused():
    path = list(search(Scripted(SCORES), ONE, WORDS, noun="mug"))
    assert path[0].word == "mug" and path[0].tried == 1 and path[1].word == "castle"
    with pytest.raises(ValueError, match=r"'an image of a toolong' .* more than the 77 tokens"):
        list(search(Scripted(SCORES), ONE, WORDS, noun="toolong"))


class Pair(Scripted):
    """A nearness with a pair that is best together, which no word reaches alone."""

    def texts(self, sentences, done=lambda count: None):
        near = super().texts(sentences, done)
        return near + torch.tensor([[0.5 if "old" in s and "blue" in s else 0.0] for s in sentences])


def test_swapping_finds_what_adding_cannot():
    scores, words = SCORES | {"old": 0.15, "blue": -0.25}, Search(nouns_describe=False, longest=3)
    added = list(search(Pair(scores), ONE, WORDS, words))
    assert added[-1].sentence.words == ("red", "old")
    swapped = list(search(Pair(scores), ONE, WORDS, words.with_fields(swap=True), seed=3))
    assert set(swapped[-1].sentence.words) == {"old", "blue"} and swapped[-1].act == "swap"
    rises = [f.similarity for f in swapped]
    assert rises == sorted(rises)
    again = list(search(Pair(scores), ONE, WORDS, words.with_fields(swap=True), seed=3))
    assert again == swapped


def test_the_tiny_clip_names_the_inputs(clip):
    toy, named = vocabulary("toy"), []
    for one in (i for i in inputs() if i.development):
        path = list(search(clip, clip.image(one.picture().permute(2, 0, 1)), toy, Search(nouns_describe=False)))
        assert 2 <= len(path) <= 7 and all(a.similarity < b.similarity for a, b in pairwise(path[1:]))
        named.append(path[0].word == one.thing.name)
    assert sum(named) >= 9, named


def test_batches_are_the_same_in_every_program(clip, monkeypatch):
    """By length, then in the order of the question, and not in that of a set, which each program shuffles anew."""
    sentences = ["a red mug", *(f"a {a}{b} cup" for a in "kjihgfedcba" for b in "xy"), "a mug"]
    read, own = [], clip.tokenizer
    new = Clip(clip.model, own, clip.processor, batch=8)
    new.tokenizer = lambda part, **how: read.extend(part) or own(part, **how)
    new.texts([*sentences, sentences[3]])
    assert read == ["a mug", *sentences[1:-1], "a red mug"]


def test_batches_and_the_cache_change_nothing(clip, tmp_path):
    sentences = [Sentence(n, (w,)).text for n in OWN.nouns[:4] for w in ("red", "furry", "tall")]
    whole = clip.texts(sentences)
    other = Clip(clip.model, clip.tokenizer, clip.processor, batch=3)
    counted = []
    torch.testing.assert_close(other.texts([*sentences, sentences[0]], counted.append), whole[[*range(12), 0]])
    assert sum(counted) == 12 and max(counted) <= 3
    asked = []
    other.model, model = None, other.model  # what is known needs no model
    assert torch.equal(other.texts(sentences[:5], asked.append), other.texts(sentences[:5])) and asked == [5]
    other.model = model
    other.keep(tmp_path / "cache.safetensors")
    new = Clip(clip.model, clip.tokenizer, clip.processor)
    assert new.recall(tmp_path / "cache.safetensors") and new.known.keys() == other.known.keys()
    assert all(torch.equal(new.known[s], other.known[s]) for s in sentences)
    judge = Clip.load("judge")
    assert not judge.recall(tmp_path / "cache.safetensors") and not judge.known
    assert not new.recall(tmp_path / "none.safetensors")


def test_a_full_cache_keeps_what_it_has(clip, monkeypatch):
    monkeypatch.setattr(describer, "KEPT", 4)
    new = Clip(clip.model, clip.tokenizer, clip.processor)
    nouns, longer = ["a mug", "a cup", "a hat"], ["a red mug", "a tall mug"]
    vectors = [new.texts(asked) for asked in (nouns, longer, nouns, longer)]
    assert list(new.known) == [*nouns, "a red mug"] and torch.equal(vectors[0], vectors[2])
    torch.testing.assert_close(vectors[1], vectors[3])
    again = []
    new.texts([*nouns, *longer], again.append)
    assert again[0] == 4


def test_vectors_are_those_of_a_model_with_its_settings(clip, tmp_path, monkeypatch):
    new = Clip(clip.model, clip.tokenizer, clip.processor)
    new.texts(["a mug"])
    new.keep(tmp_path / "cache.safetensors")
    assert new.recall(tmp_path / "cache.safetensors")
    monkeypatch.setattr(clip.model.config.text_config, "hidden_act", "relu")
    assert not new.recall(tmp_path / "cache.safetensors")


def test_a_cache_is_not_written_over_a_file_that_is_none(clip, tmp_path):
    path = tmp_path / "words.safetensors"
    write_tensors(path, {"rows": torch.ones(2, 3)}, {"sentence": "an image of a mug"})
    with pytest.raises(ValueError, match="safetensors' holds no vectors of sentences; name another --cache"):
        clip.recall(path)
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"is cut short or broken \(.*\); it is no cache: name another file, or"):
        clip.recall(path)


def test_a_picture_is_not_divided_by_255_again(clip):
    picture = inputs()[5].picture().permute(2, 0, 1)
    by_hand = normalize(clip.model.get_image_features(pixel_values=picture[None] * 2 - 1).pooler_output, dim=-1)[0]
    # the processor counts in bytes
    assert torch.cosine_similarity(clip.image(picture), by_hand, dim=0) > 0.999
    dark = clip.image(picture / 255)
    assert torch.cosine_similarity(dark, by_hand, dim=0) < 0.9


def test_sentences_leave_room_for_a_view_word(clip):
    words = ("red", "blue", "tall", "wide", "green", "plain", "pink", "black")  # each a token, and its comma another
    fits = [len(w) for n in range(9) if clip.fitting([Sentence("mug", w := words[:n]).text])]
    assert fits == list(range(8))  # 2 ends, 'an image of a', 7 words, 6 commas, 'mug', ', overhead view': 23 of 24


def test_vocabularies():
    toy, full = vocabulary("toy"), vocabulary("full")
    assert toy.nouns[:14] == OWN.nouns and set(OWN.adjectives) <= set(toy.adjectives)
    distractors = (set(toy.nouns) | set(toy.adjectives)) - set(OWN.nouns) - set(OWN.adjectives)
    assert len(distractors) >= 200
    assert len(full.nouns) >= 5000 and len(full.adjectives) >= 1000 and {"castle", "mug"} <= set(full.nouns)
    assert {"red", "tall"} <= set(full.adjectives)
    for words in (*toy, *full):
        assert len(set(words)) == len(words)
    assert "Princeton University" in (LISTS / "LICENSE-WordNet").read_text(encoding="utf-8")
    assert sum(f.stat().st_size for f in LISTS.iterdir()) < 300_000


def test_a_list_of_ones_own(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# mine\n\n[nouns]\nCastle\n ice  cream\ncastle\n[adjectives]\nred\n", encoding="utf-8")
    assert read_list(path) == Vocabulary(("castle", "ice cream"), ("red",))
    path.write_text("ice\tcream\n" + "\n".join(f"w{i}" for i in range(60_000)), encoding="utf-8")
    assert read_list(path).adjectives[0] == "ice cream"  # 60,001 words, each a noun and an adjective
    path.write_text("castle\nred\n", encoding="utf-8")
    assert vocabulary(path) == Vocabulary(("castle", "red"), ("castle", "red"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[verbs]\nrun\n", r"line 1 of '.*' is '\[verbs\]'; a heading is \[nouns\] or \[adjectives\]"),
        (b"castle\nred, tall\n", "line 2 of '.*' is 'red, tall'; it must be one word, without a comma"),
        (b"castle\nr\x1bed\n", r"line 2 of '.*' is 'r\\x1bed'; it must be one word, .* or a control code"),
        (b"castle\n\0red\n", r"line 2 of '.*' is '\\x00red'; it must be one word"),
        (b"[\x1b]\nred\n", r"line 1 of '.*' is '\[\\x1b\]'; a heading is"),
        (b"castle\n---\n", "line 2 of '.*' is '---'"),
        (b"[adjectives]\nred\n", "holds no noun"),
        (b"", "holds no noun"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"a\n" + b"\n".join(b"w%d" % i for i in range(100_000)), "holds 100001 words; at most 100000"),
    ],
)
def test_lists_that_are_refused(tmp_path, data, sentence):
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=sentence):
        read_list(path)


def test_lists_that_are_not_there_or_cut_short(tmp_path):
    with pytest.raises(ValueError, match="there is no vocabulary 'none'; name toy, full, or a text file"):
        vocabulary("none")
    whole = gzip.compress(b"castle\nmug\nfish\nteapot\n" * 20)
    for broken in (whole[:-9], whole[:10] + bytes([*whole[10:14]][::-1]) + whole[14:], whole[:12] + b"\xff" * 9):
        (tmp_path / "cut.txt.gz").write_bytes(broken)
        with pytest.raises(ValueError, match="is no text in UTF-8"):
            read_list(tmp_path / "cut.txt.gz")


def test_a_clip_that_is_none(tmp_path, prior):
    with pytest.raises(ValueError, match="holds no CLIP: it has no config"):
        Clip.load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ValueError, match="holds a model of the kind 'bert', not a CLIP"):
        Clip.load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "clip"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"the CLIP '.*' cannot be read or had: "):
        Clip.load(str(tmp_path))
    with pytest.raises(ValueError, match=r"there is no folder '\./none'"):
        Clip.load("./none")


def test_the_path_as_a_table_and_a_plot():
    path = list(search(Scripted(SCORES), ONE, WORDS, Search(swap=True)))
    lines = table(path).splitlines()
    assert len(lines) == 2 + len(path) and lines[2] == "| noun | castle | 0.3000 | 2 | an image of a castle |"
    figure = plot_search([f.act for f in path], [f.word for f in path], [f.similarity for f in path])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == [f.word for f in path]
    assert axes.lines[0].get_ydata().tolist() == [f.similarity for f in path]
    with pytest.raises(ValueError, match="equally many"):
        plot_search(["noun"], [], [])
