"""What a step of a dream costs: for each named recipe, with PyTorch's U-Net and with its graph, and as it grows.

Run it with `python -m benchmarks.dream` (about two minutes on two idle cores). Everything takes turns on one machine,
so that all of it sees the same weather; what counts are the ratios. `--out` keeps the numbers as JSON.

The networks' own time is measured alone, on tensors of the same shapes and in the same run: the U-Net's two answers,
and for a field of colours the encoder with its way back, and the decoder where a recipe has the manifold term. What is
left of a step is ours: cameras, rays, samples, the field and its way back, regularisers, optimiser.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.graph import quicken
from dreamtext_lib.distillation.prior import LatentPrior, load_prior
from dreamtext_lib.distillation.recipe import TOY_FITFUSION, Recipe
from dreamtext_lib.files import write_json
from dreamtext_lib.profile import PROFILES
from dreamtext_lib.zoo import resolve

WARM_UP, ROUNDS, STEPS = 40, 5, 12
PARTS = ("renderer", "autoencoder", "U-Net", "backward and optimiser")
GROWTH = {"size": (16, 32, 64, 96), "batch": (1, 2, 4), "samples": (20, 40, 80)}
TARGET, SHARE = 60.0, 0.4  # ms a step of FitFusion, and the share of it that may be outside the networks


class Walk:
    """A dream that is measured a few steps at a time."""

    def __init__(self, recipe: Recipe, prior: LatentPrior):
        self.recipe, self.prior = recipe, prior
        self.steps = Dream("a red castle", prior, recipe).run()
        self.spent, self.parts = [], []
        for _ in islice(self.steps, WARM_UP):
            pass

    def go(self) -> None:
        """A few steps; their mean milliseconds, and the parts."""
        began = time.perf_counter()
        self.parts += [record.seconds for record in islice(self.steps, STEPS)]
        self.spent.append(1e3 * (time.perf_counter() - began) / STEPS)

    @property
    def row(self) -> dict[str, object]:
        """Median milliseconds a step over the rounds, their range, and the parts' shares."""
        total = torch.tensor(self.parts).sum(0)
        shares = dict(zip(PARTS, [round(share, 3) for share in (total / total.sum()).tolist()]))
        return {
            "ms": round(median(self.spent), 1),
            "range": [round(min(self.spent), 1), round(max(self.spent), 1)],
            "shares": shares,
        }


def networks(recipe: Recipe, prior: LatentPrior) -> dict[str, Callable[[], object]]:
    """What a step asks of each network, on tensors of its shapes."""
    b, c = recipe.views.batch, prior.unet.config.in_channels
    z = torch.randn(2 * b, c, *(prior.unet.config.sample_size,) * 2)
    t, states = torch.full((2 * b,), 500), prior.encode_text(["a red castle", ""]).repeat_interleave(b, 0)
    asked = {"U-Net": lambda: answered(prior, z, t, states)}
    if recipe.space == "colours":
        views = torch.rand(b, 3, recipe.views.size, recipe.views.size).requires_grad_()
        asked["encoder and its way back"] = lambda: prior.encode_image(views).sum().backward()
        if recipe.regular.manifold_weight:
            asked["decoder"] = lambda: prior.decode(z[:b])
    return asked


@torch.no_grad()
def answered(prior: LatentPrior, z: torch.Tensor, t: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """The U-Net's two answers, as a step asks for them."""
    return prior.eps(z, t, states)


def timed(work: Callable[[], object], repeat: int = 12) -> float:
    """Median milliseconds of a call, after two that are not counted."""
    spent = []
    for _ in range(repeat + 2):
        began = time.perf_counter()
        work()
        spent.append(1e3 * (time.perf_counter() - began))
    return median(spent[2:])


def measured(priors: dict[str, LatentPrior]) -> list[dict[str, object]]:
    """A row for each recipe and engine, in turns."""
    recipes = PROFILES["toy"].recipes
    named = {name: recipes[name] for name in ("latent", "fitfusion", "stable-dreamfusion")}
    walks = {(name, engine): Walk(r, prior) for name, r in named.items() for engine, prior in priors.items()}
    alone = {key: {name: [] for name in networks(walk.recipe, walk.prior)} for key, walk in walks.items()}
    for _ in range(ROUNDS):
        for key, walk in walks.items():
            walk.go()
            for name, work in networks(walk.recipe, walk.prior).items():
                alone[key][name].append(timed(work))
    rows = []
    for (name, engine), walk in walks.items():
        own = {network: round(median(spent), 1) for network, spent in alone[name, engine].items()}
        outside = round(1 - sum(own.values()) / walk.row["ms"], 3)
        rows.append({"recipe": name, "engine": engine, **walk.row, "networks alone, ms": own, "outside": outside})
    return rows


def grown(prior: LatentPrior) -> list[dict[str, object]]:
    """How a step of FitFusion grows with one number at a time, in turns, as ratios to the recipe itself."""
    walks = {(f, v): Walk(TOY_FITFUSION.with_fields(**{f: v}), prior) for f, vs in GROWTH.items() for v in vs}
    for _ in range(ROUNDS):
        for walk in walks.values():
            walk.go()
    usual = {
        "size": TOY_FITFUSION.views.size,
        "batch": TOY_FITFUSION.views.batch,
        "samples": TOY_FITFUSION.views.samples,
    }
    rows = []
    for (name, value), walk in walks.items():
        base = walks[name, usual[name]]
        ratio = median(a / b for a, b in zip(walk.spent, base.spent))
        rows.append({"field": name, "value": value, "ms": walk.row["ms"], "ratio": round(ratio, 2)})
    return rows


def main() -> None:
    """Measure, print, and keep the numbers where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch and of ONNX Runtime (default 1)")
    parser.add_argument("--out", type=Path, help="file to keep the numbers in, as JSON")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    priors = {"torch": load_prior(resolve("tiny")), "onnxruntime": load_prior(resolve("tiny"))}
    if quicken(priors["onnxruntime"], a.threads) != "onnxruntime":
        del priors["onnxruntime"]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    print(f"{a.threads} thread{'s' * (a.threads > 1)}; {load} jobs wanted a core before")
    rows = measured(priors)
    for row in rows:
        low, high = row["range"]
        shares = ", ".join(f"{name} {share:.0%}" for name, share in row["shares"].items())
        own = ", ".join(f"{name} {ms}" for name, ms in row["networks alone, ms"].items())
        print(f"{row['recipe']} with {row['engine']}: {row['ms']} ms a step ({low} to {high}); {shares}")
        print(f"    the networks alone: {own} ms; outside of them {row['outside']:.0%} of a step")
    growth = grown(list(priors.values())[-1])
    for row in growth:
        print(f"FitFusion with {row['field']} {row['value']}: {row['ms']} ms, {row['ratio']:.2f} times")
    fit = [row for row in rows if row["recipe"] == "fitfusion"][-1]
    print(f"FitFusion: {fit['ms']} ms a step (target {TARGET:.0f}), {fit['outside']:.0%} outside (target {SHARE:.0%})")
    if a.out:
        write_json(a.out, {"threads": a.threads, "load before": load, "recipes": rows, "growth": growth})


if __name__ == "__main__":
    main()
