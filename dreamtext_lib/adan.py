"""Adan, the optimiser of the thesis' code (Xie et al. 2022, algorithm 1), in as few lines as it is formulas."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class Adan(torch.optim.Optimizer):
    """Adam with Nesterov's look ahead: the change of the gradient counts too.

    For gradients g_k, with d_k = g_k - g_{k-1} and d_1 = 0, and from zeros:

        m_k = b1 m_{k-1} + (1 - b1) g_k
        v_k = b2 v_{k-1} + (1 - b2) d_k
        n_k = b3 n_{k-1} + (1 - b3) (g_k + b2 d_k)^2
        p_k = (p_{k-1} - lr (m^ + b2 v^) / (sqrt(n^) + eps)) / (1 + lr weight_decay)

    where x^ = x / (1 - b^k). `betas` are what is kept, (b1, b2, b3); the paper writes 1 - b. `clip`: the norm to which
    all gradients together are cut down first; 0 cuts nothing. Groups may have an `lr` each. Raises ValueError for a
    rate, an eps, a decay or a norm below 0, and for betas outside [0, 1).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip: float = 0.0,
    ):
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay), ("clip", clip)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}; it must be 0 or more")
        if len(betas) != 3 or not all(0 <= b < 1 for b in betas):
            raise ValueError(f"betas are {betas}; there must be three, each at least 0 and below 1")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        self.clip = clip

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step along the gradients that the parameters hold; what `closure`, if given, says the loss is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.clip > 0:
            nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], self.clip)
        for group in self.param_groups:
            b1, b2, b3 = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                g, state = p.grad, self.state[p]
                if not state:
                    state |= {name: torch.zeros_like(p) for name in ("mean", "change", "square")}
                    state |= {"step": torch.tensor(0.0), "before": g.clone()}
                state["step"] += 1
                k, d = state["step"].item(), g - state["before"]
                state["mean"].lerp_(g, 1 - b1)
                state["change"].lerp_(d, 1 - b2)
                ahead = g + b2 * d
                state["square"].mul_(b3).addcmul_(ahead, ahead, value=1 - b3)
                state["before"].copy_(g)
                towards = state["mean"] / (1 - b1**k) + b2 * state["change"] / (1 - b2**k)
                size = (state["square"] / (1 - b3**k)).sqrt_().add_(group["eps"])
                p.addcdiv_(towards, size, value=-group["lr"]).div_(1 + group["lr"] * group["weight_decay"])
        return loss
