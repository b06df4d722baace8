"""The model that a command asks for, and what to say of words that it has never seen."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..distillation.prior import LatentPrior

MOST_THREADS = 1024
NO_ENGINE = (
    "--engine onnxruntime needs a model on the CPU in single precision, and the packages: pip install"
    " 'dreamtext[fast]'; or use --engine torch, with --resume too"
)


def add_model(parser: ArgumentParser) -> None:
    """The flag that names a model."""
    parser.add_argument("--model", help="tiny, tiny-front, a folder, or a name on the model hub (default tiny)")


def prior_of(model: str | None) -> tuple["LatentPrior", str]:
    """The prior and its name, on the device of the profile."""
    from ..distillation.prior import load_prior
    from ..profile import profile
    from ..zoo import resolve

    chosen = profile()
    name = model or chosen.model
    return load_prior(resolve(name), chosen.device, chosen.dtype), name


def add_engine(parser: ArgumentParser) -> None:
    """The flag that says which program runs the U-Net."""
    words = "what runs the U-Net on a CPU: auto is ONNX Runtime where it is installed, else torch (default auto);"
    words += " a run that goes on may have another than it began with, and other bits from there on"
    parser.add_argument("--engine", choices=("auto", "torch", "onnxruntime"), help=words)


def engine_of(prior: "LatentPrior", engine: str) -> str:
    """Let that program answer for the prior's U-Net; its name. ValueError if ONNX Runtime is asked for and cannot."""
    if engine == "torch":
        return engine
    import torch

    from ..distillation.graph import quicken

    used = quicken(prior, torch.get_num_threads())
    if engine == "onnxruntime" and used != engine:
        raise ValueError(NO_ENGINE)
    return used


def check_engine(engine: str | None) -> None:
    """Raise ValueError if ONNX Runtime is asked for and is not installed."""
    if engine == "onnxruntime":
        from ..distillation.graph import at_hand

        if not at_hand():
            raise ValueError(NO_ENGINE)


def add_threads(parser: ArgumentParser) -> None:
    """The flag that says how many threads compute."""
    words = (
        "threads on a CPU (default 1, as in sweeps: two are a quarter to a third faster on two idle cores, and far"
        " slower on busy ones); only the same number gives the same result bit for bit"
    )
    parser.add_argument("--threads", type=count, metavar="N", help=words)


@contextmanager
def on_threads(a: Namespace) -> Iterator[None]:
    """Compute on as many threads as the flag, or the record of the run to resume, says."""
    import torch

    from ..runs import read_record

    threads, before = a.threads, torch.get_num_threads()
    if a.resume:
        with suppress(ValueError):  # whatever is wrong with the run is told where it is read
            threads = read_record(a.resume).get("threads")
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MOST_THREADS):
        raise ValueError(f"the record in '{a.resume}' has threads {threads!r}; it must be in 1..{MOST_THREADS}")
    torch.set_num_threads(threads or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def count(text: str) -> int:
    """A number of threads, as argparse takes a type."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
        raise ArgumentTypeError(f"'{text}' is no whole number from 1 to {MOST_THREADS}")
    return int(text)


def check_texts(texts: Sequence[str], model: str | None) -> None:
    """Raise ValueError unless the model is there and its tokenizer takes the texts; nothing else of it is loaded."""
    from transformers import CLIPTokenizer

    from ..distillation.models import check_folder
    from ..distillation.prior import check_lengths, download
    from ..profile import profile
    from ..zoo import resolve

    name = resolve(model or profile().model)
    folder = Path(name) if Path(name).exists() else download(name)
    check_folder(folder)
    check_lengths(CLIPTokenizer.from_pretrained(folder / "tokenizer"), texts)


def note_strange_words(prompt: str, model: str) -> None:
    """Say which words of the prompt a tiny model has never seen."""
    from ..toybox.objects import CLASS_NAMES, vocabulary
    from ..zoo import PIPELINES

    strange = [w for w in re.findall(r"\w+", prompt.lower()) if w not in vocabulary()]
    if model in PIPELINES and strange:
        strange, known = ", ".join(map(repr, strange)), ", ".join(CLASS_NAMES)
        print(f"note: the {model} model has never seen {strange}; it knows {known}", file=sys.stderr)
