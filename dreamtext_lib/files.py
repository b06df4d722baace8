"""Files that are whole or absent: bytes, JSON, tensors, and folders that take their name when they are full."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a neighbour first, then renamed into place.

    Raises OSError (disk full, no permission) and leaves what stood there before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = neighbour(path)
    try:
        with open(partial, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def neighbour(path: Path) -> Path:
    """A name beside a path for what is not whole yet; no two writers of the path have the same."""
    return path.with_name(f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.partial")


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill, which takes its name when the block ends, and is gone with all it made if the block fails.

    Raises ValueError if anything but an empty folder stands there.
    """
    path = Path(path).absolute()  # '.' has no name
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"'{path}' is not an empty folder; choose another --out")
    new = [parent for parent in path.parents if not parent.exists()]  # the deepest first
    partial = neighbour(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        path.mkdir(exist_ok=True)
        for part in partial.iterdir():  # what stood there empty may be a mount, or someone's working folder
            os.replace(part, path / part.name)
        partial.rmdir()
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in new:
            with suppress(OSError):
                parent.rmdir()
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> None:
    """Write tensors, and JSON values beside them, as one safetensors file, whole or not at all."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(tensors, {key: json.dumps(value) for key, value in (meta or {}).items()}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote: the tensors and the values. Raises ValueError if it is not there, or not whole."""
    if not Path(path).is_file():
        raise ValueError(f"the file '{path}' is missing")
    try:
        with safe_open(path, "pt") as f:
            meta = {key: json.loads(value) for key, value in (f.metadata() or {}).items()}
            return {name: f.get_tensor(name) for name in f.keys()}, meta
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"'{path}' is cut short or broken ({error})") from error
