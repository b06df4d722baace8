"""The U-Net as an ONNX graph: the same answers from ONNX Runtime, which on a CPU takes about half of the time.

Score distillation asks for no gradient of the U-Net, so any program may answer. The graph is exported once for each set
of weights, checked against PyTorch, and kept (`cache`). Without the packages onnx and onnxruntime PyTorch answers.
"""

import hashlib
import io
import os
import sys
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ..runs import write_bytes
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


def export(unet: UNet2DConditionModel, tokens: int) -> bytes:
    """The ONNX graph of a U-Net on the CPU in single precision, for any number of latents."""
    size, width = unet.config.sample_size, unet.config.cross_attention_dim
    example = torch.zeros(2, unet.config.in_channels, size, size), torch.zeros(2).long(), torch.zeros(2, tokens, width)
    names, file = ["x_t", "t", "states"], io.BytesIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter by tracing is the old one; the new one takes twenty seconds
        torch.onnx.export(
            Answer(unet).eval(),
            example,
            file,
            dynamo=False,
            input_names=names,
            output_names=["out"],
            dynamic_axes={name: {0: "batch"} for name in names},
        )
    return file.getvalue()


class GraphUNet:
    """An exported U-Net: x_t (B, c, h, w), t (B,), states (B, L, C) -> (B, c, h, w), without gradient."""

    def __init__(self, graph: bytes, threads: int = 1):
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, x_t: Tensor, t: Tensor, states: Tensor) -> Tensor:
        """The U-Net's answer."""
        given = {"x_t": x_t.numpy(), "t": t.numpy(), "states": states.contiguous().numpy()}
        return torch.from_numpy(self.session.run(None, given)[0])


def name_of(unet: UNet2DConditionModel) -> str:
    """A name that is the same for the same weights."""
    digest = hashlib.sha256(repr(sorted(unet.config.items(), key=str)).encode())
    for name, tensor in unet.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return f"unet-{digest.hexdigest()[:16]}.onnx"


def quicken(prior: LatentPrior, threads: int = 1) -> str:
    """Let ONNX Runtime answer for the prior's U-Net, where it can; which program answers: 'onnxruntime' or 'torch'.

    It can for a U-Net on the CPU in single precision, if the packages are there. The first time the graph is exported,
    which takes some seconds. Raises ValueError if the graph's answer is not PyTorch's.
    """
    if prior.device.type != "cpu" or prior.dtype != torch.float32 or not at_hand():
        return "torch"
    path, tokens = cache() / name_of(prior.unet), prior.tokenizer.model_max_length
    if (network := kept(path, prior, threads)) is None:
        graph = export(prior.unet, tokens)
        network = GraphUNet(graph, threads)
        compare(network, prior, tokens)
        with suppress(OSError):  # no place to keep it: it serves this run
            write_bytes(path, graph)
    prior.network, prior.engine = network, "onnxruntime"
    return prior.engine


def kept(path: Path, prior: LatentPrior, threads: int) -> GraphUNet | None:
    """The graph that was kept in a file; None if there is none, or a damaged one: then it is exported anew."""
    try:
        graph = GraphUNet(path.read_bytes(), threads)
        compare(graph, prior, prior.tokenizer.model_max_length)
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
def compare(graph: GraphUNet, prior: LatentPrior, tokens: int) -> None:
    """Raise ValueError unless the graph answers as PyTorch does, to `NEAR`, for one latent and for three."""
    unet, generator = prior.unet, torch.Generator().manual_seed(0)
    for count in (1, 3):
        x = torch.randn(count, unet.config.in_channels, *(unet.config.sample_size,) * 2, generator=generator)
        t = torch.randint(1000, (count,), generator=generator)
        states = torch.randn(count, tokens, unet.config.cross_attention_dim, generator=generator)
        off = (graph(x, t, states) - unet(x, t, states).sample).abs().max().item()
        if not off < NEAR:
            raise ValueError(
                f"the exported U-Net is off by {off:.2g} from PyTorch's; use --engine torch, and tell us which versions"
                " of onnx and onnxruntime are installed"
            )
