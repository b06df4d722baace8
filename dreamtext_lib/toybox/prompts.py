"""What a prompt says of a toy, and toys of which it is true."""

import re
from dataclasses import replace

import numpy as np

from ..radiance.cameras import VIEW_WORDS
from .classes import FORMS
from .colours import COLOUR_NAMES, colour_called
from .objects import CLASS_NAMES, PATTERNS, SHAPE_NAMES, ToyObject, Words, random_object, random_scale

PROMPT = re.compile(rf"(?:an image of |a photo of )?(?:an? )?(.+?)(?:,? (?:{'|'.join(VIEW_WORDS)}) view)?")


def words_of(prompt: str) -> Words | None:
    """What a prompt in the grammar of the toybox says, '' where it says nothing; None for any other prompt.

    Commas, capitals and the order of the adjectives do not matter; a view word is read over.

    >>> words_of("a tall red striped castle")
    Words(name='castle', colour='red', pattern='striped', shape='tall')
    >>> words_of("a red castle on a hill") is None
    True
    """
    match = PROMPT.fullmatch(prompt.lower().strip(" ."))
    *adjectives, name = re.split(r"[,\s]+", match[1]) if match else [""]
    said = [[w for w in adjectives if w in known] for known in (COLOUR_NAMES, PATTERNS, SHAPE_NAMES[1:])]
    if name not in CLASS_NAMES or any(len(of_kind) > 1 for of_kind in said) or sum(map(len, said)) < len(adjectives):
        return None
    return Words(name, *(of_kind[0] if of_kind else "" for of_kind in said))


def called(words: Words, rng: np.random.Generator) -> ToyObject:
    """A random toy that these words describe; what they leave unsaid ('') is drawn as for the training pictures.

    Its shape is drawn first: with one generator it is the same for all words of one class and shape.
    """
    while True:
        scale, form = random_scale(rng), tuple(rng.random(len(FORMS[words.name])).round(3).tolist())
        thing = ToyObject(words.name, scale=scale, form=form)
        if words.shape in ("", thing.words.shape):
            break
    thing = replace(random_object(rng, words.name), scale=scale, form=form)
    if words.colour:
        thing = replace(thing, colour=colour_called(words.colour, rng, clear=True), second=None)
    if words.pattern:
        thing = replace(thing, pattern=words.pattern)
    return thing
