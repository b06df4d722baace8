"""One training loop for every model of the zoo, seeded by step: a resumed run repeats an unbroken one bit for bit."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..files import read_tensors, write_tensors
from ..runs import Log, pack, unpack


@dataclass
class Stage:
    """What a model's training is made of."""

    modules: dict[str, nn.Module]  # all that a checkpoint holds
    optimiser: torch.optim.Optimizer
    loss: Callable[[float, torch.Generator, np.random.Generator], tuple[Tensor, dict[str, float]]]
    rate: float  # the highest learning rate
    after: Callable[[int], None] = field(default=lambda step: None)  # called when a step is done


def schedule(fraction: float, step: int, warmup: int = 100, hold: float = 0.5, floor: float = 0.02) -> float:
    """Share of the highest learning rate: a linear warm-up, a plateau until `hold`, then a cosine down to `floor`."""
    fall = min(max((fraction - hold) / (1 - hold), 0.0), 1.0)
    return min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * fall)))


def train(stage: Stage, steps: int, folder: Path, seed: int = 0, every: int = 250) -> Iterator[dict[str, float]]:
    """Run a stage for `steps` steps, or what is left of them; yields a record of each step.

    A checkpoint is written to `folder` every `every` steps and at the end, and resumed from if it is there.
    """
    checkpoint, start = folder / "checkpoint.safetensors", 0
    optimisers = {"optimiser": stage.optimiser}
    if checkpoint.exists():
        tensors, meta = read_tensors(checkpoint)
        unpack(tensors, stage.modules, optimisers)
        start = meta["step"]
    log, began, recent = Log(folder / "log.jsonl", keep=start), time.time(), []
    for step in range(start, steps):
        for group in stage.optimiser.param_groups:
            group["lr"] = stage.rate * schedule(step / steps, step)
        numbers = np.random.default_rng((seed, step))
        generator = torch.Generator().manual_seed(int(numbers.integers(2**62)))
        loss, record = stage.loss(step / steps, generator, numbers)
        stage.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in stage.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        stage.optimiser.step()
        stage.after(step)
        done, record = step + 1, {"step": step + 1, "loss": loss.item(), **record}
        recent.append(record)
        if done % 100 == 0 or done == steps:
            mean = {key: float(np.mean([r[key] for r in recent])) for key in record}
            log({**mean, "step": done, "seconds": round(time.time() - began, 1)})
            recent = []
        if done % every == 0 or done == steps:
            write_tensors(checkpoint, pack(stage.modules, optimisers), {"step": done})
        yield record


def average(target: nn.Module, source: nn.Module, step: int, decay: float) -> None:
    """Exponential moving average of the weights, faster at the start: target <- d target + (1 - d) source."""
    d = min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for a, b in zip(target.parameters(), source.parameters()):
            a.lerp_(b, 1 - d)
