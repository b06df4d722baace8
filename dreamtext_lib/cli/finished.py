"""A run's folder as something to look at, whatever it is of: neither a prior nor photographs are loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..files import read_tensors
from ..profile import profile
from ..radiance.volume import Volume
from ..runs import COLOURS, read_record

NEEDS = {"dream": ("prompt", "model"), "fit": ("capture",)}  # what the record of a run says


class Finished(NamedTuple):
    """A volume, and what is said of it."""

    volume: Volume
    title: str
    text: str


def finished(folder: Path) -> Finished:
    """A run from its folder. Raises ValueError, in one sentence, if it holds none."""
    kind = read_record(folder)["kind"]
    record = read_record(folder, needs=NEEDS.get(kind, ()))
    if kind == "words":
        what = f"the folder '{folder}' holds words, not an object"
        raise ValueError(f"{what}; go on with: dreamtext dream --words '{folder}'")
    if kind not in NEEDS:
        raise ValueError(f"the folder '{folder}' holds a {kind}, which this version does not know")
    tensors, meta = read_tensors(Path(folder) / "checkpoint.safetensors")
    if "volume" not in meta or "step" not in meta:
        raise ValueError(f"the checkpoint in '{folder}' holds no volume; another version of dreamtext wrote it")
    if (ended := Path(folder) / COLOURS).exists():
        volume = Volume.load(ended, profile().device)
    else:
        volume = Volume.of(meta["volume"], tensors, profile().device)
    return Finished(volume, *told(folder, record, meta["step"]))


def told(folder: Path, record: Mapping[str, Any], step: int) -> tuple[str, str]:
    """Title and text of a run. Raises ValueError if its recipe does not say what it must."""
    recipe = record["recipe"]
    try:
        if record["kind"] == "fit":
            title = Path(record["capture"]).stem
            return title, f"A {recipe['kind']} field, {step} steps, from pictures of '{title}'."
        how = f"{step} steps, guidance s = {recipe['score']['guidance']:g}, seed {record['seed']}"
        return record["prompt"], f"Dreamt by {record['model']}, {how}."
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'{folder}' holds no recipe of a {record['kind']}; another program wrote it") from error
