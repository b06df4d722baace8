"""Datasets of toy renders: one safetensors file, the same bytes for the same seed on any number of processes."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from ..files import write_tensors
from ..radiance.cameras import VIEW_WORDS, sample_cameras, view_word
from .colours import COLOUR_NAMES
from .objects import CLASS_NAMES, PATTERNS, SHAPE_NAMES, ToyObject, Words, random_caption, random_object
from .render import random_look, render

BATCH = 16


@dataclass
class Dataset:
    """N renders with what is true of each."""

    images: Tensor  # (N, H, W, 3) uint8
    labels: Tensor  # (N, 5) int64: indices into CLASS_NAMES, COLOUR_NAMES, PATTERNS, SHAPE_NAMES, VIEW_WORDS
    clear: Tensor  # (N, 5) bool: which of these words are beyond doubt, away from the border to another one
    numbers: Tensor  # (N, K) float32: `ToyObject.numbers`
    angles: Tensor  # (N, 2) degrees: azimuth, elevation

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, rows: Tensor | slice) -> Tensor:
        """Images in the range -1..1 that the models take, (n, 3, H, W)."""
        return self.images[rows].permute(0, 3, 1, 2).float() / 127.5 - 1

    def thing(self, row: int) -> ToyObject:
        """The object on picture `row`."""
        return ToyObject.of_numbers(CLASS_NAMES[int(self.labels[row, 0])], self.numbers[row].tolist())

    def view(self, row: int) -> str:
        """The view word of picture `row`."""
        return VIEW_WORDS[int(self.labels[row, 4])]

    def captions(self, rows: Tensor, rng: np.random.Generator) -> list[str]:
        """A fresh random caption for each of the rows."""
        return [random_caption(words(self.labels[i].tolist()), self.view(i), rng) for i in rows.tolist()]


def words(label: list[int]) -> Words:
    """The words of one row of labels."""
    c, k, p, s, _ = label
    return Words(CLASS_NAMES[c], COLOUR_NAMES[k], PATTERNS[p], SHAPE_NAMES[s])


Part = tuple[np.ndarray, ...]  # the five tensors of a batch, as arrays


def batch(seed: int, index: int, size: int, front_bias: float, device: str = "cpu") -> Part:
    """Batch `index` of the dataset `seed`: BATCH renders of one class, with all that a `Dataset` holds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same bytes on any machine, and a process a core is faster
    try:
        return drawn(seed, index, size, front_bias, device)
    finally:
        torch.set_num_threads(threads)


def drawn(seed: int, index: int, size: int, front_bias: float, device: str) -> Part:
    """What `batch` returns, on as many threads as are set."""
    rng = np.random.default_rng((seed, index))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    cameras = sample_cameras(BATCH, generator, front_share=front_bias)
    name = CLASS_NAMES[index % len(CLASS_NAMES)]
    things = [random_object(rng, name) for _ in range(BATCH)]
    picture = render(things, cameras.to(device), size, random_look(cameras, rng))
    angles = torch.stack([cameras.azimuth, cameras.elevation], -1)
    labels, clear = [], []
    for thing, (azimuth, elevation) in zip(things, angles.tolist()):
        c, k, p, s = thing.words
        view = VIEW_WORDS.index(view_word(azimuth, elevation))
        labels.append((CLASS_NAMES.index(c), COLOUR_NAMES.index(k), PATTERNS.index(p), SHAPE_NAMES.index(s), view))
        clear.append((*thing.clear, True))
    return (
        (picture.rgb * 255 + 0.5).byte().cpu().numpy(),
        np.array(labels, dtype=np.int64),
        np.array(clear),
        np.array([thing.numbers for thing in things], dtype=np.float32),
        angles.numpy(),
    )


def batches(
    count: int, *, seed: int = 0, size: int = 64, front_bias: float = 0.0, workers: int = 2, device: str = "cpu"
) -> Iterator[Part]:
    """Batches of 16 renders, in order, until there are `count`; classes take turns.

    On another device than the CPU they are rendered by this process alone, and rounded differently there.
    """
    jobs = range(-(-count // BATCH))
    arguments = ([seed] * len(jobs), jobs, [size] * len(jobs), [front_bias] * len(jobs), [device] * len(jobs))
    if workers < 2 or device != "cpu":
        yield from map(batch, *arguments)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(batch, *arguments, chunksize=4)


def gather(parts: Iterator[Part], count: int) -> Dataset:
    """A dataset of the first `count` renders of these batches."""
    return Dataset(*(torch.from_numpy(np.concatenate(part)[:count]) for part in zip(*parts)))


def write(dataset: Dataset, path: Path) -> None:
    """Write a dataset to one safetensors file, whole or not at all."""
    write_tensors(path, vars(dataset))


def read(path: Path) -> Dataset:
    """Read what `write` wrote."""
    with safe_open(path, "pt") as f:
        return Dataset(*(f.get_tensor(field.name) for field in fields(Dataset)))


def main() -> None:
    """`python -m dreamtext_lib.toybox.dataset OUT --count N --seed S --size PX --front-bias SHARE`."""
    from argparse import ArgumentParser

    from tqdm import tqdm

    parser = ArgumentParser(description="Render a dataset of toy objects into one safetensors file.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=57_344)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--front-bias", type=float, default=0.0, help="share of azimuths from the front quarter alone")
    a = parser.parse_args()
    if a.count < 1 or a.size < 1 or not 0 <= a.front_bias <= 1:
        parser.error("--count and --size must be at least 1 and --front-bias between 0 and 1")
    steps = tqdm(
        batches(a.count, seed=a.seed, size=a.size, front_bias=a.front_bias), total=-(-a.count // BATCH), unit="batch"
    )
    write(gather(steps, a.count), a.out)


if __name__ == "__main__":
    main()
