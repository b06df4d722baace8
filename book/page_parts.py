"""What the page that dreams loads when it is asked to: `python book/page_parts.py FOLDER` writes it.

The U-Net, the decoder and the text encoder of the tiny Stable Diffusion as ONNX graphs, the program that runs them
(ONNX Runtime Web, from the folder of vendored files), and a manifest with what else a dream needs: schedule, words,
walls, palette. `make book` calls this. Nothing of it is committed.

A page that was opened from its folder may not read files, but it may load scripts. So everything is written as scripts
that hand over text: numbers are packed by gzip, spelled in base64 and cut in pieces, whose arrival tells the progress.
The shipped weights are whole in half precision, and so they travel; each becomes single precision again when the graph
is loaded, without the loss of a bit.
"""

import gzip
import hashlib
import json
import sys
from base64 import b64encode
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from dreamtext_lib.distillation.ending import flat, palette
from dreamtext_lib.distillation.graph import Graph, Part, cache, compare, export, graph_of, parts, reader
from dreamtext_lib.distillation.prior import LatentPrior, load_prior
from dreamtext_lib.distillation.recipe import TOY_LATENT, Recipe
from dreamtext_lib.zoo import MODELS

VENDOR = Path(__file__).parent / "_static" / "vendor" / "onnxruntime"
PLACE = Path("book/_static/dream/models")  # where the page looks for it, in the sources of a build
PIECE = 1 << 20  # bytes of a piece, before they are spelled


def halved(graph: bytes) -> bytes:
    """The same graph with its weights in half precision, cast to single precision before their use.

    Only weights that lose nothing by it; the runtime casts them once, when it loads the graph.
    """
    model = onnx.load_from_string(graph)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or not np.array_equal(values.astype(np.float16).astype(np.float32), values):
            continue
        casts.append(helper.make_node("Cast", [f"{weight.name}.half"], [weight.name], to=TensorProto.FLOAT))
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.half"))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def packed(part: Part) -> bytes:
    """The graph of a part as it travels, before gzip. Raises ValueError if its answers are not PyTorch's."""
    graph_of(part, threads=1)  # exports and checks it, unless one is kept
    path = cache() / part.file
    graph = halved(path.read_bytes() if path.exists() else export(part))
    compare(Graph(graph), part)
    return graph


def manifest(prior: LatentPrior, recipe: Recipe) -> dict:
    """What a dream needs beside the networks."""
    v, groups = recipe.views, (recipe.score, recipe.views, recipe.ball, recipe.descent, recipe.regular, recipe.latents)
    tokens = json.loads(prior.tokenizer.backend_tokenizer.to_str())["model"]
    grey = torch.tensor([[v.background_min] * 3, [v.background_max] * 3])
    return {
        "alphaBar": prior.alpha_bar.tolist(),  # (1000,)
        "scaling": prior.vae.config.scaling_factor,
        "walls": flat(prior, grey).tolist(),  # (2, c): latents of the darkest and the lightest wall
        "palette": palette(prior).tolist(),  # (c + 1, 3): a linear map from latents and a one to rgb
        "recipe": {"steps": recipe.steps} | {name: value for g in groups for name, value in g.values().items()},
        "tokens": {
            "vocabulary": tokens["vocab"],
            "merges": tokens["merges"],
            "start": prior.tokenizer.bos_token_id,
            "end": prior.tokenizer.eos_token_id,
            "length": prior.tokenizer.model_max_length,
        },
    }


def script(folder: Path, name: str, call: str, *given: object) -> None:
    """A script that hands over values."""
    text = ", ".join(json.dumps(value, separators=(",", ":")) for value in given)
    (folder / name).write_text(f"dreamtext.{call}({text});\n", encoding="ascii")


def write(folder: Path) -> dict[str, int]:
    """Write all scripts to a folder; how many bytes travel for each part, where a server packs nothing."""
    prior = load_prior(str(MODELS / "tiny"))
    data = {part.name: gzip.compress(packed(part), 9, mtime=0) for part in (*parts(prior), reader(prior))}
    data["wasm"] = (VENDOR / "ort-wasm-simd-threaded.wasm.gz").read_bytes()
    texts = {
        "ort": (VENDOR / "ort.wasm.min.js").read_text(encoding="utf-8"),
        "mjs": (VENDOR / "ort-wasm-simd-threaded.mjs").read_text(encoding="utf-8"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pieces, sizes = {}, {}
    for name, values in data.items():
        spelled = [b64encode(values[i : i + PIECE]).decode() for i in range(0, len(values), PIECE)]
        pieces[name], sizes[name] = spelled, len(values)
    for name, text in texts.items():
        pieces[name], sizes[name] = [text], len(text)
    for name, spelled in pieces.items():
        for i, text in enumerate(spelled):
            script(folder, f"{name}-{i}.js", "piece", name, i, text)
    digest = hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:12]  # a browser keeps files of the same digest
    about = {name: {"pieces": len(pieces[name]), "bytes": sizes[name]} for name in pieces}
    script(folder, "manifest.js", "manifest", {"digest": digest, "parts": about, "model": manifest(prior, TOY_LATENT)})
    return sizes


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python book/page_parts.py FOLDER")
    for name, size in write(Path(sys.argv[1])).items():
        print(f"{name:8} {size / 1e6:5.2f} MB")
