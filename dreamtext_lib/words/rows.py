"""Rows of the token table that learn: those of a descriptor's sub-words. All other parameters stay as they are.

A word is one piece or several (byte pairs); each piece is a token with a row of its own. A piece that the rest of the
sentence has too - the frame, the noun, a view word, what begins, ends and fills a text - stays as it is, for moving it
would move them. So does a piece that the sentence does not have, because it is joined to the comma behind it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from ..distillation.prior import LatentPrior
from ..radiance.cameras import VIEW_WORDS
from ..runs import stream
from .low_rank import LowRank
from .recipe import Learns
from .sentence import Sentence


class Piece(NamedTuple):
    """A sub-word that learns."""

    token: str  # as the tokenizer writes it
    place: int  # its row in the table


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text, without those that begin, end and fill it."""
    return tokenizer(text, add_special_tokens=False).input_ids if text else []


def pieces(tokenizer: PreTrainedTokenizerBase, sentence: Sentence, learns: Learns = "descriptors") -> list[Piece]:
    """The sub-words of a sentence's descriptors, or of its noun, that learn, each once: those that the sentence has.

    Raises ValueError if there is none.
    """
    start, _, noun = sentence.parts
    words, others = (sentence.words, (noun,)) if learns == "descriptors" else ((noun,), sentence.words)
    views = [f", {word} view" for word in VIEW_WORDS]
    fixed = {i for text in (start, *others, *views) for i in ids_of(tokenizer, text)} | set(tokenizer.all_special_ids)
    read = set(ids_of(tokenizer, sentence.text))  # CLIP's tokenizer does not part '!' from a comma behind it
    own = dict.fromkeys(i for word in words for i in ids_of(tokenizer, word) if i in read)
    learn = [i for i in own if i not in fixed]
    if not learn:
        where = "stands elsewhere" if own else "is joined to a comma"
        what = f"every piece of {', '.join(map(repr, words))} {where} in" if words else ""
        raise ValueError(f"{what or 'no word describes the noun in'} '{sentence.text}', so there is nothing to train")
    return [Piece(tokenizer.convert_ids_to_tokens(i), i) for i in learn]


class Rows(nn.Module):
    """The rows of K pieces, in single precision, beside the table of a text encoder that they are taken from."""

    def __init__(self, prior: LatentPrior, sentence: Sentence, learns: Learns = "descriptors"):
        super().__init__()
        self.pieces = pieces(prior.tokenizer, sentence, learns)
        table = prior.text_encoder.get_input_embeddings().weight
        self.places = torch.tensor([p.place for p in self.pieces], device=table.device)  # (K,)
        self.moved = nn.Parameter(table.detach()[self.places].float())  # (K, C)

    def forward(self, ids: Tensor, looked_up: Tensor) -> Tensor:
        """What the table gives for tokens (N, L), `looked_up` (N, L, C), with these rows in place of its own."""
        hit = ids[..., None] == self.places  # (N, L, K)
        return torch.where(hit.any(-1, keepdim=True), (hit.float() @ self.moved).to(looked_up), looked_up)

    @property
    def what(self) -> str:
        """What learns, in words."""
        return f"the rows of {', '.join(p.token for p in self.pieces)}"

    @contextmanager
    def read_by(self, prior: LatentPrior) -> Iterator[None]:
        """While it lasts, the prior's text encoder reads these rows; the table itself is not touched."""
        table = prior.text_encoder.get_input_embeddings()
        hook = table.register_forward_hook(lambda module, given, out: self(given[0], out))
        try:
            yield
        finally:
            hook.remove()

    def states(self, prior: LatentPrior, texts: list[str], *, gradient: bool = False) -> Tensor:
        """Text states (N, L, C) of texts with these rows; with a gradient to them if asked for."""
        with self.read_by(prior):
            return prior.encode_text(texts, gradient=gradient)


class Embedding(nn.Module):
    """The whole of a sentence's text states, (1, L, C), as numbers that learn: what every text but '' then means.

    The first approach of the thesis (6.3.1). There is no room in it for a view word, or for anything else.
    """

    def __init__(self, prior: LatentPrior, sentence: Sentence):
        super().__init__()
        self.moved = nn.Parameter(prior.encode_text([sentence.text]).float())  # (1, L, C)
        self.what = "the whole embedding"

    @contextmanager
    def read_by(self, prior: LatentPrior) -> Iterator[None]:
        """While it lasts, the prior reads these states in any text but ''."""
        own = prior.encode_text
        prior.encode_text = partial(told, self.moved.detach(), own)
        try:
            yield
        finally:
            prior.encode_text = own

    def states(self, prior: LatentPrior, texts: list[str], *, gradient: bool = False) -> Tensor:
        """Text states (N, L, C), the same for any text but ''; with a gradient to them if asked for."""
        return told(self.moved if gradient else self.moved.detach(), prior.encode_text, texts)


def told(moved: Tensor, own: Callable[..., Tensor], texts: list[str], *, gradient: bool = False) -> Tensor:
    """States (N, L, C) of N texts: `moved` (1, L, C) with the gradient that it has, and for '' what `own` reads."""
    none = own([""])
    return torch.cat([moved.to(none) if text else none for text in texts])


def learner(
    prior: LatentPrior, sentence: Sentence, learns: Learns, *, rank: int = 4, seed: int = 0
) -> Rows | Embedding | LowRank:
    """What learns: rows of descriptors or of the noun, the whole embedding, or changes of the U-Net, of that rank."""
    if learns == "low-rank":
        return LowRank(prior, rank, stream(seed, 0, "low rank"))
    return Embedding(prior, sentence) if learns == "embedding" else Rows(prior, sentence, learns)
