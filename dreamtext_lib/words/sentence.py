"""From a picture to a sentence: words are added while the sentence comes nearer to the picture (thesis 5.2.1).

Nearness is the cosine between CLIP's vectors of the picture and of 'an image of {article} {words} {noun}'. First the
best noun is taken, then the best descriptor of all, one after the other, until none brings the sentence nearer. The
first descriptor is taken in any case (`Search.fewest`), for there would be nothing to train without one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..runs import stream
from .clip import Clip
from .recipe import Commas, Search
from .vocabulary import Vocabulary

LEAST = 1e-5  # by which nearness must rise: less is the noise of single precision


SEARCH = Search()


class Sentence(NamedTuple):
    """A sentence in its parts."""

    noun: str
    words: tuple[str, ...] = ()  # descriptors, in their order
    article: str = "fitting"  # 'a', 'an', '' or, by the next word's first letter, 'fitting'
    commas: Commas = "between"

    @property
    def text(self) -> str:
        """The sentence as CLIP and the diffusion model read it.

        >>> Sentence("castle", ("orange", "tall")).text
        'an image of an orange, tall castle'
        >>> Sentence("castle", ("orange", "tall"), "a", "all").text
        'an image of a orange, tall, castle'
        >>> Sentence("castle", ("red", "tall"), commas="none").text
        'an image of a red tall castle'
        """
        return " ".join(filter(None, self.parts))

    @property
    def parts(self) -> tuple[str, str, str]:
        """What stands before the descriptors, the descriptors with their commas, and the noun."""
        words = (" " if self.commas == "none" else ", ").join(self.words)
        words += "," if words and self.commas == "all" else ""
        fitting = "an" if (words or self.noun)[0].lower() in "aeiou" else "a"
        article = fitting if self.article == "fitting" else self.article
        return f"an image of {article}".strip(), words, self.noun

    @property
    def base(self) -> "Sentence":
        """The sentence of the noun alone, y_b of (5.3)."""
        return self._replace(words=())


class Found(NamedTuple):
    """One step of the search: what it took."""

    act: Literal["noun", "add", "swap"]
    word: str
    sentence: Sentence
    similarity: float  # cosine between the sentence and the picture
    tried: int  # sentences compared


def articles(noun: str, settings: Search) -> tuple[str, ...]:
    """The articles to try with a noun: none, too, where it looks like a plural."""
    usual = ("fitting",) if settings.article == "fitting" else ("a", "an")
    return (*usual, "") if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else usual


def search(
    clip: Clip,
    picture: Tensor,
    vocabulary: Vocabulary,
    settings: Search = SEARCH,
    *,
    noun: str | None = None,
    seed: int = 0,
    begin: Callable[[str, int], None] = lambda what, count: None,
    done: Callable[[int], None] = lambda count: None,
) -> Iterator[Found]:
    """The steps of a search, the noun first; the last one has the sentence.

    picture: its unit vector (W,) by `clip.image`. noun: taken as it is instead of searched. seed: of the order in which
    words are swapped. `begin` hears what is compared and how many sentences, `done` how many more are. Sentences that
    are too long for the tokenizer, with a view word behind them, are not tried. Raises ValueError if no noun fits.
    """

    def best(what: str, sentences: Sequence[Sentence]) -> tuple[Sentence | None, float, int]:
        sentences = [sentences[i] for i in clip.fitting([s.text for s in sentences])]
        begin(what, len(sentences))
        if not sentences:
            return None, -1.0, 0
        near = clip.texts([s.text for s in sentences], done) @ picture  # (N,)
        place = int(near.argmax())
        return sentences[place], float(near[place]), len(sentences)

    nouns = (noun,) if noun else vocabulary.nouns
    start = [Sentence(n, (), a, settings.commas) for n in nouns for a in articles(n, settings)]
    now, height, tried = best("nouns", start)
    if now is None:
        raise ValueError(
            f"'{start[0].text}' and a view word are more than the {clip.limit} tokens that the model reads"
        )
    yield Found("noun", now.noun, now, height, tried)

    pool = tuple(dict.fromkeys(vocabulary.adjectives + vocabulary.nouns * settings.nouns_describe))
    while len(now.words) + 1 < settings.longest:
        free = [w for w in pool if w not in now.words and w != now.noun]
        longer, similarity, tried = best(
            f"word {len(now.words) + 1}", [now._replace(words=(*now.words, w)) for w in free]
        )
        if longer is None or (similarity <= height + LEAST and len(now.words) >= settings.fewest):
            break
        now, height = longer, similarity
        yield Found("add", now.words[-1], now, height, tried)

    round_, improved = 0, settings.swap and bool(now.words)
    while improved:
        improved, round_ = False, round_ + 1
        for place in torch.randperm(len(now.words), generator=stream(seed, round_, "swap")).tolist():
            free = [w for w in pool if w not in now.words and w != now.noun]
            others = [now._replace(words=(*now.words[:place], w, *now.words[place + 1 :])) for w in free]
            other, similarity, tried = best(f"another word for '{now.words[place]}'", others)
            if other is not None and similarity > height + LEAST:
                now, height, improved = other, similarity, True
                yield Found("swap", now.words[place], now, height, tried)


def table(path: Sequence[Found]) -> str:
    """The path of a search as a table in Markdown."""
    rows = [f"| {f.act} | {f.word} | {f.similarity:.4f} | {f.tried} | {f.sentence.text} |" for f in path]
    return "\n".join(["| act | word | similarity | sentences tried | sentence |", "|---|---|---|---|---|", *rows, ""])
