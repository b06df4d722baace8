"""Any CLIP as a describer: unit vectors of a picture and of sentences; those of sentences are kept, up to a number."""

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from ..distillation.prior import first_line, quiet
from ..files import read_tensors, write_tensors
from ..zoo import MODELS
from ..zoo.zeroshot import features

KEPT = 20_000  # sentences that are remembered, the first made: those of nouns alone serve other pictures too
LONGEST_VIEW = ", overhead view"  # what a dream adds to a sentence, for which there must be room


class Clip:
    """A CLIP with its tokenizer and what it does to pictures before it looks at them."""

    def __init__(
        self, model: CLIPModel, tokenizer: CLIPTokenizer, processor: CLIPImageProcessorPil, *, batch: int = 256
    ):
        self.model, self.tokenizer, self.processor = model.eval().requires_grad_(False), tokenizer, processor
        self.batch, self.known = batch, dict[str, Tensor]()
        self.limit = min(tokenizer.model_max_length, model.config.text_config.max_position_embeddings)

    @classmethod
    def load(cls, name: str = "clip", device: str = "cpu", *, batch: int = 256) -> "Clip":
        """The CLIP of this package ('clip'), in a folder, or behind a name on the model hub, from safetensors alone.

        Raises ValueError with one sentence if it is not there, or is no CLIP.
        """
        folder = MODELS / name if name in ("clip", "judge") else Path(name)
        if folder.exists():
            check_clip(folder)
        elif name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise ValueError(f"there is no folder '{name}'")
        else:
            folder = name
        with quiet():
            try:
                model = CLIPModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
                tokenizer = CLIPTokenizer.from_pretrained(folder)
                processor = CLIPImageProcessorPil.from_pretrained(folder)
            except Exception as error:  # whatever two libraries may raise at files that other programs wrote
                raise ValueError(f"the CLIP '{name}' cannot be read or had: {first_line(error)}") from error
        return cls(model.to(device), tokenizer, processor, batch=batch)

    @torch.no_grad()
    def image(self, rgb: Tensor) -> Tensor:
        """The unit vector (W,) of one picture (3, H, W) in 0..1.

        It goes through the model's own processor, which must not divide by 255 once more: a picture in 0..1 would turn
        nearly black, and every sentence would fit it alike.
        """
        array = rgb.clamp(0, 1).permute(1, 2, 0).cpu().numpy()  # (H, W, 3)
        pixels = self.processor(array, do_rescale=False, input_data_format="channels_last", return_tensors="pt")
        return features(self.model.get_image_features(pixel_values=pixels["pixel_values"].to(self.model.device)))[0]

    def fitting(self, sentences: Sequence[str]) -> list[int]:
        """Which sentences are short enough, with a view word behind them, for the tokenizer: their places."""
        ids = self.tokenizer([f"{s}{LONGEST_VIEW}" for s in sentences]).input_ids if sentences else []
        return [place for place, row in enumerate(ids) if len(row) <= self.limit]

    @torch.no_grad()
    def texts(self, sentences: Sequence[str], done: Callable[[int], None] = lambda count: None) -> Tensor:
        """Unit vectors (N, W) of sentences. `done` hears, batch by batch, how many more are made."""
        new = dict.fromkeys(s for s in sentences if s not in self.known)  # a set has another order in each program
        new = sorted(new, key=len)  # alike in length: little padding
        done(len(set(sentences)) - len(new))
        made = dict[str, Tensor]()
        for start in range(0, len(new), self.batch):
            part = new[start : start + self.batch]
            ids = self.tokenizer(part, padding=True, return_tensors="pt").input_ids.to(self.model.device)
            made |= zip(part, features(self.model.get_text_features(input_ids=ids)))
            done(len(part))
        out = torch.stack([made[s] if s in made else self.known[s] for s in sentences])
        self.known |= islice(made.items(), max(KEPT - len(self.known), 0))
        return out

    @property
    def fingerprint(self) -> str:
        """A mark of the text tower, its settings and the tokenizer: the vectors of another model are not its own."""
        mark = hashlib.sha256(json.dumps(sorted(self.tokenizer.get_vocab().items())).encode())
        mark.update(self.model.config.text_config.to_json_string().encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            if name.startswith("text"):
                mark.update(tensor.cpu().contiguous().numpy().tobytes())
        return mark.hexdigest()

    def keep(self, path: Path) -> None:
        """Write the remembered vectors to a file (.safetensors), for `recall`."""
        if self.known:
            vectors = torch.stack(list(self.known.values())).cpu()
            write_tensors(path, {"vectors": vectors}, {"sentences": list(self.known), "model": self.fingerprint})

    def recall(self, path: Path) -> bool:
        """Remember what `keep` wrote; False if there is no file, or another model's.

        Raises ValueError if the file is broken, or was not written by `keep`, which would write over it.
        """
        if not path.exists():
            return False
        try:
            tensors, meta = read_tensors(path)
        except ValueError as error:
            raise ValueError(f"{error}; it is no cache: name another file, or remove it first") from error
        if not (tensors.keys() == {"vectors"} and meta.keys() == {"sentences", "model"}):
            raise ValueError(f"'{path}' holds no vectors of sentences; name another --cache, which is written over")
        if meta.get("model") != self.fingerprint:
            return False
        self.known |= zip(meta["sentences"], tensors["vectors"].to(self.model.device))
        return True


def check_clip(folder: Path) -> None:
    """Raise ValueError unless a folder says of itself that it holds a CLIP."""
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"the folder '{folder}' holds no CLIP: it has no config.json that can be read") from error
    if kind != "clip":
        raise ValueError(f"the folder '{folder}' holds a model of the kind '{kind}', not a CLIP")
