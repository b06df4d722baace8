"""Learned words as files: the moved rows, as the thesis keeps them, and a textual inversion for plain diffusers.

The first puts rows in the place of those that a text encoder has: the sentence stays as it is, and any other prompt
with one of its words changes too. The second adds new tokens: `pipe.load_textual_inversion(file)` gives a pipeline one
new word, which stands for all descriptors and the commas between them, and changes no other prompt. The word is made of
the noun: of two files of one noun, a pipeline takes the second by another one, `token="<mine>"`, for its prompt to say.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..distillation.prior import LatentPrior
from ..files import read_tensors, write_tensors
from .low_rank import LowRank, is_low_rank, put_changes
from .recipe import Learns
from .rows import Embedding, Piece, Rows, ids_of, told
from .sentence import Sentence


class Learned(NamedTuple):
    """What a file of moved rows holds."""

    sentence: str  # with the words that learned
    pieces: list[Piece]
    moved: Tensor  # (K, C) in single precision; of a whole embedding, without pieces, (1, L, C); of no row, (0, 0)
    changes: Mapping[str, Tensor] = {}  # of the U-Net, where that learned


def save_rows(path: Path, sentence: Sentence, rows: Rows | Embedding | LowRank) -> None:
    """Write as safetensors the sentence with its moved rows and their pieces, its embedding, or the U-Net's changes.

    Changes have the names of diffusers' own files: `pipe.load_lora_weights(path)` of a plain pipeline reads them.
    """
    if isinstance(rows, LowRank):
        write_tensors(path, {name: v.float().cpu() for name, v in rows.tensors.items()}, {"sentence": sentence.text})
        return
    if isinstance(rows, Embedding):
        write_tensors(path, {"embedding": rows.moved.float().cpu()}, {"sentence": sentence.text})
        return
    about = {"sentence": sentence.text, "tokens": [p.token for p in rows.pieces], "places": rows.places.tolist()}
    write_tensors(path, {"rows": rows.moved.float().cpu()}, about)


def read_rows(path: Path) -> Learned:
    """What `save_rows` wrote. Raises ValueError, in one sentence, if it is not there or holds something else."""
    tensors, about = read_tensors(path)
    changes = tensors if is_low_rank(tensors) else {}
    if changes:
        rows, tokens, places, fine = torch.zeros(0, 0), [], [], True
    elif "embedding" in tensors:
        rows, tokens, places = tensors["embedding"], [], []
        fine = rows.ndim == 3 and len(rows) == 1
    else:
        rows, tokens, places = tensors.get("rows"), about.get("tokens"), about.get("places")
        fine = rows is not None and rows.ndim == 2 and isinstance(tokens, list) and isinstance(places, list)
        fine = fine and len(rows) == len(tokens) == len(places)
    if not (fine and isinstance(about.get("sentence"), str)):
        raise ValueError(f"'{path}' holds no learned words; another program wrote it")
    if not all(values.isfinite().all() for values in (rows, *changes.values())):
        raise ValueError(f"'{path}' holds numbers that are not finite; learn the words again")
    return Learned(about["sentence"], [Piece(*pair) for pair in zip(tokens, places)], rows, changes)


@torch.no_grad()
def put_rows(prior: LatentPrior, learned: Learned) -> None:
    """Put learned rows in the place of the text encoder's own; a whole embedding in that of all texts but ''.

    Changes of the U-Net are added to its weights. Raises ValueError if the prior's tokens are others, its rows are of
    another width or, of an embedding, number, or its U-Net has other weights.
    """
    if learned.changes:
        put_changes(prior, learned.changes)
        return
    table = prior.text_encoder.get_input_embeddings().weight
    if learned.moved.ndim == 3:
        if learned.moved.shape[1:] != (states := prior.encode_text([""])).shape[1:]:
            shapes = [" x ".join(map(str, s.shape[1:])) for s in (learned.moved, states)]
            raise ValueError(
                f"the embedding has {shapes[0]} numbers, and this model's have {shapes[1]}; use the model that it was"
                " learned with"
            )
        prior.encode_text = partial(told, learned.moved.to(prior.device), prior.encode_text)
        return
    if learned.moved.shape[1] != table.shape[1]:
        raise ValueError(
            f"the words were learned with rows of {learned.moved.shape[1]} numbers, and this model's have"
            f" {table.shape[1]}; use the model that they were learned with"
        )
    for token, place in learned.pieces:
        if prior.tokenizer.convert_tokens_to_ids(token) != place:
            raise ValueError(
                f"the words were learned with another tokenizer, which has '{token}' at place {place}; use the model"
                " that they were learned with"
            )
    table[[p.place for p in learned.pieces]] = learned.moved.to(table)


def new_word(sentence: Sentence) -> str:
    """The token that stands for a sentence's descriptors, such as '<castle-words>'."""
    return f"<{re.sub(r'[^a-z0-9]+', '-', sentence.noun.lower()).strip('-') or 'thing'}-words>"


def new_prompt(sentence: Sentence, learns: Learns = "descriptors") -> str:
    """The sentence with the new token: 'an image of a <castle-words> castle'; of a noun that learned, in its place."""
    start, words, noun = sentence.parts
    parts = (new_word(sentence), noun) if learns == "descriptors" else (words, new_word(sentence))
    return " ".join(filter(None, (start, *parts)))


@torch.no_grad()
def save_inversion(
    path: Path, sentence: Sentence, rows: Rows, prior: LatentPrior, learns: Learns = "descriptors"
) -> None:
    """Write a textual inversion: one new token of as many vectors as the descriptors and their commas have pieces.

    Of a noun that learned: of as many as the noun has.

    `pipe.load_textual_inversion(path)` of an untouched diffusers pipeline with the same text encoder reads it, and
    then draws for `new_prompt` what the moved rows draw for the sentence.
    """
    text = sentence.parts[1 if learns == "descriptors" else 2]
    ids = torch.tensor(ids_of(prior.tokenizer, text), device=rows.places.device)[None]  # (1, n)
    table = prior.text_encoder.get_input_embeddings().weight
    vectors = rows(ids, table[ids].float())[0]  # (n, C)
    write_tensors(path, {new_word(sentence): vectors.cpu()}, {"prompt": new_prompt(sentence, learns)})
