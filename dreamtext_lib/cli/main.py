"""All commands behind one door: the parser, and the net that turns every error into one sentence and a status."""

import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any, NoReturn

from .failures import explain

COMMANDS = {  # each is a file of this folder with `flags(parser)` and `run(arguments)`, imported when it is named
    "sample": "draw pictures for a prompt",
    "describe": "find a sentence for an image, and train its words to mean what is there",
    "dream": "turn a prompt into a 3-D object",
    "reconstruct": "find the cameras of a video or of photographs (COLMAP)",
    "fit": "fit a radiance field to pictures with cameras (transforms.json)",
    "sweep": "run recipes x prompts x seeds side by side (Ray), into one table",
    "compare": "put what sweeps made side by side on one page, turning, with scores",
    "view": "look at a run from all sides, in a browser on this machine",
    "export": "write the mesh of a run",
    "score": "score a dream against the truth of its prompt, where the toybox knows it",
    "doctor": "say what is installed and whether it works, a line each",
}


NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|-(inf|nan)$", re.IGNORECASE)  # a number, and no flag


class Parser(ArgumentParser):
    """A parser whose errors are one sentence."""

    def __init__(self, **how: Any):
        super().__init__(**how)
        self._negative_number_matcher = NEGATIVE  # argparse takes '-1e1' and '-inf' for flags otherwise

    def error(self, message: str) -> NoReturn:
        """Print the sentence and leave with status 2."""
        self.exit(2, f"dreamtext: {' '.join(message.split())}; see '{self.prog} --help'\n")


def parser(arguments: Sequence[str]) -> Parser:
    """The parser of these arguments: all commands, and the flags of those that are named."""
    top = Parser(prog="dreamtext", description="Text to pictures, text to 3-D, pictures to 3-D.")
    top.add_argument("--version", action="version", version=f"dreamtext {installed()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        if name in arguments:
            import_module(f".{name}", __package__).flags(command)
    return top


def installed() -> str:
    """The version of this package."""
    try:
        return version("dreamtext")
    except PackageNotFoundError:
        return "of a source folder that is not installed"


def flags_without_value(argv: Sequence[str]) -> list[str]:
    """The flags whose value is an empty text, as a shell makes of a variable that is not set: --out "$FOLDER"."""
    given = argv[: argv.index("--")] if "--" in argv else argv
    alone = [flag for flag, value in pairwise(given) if flag.startswith("--") and value == ""]
    return alone + [flag[:-1] for flag in given if flag.startswith("--") and flag.find("=") == len(flag) - 1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; whatever goes wrong ends in one sentence and a status that is not 0.

    DREAMTEXT_TRACEBACK=1 lets errors through with all that Python says about them.
    """
    argv = [str(a) for a in (sys.argv[1:] if argv is None else argv)]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what a narrow terminal cannot show is shown as its number
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            top = parser(argv)
            for flag in flags_without_value(argv):
                top.error(f"nothing stands after {flag}; give it a value, or leave it out")
            arguments, strange = top.parse_known_args(argv)
            if strange:
                top.prog = f"dreamtext {arguments.command}"  # whose help lists what it takes
                top.error(f"it does not know {' '.join(strange)}")
            return import_module(f".{arguments.command}", __package__).run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BaseException as error:
        if os.environ.get("DREAMTEXT_TRACEBACK") or isinstance(error, (SystemExit, GeneratorExit)):
            raise
        status, sentence = explain(error)
        print(f"dreamtext: {sentence}", file=sys.stderr)
        return status
