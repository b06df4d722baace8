"""Low-rank changes of the U-Net that learn from one picture: DreamBooth (Ruiz et al. 2023) by LoRA (Hu et al. 2022).

Words say what the network shall draw; here the network itself learns to draw it. Each linear layer of its attention,
of weights W (out, in), answers as if it had W + B A, with A (r, in) and B (out, r) and a rank r that is far below both.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from ..distillation.prior import LatentPrior

LAYERS = ("to_q", "to_k", "to_v", "to_out.0")  # of each attention, by diffusers' names


class LowRank(nn.Module):
    """A and B of each such layer, in single precision; the network's own weights stay as they are.

    B begins at 0, so that nothing is changed at first, and A with deviation 1 / r. Source: Hu et al. 2022, section 4.1.
    Raises ValueError for a U-Net without attention.
    """

    what = "low-rank changes of the U-Net"

    def __init__(self, prior: LatentPrior, rank: int = 4, generator: torch.Generator | None = None):
        super().__init__()
        layers = {name: m for name, m in prior.unet.named_modules() if isinstance(m, nn.Linear)}
        layers = {name: m for name, m in layers.items() if name.endswith(LAYERS)}
        if not layers:
            raise ValueError("the model's U-Net has no attention, so there is nothing to change in it")
        self.names, device = tuple(layers), prior.device
        down = [torch.randn(rank, m.in_features, generator=generator) / rank for m in layers.values()]
        self.down = nn.ParameterList([a.to(device) for a in down])  # A of each layer
        self.up = nn.ParameterList([torch.zeros(m.out_features, rank, device=device) for m in layers.values()])  # B

    @contextmanager
    def read_by(self, prior: LatentPrior) -> Iterator[None]:
        """While it lasts, PyTorch's U-Net of the prior answers with the changes; a graph in its place would not."""
        layers = [prior.unet.get_submodule(name) for name in self.names]
        hooks = [m.register_forward_hook(partial(changed, a, b)) for m, a, b in zip(layers, self.down, self.up)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def states(self, prior: LatentPrior, texts: list[str], *, gradient: bool = False) -> Tensor:
        """Text states (N, L, C): those of the prior, since no word learns."""
        return prior.encode_text(texts)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """A and B of all layers by the names that diffusers' `load_lora_weights` knows."""
        parts = zip(self.names, self.down, self.up)
        return {key: v for n, a, b in parts for key, v in zip(keys_of(n), (a, b))}


def changed(a: Tensor, b: Tensor, layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """The answer W x + bias of a layer, and B A x beside it."""
    return out + (given[0].float() @ a.t() @ b.t()).to(out)


def keys_of(name: str) -> tuple[str, str]:
    """The names of A and B of a layer in a file."""
    return f"unet.{name}.lora_A.weight", f"unet.{name}.lora_B.weight"


def is_low_rank(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file's tensors are changes as `LowRank.tensors` gives them: each A with its B, of one rank."""
    names = {key.removeprefix("unet.").split(".lora_")[0] for key in tensors}
    pairs = [tuple(tensors.get(key) for key in keys_of(name)) for name in names]
    whole = len(tensors) == 2 * len(names) and all(a is not None and b is not None for a, b in pairs)
    return bool(pairs) and whole and all(a.ndim == b.ndim == 2 and len(a) == b.shape[1] for a, b in pairs)


@torch.no_grad()
def put_changes(prior: LatentPrior, tensors: Mapping[str, Tensor]) -> None:
    """Add B A to the weights of a prior's U-Net for good. Raises ValueError, before any change, if it has others."""
    layers = dict(prior.unet.named_modules())
    parts = []
    for name in sorted({key.removeprefix("unet.").split(".lora_")[0] for key in tensors}):
        a, b = (tensors[key].float() for key in keys_of(name))
        weight = getattr(layers.get(name), "weight", None)
        if weight is None or weight.shape != (len(b), a.shape[1]):
            has = f"{' x '.join(map(str, weight.shape))} weights" if weight is not None else "no such layer"
            raise ValueError(
                f"the changes of '{name}' are of {len(b)} x {a.shape[1]} weights, and this model has {has}; use the"
                " model that they were learned with"
            )
        parts.append((weight, (b @ a).to(weight.device)))
    for weight, change in parts:
        weight.copy_(weight.float() + change)
