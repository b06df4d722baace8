"""A run's folder as something to look at, whatever it is of: neither a prior nor photographs are loaded."""

from pathlib import Path
from typing import NamedTuple

from ..profile import profile
from ..radiance.volume import Volume
from ..runs import COLOURS, read_record, read_tensors


class Finished(NamedTuple):
    """A volume, and what is said of it."""

    volume: Volume
    title: str
    text: str


def finished(folder: Path) -> Finished:
    """A run from its folder. Raises ValueError, in one sentence, if it holds none."""
    record = read_record(folder)
    if record["kind"] == "words":
        what = f"the folder '{folder}' holds words, not an object"
        raise ValueError(f"{what}; go on with: dreamtext dream --words '{folder}'")
    tensors, meta = read_tensors(Path(folder) / "checkpoint.safetensors")
    if "volume" not in meta or "step" not in meta:
        raise ValueError(f"the checkpoint in '{folder}' holds no volume; another version of dreamtext wrote it")
    if (ended := Path(folder) / COLOURS).exists():
        volume = Volume.load(ended, profile().device)
    else:
        volume = Volume.of(meta["volume"], tensors, profile().device)
    recipe = record["recipe"]
    if record["kind"] == "fit":
        title = Path(record["capture"]).stem
        return Finished(volume, title, f"A {recipe['kind']} field, {meta['step']} steps, from pictures of '{title}'.")
    how = f"{meta['step']} steps, guidance s = {recipe['score']['guidance']:g}, seed {record['seed']}"
    return Finished(volume, record["prompt"], f"Dreamt by {record['model']}, {how}.")
