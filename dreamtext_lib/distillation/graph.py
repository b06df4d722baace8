"""U-Net and decoder as ONNX graphs: the same answers from ONNX Runtime, in half to two thirds of the time on a CPU.

Score distillation asks for no gradient of either, so any program may answer. A graph is exported once for each set of
weights, checked against PyTorch, and kept (`cache`). Without the packages onnx and onnxruntime PyTorch answers.
"""

import hashlib
import io
import os
import sys
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from ..files import write_bytes
from .prior import LatentPrior

NEAR = 1e-4  # how far the graph's answers may be from PyTorch's, for answers of about 1


def cache() -> Path:
    """Where graphs are kept: the folder DREAMTEXT_CACHE, else one in the virtual environment, else the user's cache."""
    if told := os.environ.get("DREAMTEXT_CACHE"):
        return Path(told)
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "share" / "dreamtext"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreamtext"


class Answer(nn.Module):
    """A U-Net that gives a tensor and not an object."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.unet = unet

    def forward(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """(B, c, h, w), (B,), (B, L, C) -> (B, c, h, w)."""
        return self.unet(x_t, t, states, return_dict=False)[0]


class Painter(nn.Module):
    """A decoder of latents, which gives a tensor and not an object."""

    def __init__(self, vae: AutoencoderKL):
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, z: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 3, H, W)."""
        return self.decoder(z if self.post_quant_conv is None else self.post_quant_conv(z))


class Reader(nn.Module):
    """A text encoder that gives a tensor and not an object."""

    def __init__(self, text_encoder: nn.Module):
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, C)."""
        return self.text_encoder(input_ids=tokens).last_hidden_state


class Part(NamedTuple):
    """A network that a graph can take the place of."""

    name: str
    module: nn.Module
    example: tuple[Tensor, ...]  # what it is asked, for two latents or texts
    below: int = 1000  # whole numbers that it is asked are below this: time steps, or words of a vocabulary

    @property
    def file(self) -> str:
        """A name that is the same for the same weights."""
        digest = hashlib.sha256(repr([tuple(v.shape[1:]) for v in self.example]).encode())
        for name, tensor in self.module.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return f"{self.name}-{digest.hexdigest()[:16]}.onnx"

    def question(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The like of the example for `count` latents or texts, drawn at random."""
        return tuple(
            torch.randn(count, *v.shape[1:], generator=generator)
            if v.is_floating_point()
            else torch.randint(self.below, (count, *v.shape[1:]), generator=generator)
            for v in self.example
        )


def parts(prior: LatentPrior) -> tuple[Part, Part]:
    """The U-Net and the decoder."""
    c, size, width = (prior.unet.config[k] for k in ("in_channels", "sample_size", "cross_attention_dim"))
    z, t, tokens = torch.zeros(2, c, size, size), torch.zeros(2).long(), prior.tokenizer.model_max_length
    unet = Part("unet", Answer(prior.unet).eval(), (z, t, torch.zeros(2, tokens, width)))
    return unet, Part("decoder", Painter(prior.vae).eval(), (z,))


def reader(prior: LatentPrior) -> Part:
    """The text encoder. `quicken` leaves it to PyTorch, as a dream asks it once; the book's page needs its graph."""
    tokens = torch.zeros(2, prior.tokenizer.model_max_length).long()
    return Part("text", Reader(prior.text_encoder).eval(), (tokens,), prior.text_encoder.config.vocab_size)


def export(part: Part) -> bytes:
    """The ONNX graph of a network on the CPU in single precision, for any number of latents or texts."""
    names, file = [f"in_{i}" for i in range(len(part.example))], io.BytesIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter by tracing is the old one; the new one takes twenty seconds
        torch.onnx.export(
            part.module,
            part.example,
            file,
            dynamo=False,
            input_names=names,
            output_names=["out"],
            dynamic_axes={name: {0: "batch"} for name in names},
        )
    return file.getvalue()


class Graph:
    """An exported network: tensors, one row a latent, -> a tensor, without gradient."""

    def __init__(self, graph: bytes, threads: int = 1):
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, *given: Tensor) -> Tensor:
        """The network's answer."""
        named = {f"in_{i}": v.contiguous().numpy() for i, v in enumerate(given)}
        return torch.from_numpy(self.session.run(None, named)[0])


def quicken(prior: LatentPrior, threads: int = 1) -> str:
    """Let ONNX Runtime answer for the prior's U-Net and decoder; which program answers: 'onnxruntime' or 'torch'.

    It can for networks on the CPU in single precision, if the packages are there. The first time the graphs are
    exported, which takes some seconds. Raises ValueError if the answer of one is not PyTorch's.
    """
    if prior.device.type != "cpu" or prior.dtype != torch.float32 or not at_hand():
        return "torch"
    prior.network, prior.painter = (graph_of(part, threads) for part in parts(prior))
    prior.engine = "onnxruntime"
    return prior.engine


def graph_of(part: Part, threads: int) -> Graph:
    """The graph of a network: the kept one, or, if there is none or a damaged one, a fresh one, which is kept."""
    path = cache() / part.file
    if (graph := kept(path, part, threads)) is None:
        made = export(part)
        graph = Graph(made, threads)
        compare(graph, part)
        with suppress(OSError):  # no place to keep it: it serves this run
            write_bytes(path, made)
    return graph


def kept(path: Path, part: Part, threads: int) -> Graph | None:
    """The graph that was kept in a file; None if there is none, or a damaged one."""
    try:
        graph = Graph(path.read_bytes(), threads)
        compare(graph, part)
    except (OSError, ValueError):
        return None
    except Exception as error:  # the runtime's own errors have no common base
        if "onnxruntime" not in type(error).__module__:
            raise
        return None
    return graph


def at_hand() -> bool:
    """Whether both packages can be imported."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


@torch.no_grad()
def compare(graph: Graph, part: Part) -> None:
    """Raise ValueError unless the graph answers as PyTorch does, to `NEAR`, for one latent or text and for three."""
    generator = torch.Generator().manual_seed(0)
    for count in (1, 3):
        question = part.question(count, generator)
        off = (graph(*question) - part.module(*question)).abs().max().item()
        if not off < NEAR:
            raise ValueError(
                f"the exported {part.name} is off by {off:.2g} from PyTorch's; use --engine torch, and tell us which"
                " versions of onnx and onnxruntime are installed"
            )
