"""Steps a second of a dream at 32 and 64 pixels, and the share of a step that each part takes.

`python -m benchmarks.dream` takes a minute on two cores. The two sizes take turns, so that both see the same machine.
"""

import statistics
import time
from itertools import islice

import torch

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.profile import PROFILES
from dreamtext_lib.zoo import resolve

SIZES, WARM_UP, ROUNDS, STEPS = (32, 64), 60, 5, 30
PARTS = ("renderer", "autoencoder", "U-Net", "backward and optimiser")


def main() -> None:
    """Print a row for each size: median steps a second over the rounds, its range, and the shares."""
    toy = PROFILES["toy"]
    prior = load_prior(resolve(toy.model))
    recipe = toy.recipes["fitfusion"]
    walks = {size: Dream("a red castle", prior, recipe.with_fields(size=size)).run() for size in SIZES}
    for walk in walks.values():
        for _ in islice(walk, WARM_UP):
            pass
    rates, parts = {size: [] for size in SIZES}, {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size, walk in walks.items():
            began = time.perf_counter()
            parts[size] += [record.seconds for record in islice(walk, STEPS)]
            rates[size].append(STEPS / (time.perf_counter() - began))
    print(f"{torch.get_num_threads()} threads, {ROUNDS} rounds of {STEPS} steps after {WARM_UP}")
    for size in SIZES:
        total = torch.tensor(parts[size]).sum(0)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(PARTS, (total / total.sum()).tolist()))
        low, middle, high = min(rates[size]), statistics.median(rates[size]), max(rates[size])
        print(f"{size} pixels: {middle:.2f} steps a second ({low:.2f} to {high:.2f}); {shares}")
    ratio = statistics.median(a / b for a, b in zip(rates[SIZES[0]], rates[SIZES[1]]))
    print(f"{SIZES[0]} pixels are {ratio:.2f} times as fast as {SIZES[1]}")


if __name__ == "__main__":
    main()
