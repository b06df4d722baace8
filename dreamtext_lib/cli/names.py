"""What a command writes: where, by which name, and nothing written over."""

import os
import tempfile
from argparse import ArgumentTypeError
from pathlib import Path

RUNS = Path("runs")
HOLD = ".running"  # by which a run holds its folder (`drive.alone`); a program that was killed leaves it


def free(path: Path) -> Path:
    """The path itself, or the first of path-2, path-3, … that is not there yet."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def new_file(path: Path, flag: str) -> Path:
    """The path, once it is certain that a file can be written there and nothing is there; ValueError if not."""
    if path.is_symlink() and not path.exists():
        raise ValueError(f"{flag} '{path}' is a link that leads nowhere; remove it, or name another file")
    if path.is_dir():
        raise ValueError(f"{flag} '{path}' is a folder; name a file")
    if path.exists():
        raise ValueError(f"{flag} '{path}' is there already; choose another name, or remove it first")
    check_writable(path)
    return path


def new_folder(path: Path, resume: bool = True) -> Path:
    """The path, once it is certain that a folder can be made there and holds nothing; ValueError if not."""
    if path.is_symlink() and not path.exists():
        raise ValueError(f"--out '{path}' is a link that leads nowhere; remove it, or name another folder")
    if path.exists() and not path.is_dir():
        raise ValueError(f"--out '{path}' is a file; name a folder")
    if path.is_dir() and any(p.name != HOLD for p in path.iterdir()):
        on = f", or go on with --resume '{path}'" if resume else ""
        raise ValueError(f"the folder '{path}' is not empty; choose another --out{on}")
    check_writable(path / "file")
    return path


def check_writable(path: Path) -> None:
    """Raise ValueError unless a file can be written at the path, by writing one beside it that leaves no trace."""
    home = path.absolute().parent
    while not home.exists() and home != home.parent:
        home = home.parent
    try:
        if not home.is_dir():
            raise NotADirectoryError(None, "it is not a folder")
        with tempfile.TemporaryFile(dir=home) as f:
            f.write(b"dreamtext")
    except OSError as error:
        raise ValueError(f"'{path}' cannot be written: {error.strerror or error} ('{home}')") from error


def recorded(path: Path) -> str:
    """The whole path, as a run's record holds it. ValueError if it is no text, as a record is UTF-8."""
    try:
        (text := os.path.realpath(path)).encode("utf-8")  # a link to itself is for the reader to refuse
    except UnicodeEncodeError as error:
        raise ValueError(f"the path {os.fsencode(path)!r} is not UTF-8, so no record can hold it; rename it") from error
    return text


def seed(text: str) -> int:
    """A seed of 64 bits, as argparse takes a type."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**64:
        raise ArgumentTypeError(f"'{text}' is no whole number from 0 to 2^64 - 1")
    return value
