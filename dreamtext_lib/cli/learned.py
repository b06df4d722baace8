"""Learned words for a dream: those of a run of `describe`, or of an image that is described first."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..slugs import slug
from .names import RUNS, free, recorded

if TYPE_CHECKING:
    from ..distillation.prior import LatentPrior

WORDS = "words.safetensors"  # in the folder of words


def describe_first(a: Namespace) -> int:
    """Describe `a.image` in a folder of its own, which becomes `a.words`; the status of `describe`."""
    from .describe import run
    from .main import parser

    if a.words or a.prompt:
        raise ValueError("--image finds its own words; drop --words and the prompt")
    home = a.out and a.out.absolute()  # '.' has no name
    out = free(home.with_name(f"{home.name}-words") if home else RUNS / f"{slug(a.image.stem)}-{a.seed or 0}")
    told = ["describe", str(a.image), "--out", str(out), "--seed", str(a.seed or 0)]
    flags = {"--model": a.model, "--threads": a.threads, "--mask": a.mask}
    passed = [str(part) for flag, value in flags.items() if value for part in (flag, value)]
    described = parser(told).parse_args([*told, *passed])
    described.last = False
    status = run(described)
    a.words = out
    return status


def words_of(folder: Path) -> tuple[str, str, str]:
    """Sentence, model and file of the words in a folder. Raises ValueError, in one sentence, if it holds none."""
    from ..runs import read_record

    about = read_record(folder, "words", ("sentence", "model"))
    file = folder / WORDS
    if not file.is_file():
        raise ValueError(f"the words in '{folder}' are not done; go on with: dreamtext describe --resume '{folder}'")
    return about["sentence"], about["model"], recorded(file)


def teach(prior: "LatentPrior", file: str, prompt: str, negative: str = "") -> None:
    """Give a prior the learned words of a file, and say so if the prompt has none of them, or is not heard at all.

    Raises ValueError if they are not there, are another model's, or are a whole embedding, which would stand for the
    negative prompt too and leave nothing of guidance.
    """
    from ..words.files import put_rows, read_rows
    from ..words.rows import ids_of

    learned = read_rows(Path(file))
    if (whole := learned.moved.ndim == 3) and negative:
        raise ValueError(
            f"the negative prompt '{negative[:60]}' would mean what the prompt does, as the embedding stands for"
            " every text, and guidance would be 0; dream without a negative prompt"
        )
    put_rows(prior, learned)
    if whole and prompt != learned.sentence:
        what = f"the whole embedding of '{learned.sentence}' stands for every text"
        print(f"note: '{prompt}' and its view words are not heard: {what}", file=sys.stderr)
    if learned.pieces and not {p.place for p in learned.pieces} & {*ids_of(prior.tokenizer, prompt)}:
        tokens = ", ".join(p.token for p in learned.pieces)
        print(f"note: '{prompt}' has none of the tokens that were learned ({tokens}): a plain dream", file=sys.stderr)
