"""A run's folder: a record of what it is, a checkpoint that it resumes from, a log."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .files import read_tensors, write_bytes, write_json

FORMAT = 1  # of recipe.json, counted up where an older reader would read it wrongly; a record without one is of 1

KINDS = {  # what a run may be, in words, and the command that makes it
    "dream": ("a dream", "dream"),
    "fit": ("a fit", "fit"),
    "words": ("words", "describe"),
}

COLOURS = "colours.safetensors"  # in the folder of a dream in latents: the volume of its ending


def step_of(line: str) -> float:
    """The step of a line of a log; infinity where the line is broken."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf


TEXTS = {"kind", "prompt", "model", "capture", "sentence"}  # names in a record whose values are texts


def write_record(folder: Path, kind: str, about: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Write recipe.json, which says what a run is: its format, its kind (of `KINDS`), what it is about, its recipe.

    about: `seed`; of a dream `prompt` and `model`, of a fit `capture`, of words `sentence` and `model`.
    Where a run has them, also `words`, the file or the name of words that were learned for it, and `image`, the file of
    the picture it refers to. Files are named by whole paths, or by their place in the run's folder.
    """
    write_json(Path(folder) / "recipe.json", {"format": FORMAT, "kind": kind, **about, "recipe": recipe})


def read_record(folder: Path, kind: str | None = None, needs: Sequence[str] = ()) -> dict[str, Any]:
    """What `write_record` wrote, once the run's files are there and the run is of this kind (None: of any).

    `words` and `image` are None where the run has none. needs: names that must be there beside `kind`, `seed` and
    `recipe`. Raises ValueError, in one sentence, if something is missing, false, or of a format of later versions.
    """
    path, values = Path(folder) / "recipe.json", {"words": None, "image": None} | values_of(Path(folder))
    for name in ("kind", "seed", "recipe"):
        if name not in values:
            raise ValueError(f"'{path}' lacks '{name}'; another version of dreamtext wrote it, which can read it")
    for name in sorted(TEXTS & {"kind", *needs}):
        if not isinstance(values.get(name, ""), str):
            raise ValueError(f"'{path}' has the {name} {values[name]!r}; it must be a text")
    if kind is not None and values["kind"] != kind:
        there = values["kind"]
        what, command = KINDS.get(there, (f"a {there}", there))
        raise ValueError(
            f"the folder '{folder}' holds {what}, not {KINDS[kind][0]}; use dreamtext {command} --resume '{folder}'"
        )
    if type(values["seed"]) is not int or not 0 <= values["seed"] < 2**64:
        raise ValueError(f"'{path}' has the seed {values['seed']!r}; it must be a whole number from 0 to 2^64 - 1")
    for name in needs:
        if name not in values:
            raise ValueError(f"'{path}' lacks '{name}'")
    for name in ("words", "image"):
        if not isinstance(values[name], str | None):
            raise ValueError(f"'{path}' has the {name} {values[name]!r}; it must be the name of a file, or null")
    return values


def values_of(folder: Path) -> dict[str, Any]:
    """The object in a run's recipe.json, if it is of a format that is known here and a checkpoint is beside it."""
    path, absent = folder / "recipe.json", f"the folder '{folder}' holds no run"
    if not folder.is_dir():
        raise ValueError(f"there is no folder '{folder}'" + " (it is a file)" * folder.exists())
    if not path.is_file():
        raise ValueError(f"{absent}: {path.name} is missing")
    try:
        values = json.loads(path.read_bytes().decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"'{path}' holds no JSON object")
    if type(form := values.get("format", 1)) is not int or form < 1:
        raise ValueError(f"'{path}' has the format {form!r}; it must be a whole number, at least 1")
    if form > FORMAT:
        raise ValueError(
            f"'{path}' has the format {form}, which a later dreamtext wrote; this one reads up to {FORMAT}"
        )
    if not (folder / "checkpoint.safetensors").is_file():
        raise ValueError(f"{absent}: checkpoint.safetensors is missing")
    return values


def stream(seed: int, step: int, purpose: str) -> torch.Generator:
    """The random numbers of one step for one purpose ("camera", "noise"): a new purpose moves no other's.

    seed: a whole number in 0..2^64 - 1; step: in 0..2^32 - 1. Streams differ in all 64 bits by numpy's SeedSequence.
    Raises ValueError for another seed or step.

    >>> stream(0, 1, "camera").initial_seed() == stream(0, 1, "light").initial_seed()
    False
    """
    if not 0 <= seed < 2**64 or not 0 <= step < 2**32:
        raise ValueError(f"seed {seed} and step {step} must be whole numbers, the seed below 2^64, the step below 2^32")
    words = np.random.SeedSequence(seed, spawn_key=(step, *purpose.encode())).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0]))


def read_checkpoint(folder: Path, most: float = math.inf) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a run's checkpoint and the values beside them, of which `step` says how many steps were done.

    Raises ValueError as `read_tensors` does, for a checkpoint that does not say its step, and for one of more steps
    than `most`, those of the recipe.
    """
    path = Path(folder) / "checkpoint.safetensors"
    try:
        tensors, meta = read_tensors(path)
    except ValueError as error:
        raise ValueError(f"{error}; its run cannot go on") from error
    if type(step := meta.get("step")) is not int:
        raise ValueError(f"'{path}' does not say how many steps were done; another version of dreamtext wrote it")
    if step > most:
        raise ValueError(
            f"the checkpoint in '{folder}' is of step {step}, its recipe has {most} steps; put back the recipe.json"
            " of that run, or begin a new one"
        )
    return tensors, meta


def pack(modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All tensors of modules and optimisers under flat names, for `write_tensors`."""
    tensors = {f"{m}/{name}": t for m, module in modules.items() for name, t in module.state_dict().items()}
    for o, optimiser in optimisers.items():
        for i, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{o}/{i}/{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def unpack(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    steps: int = 0,
) -> None:
    """Put back what `pack` gathered after so many steps.

    Raises ValueError if names or shapes of the modules' tensors differ, and for states of optimisers that are of other
    parameters or shapes, have other names than each other, or are missing after a step.
    """
    try:
        put_back(tensors, modules, optimisers, steps)
    except (KeyError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(f"the checkpoint is of another recipe or version ({text})") from error


def put_back(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    steps: int,
) -> None:
    """The same, with the errors of torch."""
    for m, module in modules.items():
        prefix = f"{m}/"
        module.load_state_dict({name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)})
    for o, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"{o}/"):
                _, i, key = name.split("/")
                state.setdefault(int(i), {})[key] = tensor
        check_state(o, state, [p for group in optimiser.param_groups for p in group["params"]], steps)
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def check_state(name: str, state: Mapping[int, Mapping[str, Tensor]], of: Sequence[Tensor], steps: int) -> None:
    """Raise KeyError unless an optimiser can go on with a state: torch itself looks at neither names nor shapes."""
    if steps and not state:
        raise KeyError(f"{name} has no state after {steps} steps")
    for i, values in state.items():
        if i >= len(of) or values.keys() != next(iter(state.values())).keys():
            raise KeyError(f"{name}/{i} is the state of no parameter, or lacks what others have")
        for key, value in values.items():
            if value.ndim and value.shape != of[i].shape:
                raise KeyError(f"{name}/{i}/{key} has the shape {tuple(value.shape)}, not {tuple(of[i].shape)}")


class Log:
    """Records of a run, one JSON object a line; a resumed run drops what stood after its checkpoint."""

    def __init__(self, path: Path, keep: int = 0):
        self.path = Path(path)
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        except (UnicodeDecodeError, OSError) as error:
            why = "it holds bytes that are no text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ValueError(
                f"the log '{self.path}' cannot be read ({why}); move it away, and go on without it"
            ) from error
        self.lines = [line for line in lines if step_of(line) <= keep]

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Add one record, which has a `step`; the file is whole after every call."""
        self.lines.append(json.dumps(record))
        write_bytes(self.path, "".join(f"{line}\n" for line in self.lines).encode())
