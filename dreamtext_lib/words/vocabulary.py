"""The words that a description may use: nouns and adjectives, of the toybox, of WordNet, or of a file of one's own.

A list is a text file in UTF-8 with a word a line. What stands below a line `[nouns]` is a noun, below `[adjectives]` an
adjective; without such lines every word is tried as both. Empty lines, and lines that begin with #, say nothing.
"""

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

from ..toybox.colours import COLOUR_NAMES
from ..toybox.objects import CLASS_NAMES, PATTERNS, SHAPE_NAMES

LISTS = Path(__file__).parent / "lists"
LONGEST = 100_000  # words of a list; more would take hours
KINDS = ("nouns", "adjectives")


class Vocabulary(NamedTuple):
    """Words, each list without repetition."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]


def toybox_words() -> Vocabulary:
    """The words that the tiny models have learned, without a distractor."""
    return Vocabulary(CLASS_NAMES, (*filter(None, SHAPE_NAMES), *COLOUR_NAMES, *PATTERNS))


def vocabulary(name: str | Path = "toy") -> Vocabulary:
    """The vocabulary 'toy' (the toybox's words among more than 200 that its models have never seen), 'full' (7,500
    words of WordNet), or that of a list.

    Raises ValueError, in one sentence, for a file that is not there, is no text in UTF-8, or holds no noun.
    """
    if name == "toy":
        own, other = toybox_words(), read_list(LISTS / "toy.txt")
        return Vocabulary(own.nouns + other.nouns, own.adjectives + other.adjectives)
    return read_list(LISTS / "full.txt.gz" if name == "full" else Path(name))


def read_list(path: Path) -> Vocabulary:
    """The words of a file, which may be packed (.gz). Raises ValueError as `vocabulary` does."""
    if not path.is_file():
        raise ValueError(f"there is no vocabulary '{path}'; name toy, full, or a text file with a word a line")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"the vocabulary '{path}' is no text in UTF-8; save it as plain text") from error
    words: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}  # dictionaries keep the order
    kinds = KINDS
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        word = " ".join(line.lower().split())
        if not word or word.startswith("#"):
            continue
        if line.startswith("["):
            if (kind := line.strip("[]").lower()) not in KINDS:
                raise ValueError(f"line {number} of '{path}' is {line[:60]!r}; a heading is [nouns] or [adjectives]")
            kinds = (kind,)
        elif not any(map(str.isalnum, word)) or "," in word or min(word) < " ":
            what = f"line {number} of '{path}' is {line[:60]!r}"
            raise ValueError(f"{what}; it must be one word, without a comma or a control code")
        else:
            for kind in kinds:
                words[kind][word] = None
    if not words["nouns"]:
        raise ValueError(f"the vocabulary '{path}' holds no noun; a description begins with one")
    if (count := len(words["nouns"] | words["adjectives"])) > LONGEST:
        raise ValueError(f"the vocabulary '{path}' holds {count} words; at most {LONGEST} are searched")
    return Vocabulary(tuple(words["nouns"]), tuple(words["adjectives"]))
