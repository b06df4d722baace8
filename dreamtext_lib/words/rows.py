"""Rows of the token table that learn: those of a descriptor's sub-words. All other parameters stay as they are.

A word is one piece or several (byte pairs); each piece is a token with a row of its own. A piece that the rest of the
sentence has too - the frame, the noun, a view word, what begins, ends and fills a text - stays as it is, for moving it
would move them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from ..distillation.prior import LatentPrior
from ..radiance.cameras import VIEW_WORDS
from .sentence import Sentence


class Piece(NamedTuple):
    """A sub-word that learns."""

    token: str  # as the tokenizer writes it
    place: int  # its row in the table


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text, without those that begin, end and fill it."""
    return tokenizer(text, add_special_tokens=False).input_ids if text else []


def pieces(tokenizer: PreTrainedTokenizerBase, sentence: Sentence) -> list[Piece]:
    """The sub-words of a sentence's descriptors that learn, each once. Raises ValueError if there is none."""
    start, _, noun = sentence.parts
    views = [f", {word} view" for word in VIEW_WORDS]
    fixed = {i for text in (start, noun, *views) for i in ids_of(tokenizer, text)} | set(tokenizer.all_special_ids)
    learn = dict.fromkeys(i for word in sentence.words for i in ids_of(tokenizer, word) if i not in fixed)
    if not learn:
        what = f"every piece of {', '.join(map(repr, sentence.words))} stands elsewhere in" if sentence.words else ""
        raise ValueError(f"{what or 'no word describes the noun in'} '{sentence.text}', so there is nothing to train")
    return [Piece(tokenizer.convert_ids_to_tokens(i), i) for i in learn]


class Rows(nn.Module):
    """The rows of K pieces, in single precision, beside the table of a text encoder that they are taken from."""

    def __init__(self, prior: LatentPrior, sentence: Sentence):
        super().__init__()
        self.pieces = pieces(prior.tokenizer, sentence)
        table = prior.text_encoder.get_input_embeddings().weight
        self.places = torch.tensor([p.place for p in self.pieces], device=table.device)  # (K,)
        self.moved = nn.Parameter(table.detach()[self.places].float())  # (K, C)

    def forward(self, ids: Tensor, looked_up: Tensor) -> Tensor:
        """What the table gives for tokens (N, L), `looked_up` (N, L, C), with these rows in place of its own."""
        hit = ids[..., None] == self.places  # (N, L, K)
        return torch.where(hit.any(-1, keepdim=True), (hit.float() @ self.moved).to(looked_up), looked_up)

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
