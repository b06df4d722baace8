"""What every descent shares: an optimiser and falling rates as a recipe has them, slopes that are not finite."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .adan import Adan
from .settings import Descent


def optimiser_of(
    grid: Iterable[nn.Parameter], net: Iterable[nn.Parameter], settings: Descent, fused: bool = False
) -> torch.optim.Optimizer:
    """Adam, or Adan (6.1.8), with one rate for the hash tables and one for the networks; `fused` is for Adam alone."""
    d = settings
    groups = [
        {"params": list(p), "lr": rate, "initial_lr": rate} for p, rate in ((grid, d.rate_grid), (net, d.rate_net))
    ]
    if d.optimiser == "adan":
        betas = d.beta_1, d.beta_change, d.beta_2
        return Adan(groups, betas=betas, eps=d.eps, weight_decay=d.weight_decay, clip=d.clip)
    return torch.optim.Adam(groups, betas=(d.beta_1, d.beta_2), eps=d.eps, fused=fused)


def falling(optimiser: torch.optim.Optimizer, settings: Descent, steps: int, start: int = 0):
    """torch's schedule for rates that fall exponentially, to `rate_end` times the first after `steps` steps.

    `start` steps are done already. Call its `step` after the optimiser's.
    """
    end = settings.rate_end
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: end ** (step / steps), last_epoch=start - 1)


def finite(slope: Tensor) -> tuple[Tensor, int]:
    """A slope with 0 where it is not finite, and how many entries that are.

    >>> finite(torch.tensor([1.0, float("nan"), float("inf")]))
    (tensor([1., 0., 0.]), 2)
    """
    broken = int((~slope.isfinite()).sum())
    return (slope.nan_to_num(0.0, 0.0, 0.0) if broken else slope), broken


def mend(optimiser: torch.optim.Optimizer) -> int:
    """Set what is not finite to 0 in the gradients of an optimiser's parameters; the number of such entries.

    One nan that reached Adam would stay in its memory, and in the parameter, for good.
    """
    total = 0
    for group in optimiser.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                p.grad, broken = finite(p.grad)
                total += broken
    return total
