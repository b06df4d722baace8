"""Zero-shot questions to a tiny CLIP: which class, colour, pattern, shape, view, or nothing at all."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPModel, CLIPTokenizer
from transformers.utils import logging

from ..radiance.cameras import VIEW_WORDS
from ..toybox.colours import COLOUR_NAMES
from ..toybox.objects import CLASS_NAMES, PATTERNS, SHAPE_NAMES, caption

COLUMNS = {"class": 0, "colour": 1, "pattern": 2, "shape": 3, "view": 4}  # of a row of labels
SIZES = (len(CLASS_NAMES), len(COLOUR_NAMES), len(PATTERNS), len(SHAPE_NAMES), len(VIEW_WORDS))
NOTHING = len(CLASS_NAMES)  # the class of a picture of nothing
STARTS = ("an image of", "", "a photo of")


def sentence(said: Sequence[int], start: str = STARTS[0]) -> str:
    """The caption of a row (class, colour, pattern, shape, view), where -1 is left unsaid."""
    c, k, p, s, v = said
    if c == NOTHING:
        return "an image of nothing"
    adjectives = (
        SHAPE_NAMES[s] if s >= 0 else "",
        COLOUR_NAMES[k] if k >= 0 else "",
        PATTERNS[p] if p >= 0 else "",
    )
    return caption(CLASS_NAMES[c], adjectives, VIEW_WORDS[v] if v >= 0 else None, start)


def questions(column: int, classes: Sequence[int] = range(SIZES[0])) -> list[list[int]]:
    """Rows that say a class and one value of a column, all values of the first class first."""
    said = torch.full((len(classes), SIZES[column], 5), -1)
    said[..., 0] = torch.tensor(classes)[:, None]
    said[..., column] = torch.arange(SIZES[column])
    return said.reshape(-1, 5).tolist()


def features(output: object) -> Tensor:
    """Unit vectors from what `get_image_features` or `get_text_features` returned, in old and new transformers."""
    return normalize(getattr(output, "pooler_output", output), dim=-1)


class ZeroShot:
    """A CLIP with its tokenizer, asked by sentences."""

    def __init__(self, model: CLIPModel, tokenizer: CLIPTokenizer):
        self.model, self.tokenizer = model.eval(), tokenizer

    @classmethod
    def load(cls, folder: Path) -> "ZeroShot":
        """The CLIP in a folder, in single precision."""
        logging.disable_progress_bar()
        model = CLIPModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        return cls(model, CLIPTokenizer.from_pretrained(folder))

    @torch.no_grad()
    def images(self, x: Tensor) -> Tensor:
        """Unit vectors (N, width) of pictures (N, 3, 64, 64) in -1..1."""
        return torch.cat([features(self.model.get_image_features(pixel_values=part)) for part in x.split(128)])

    @torch.no_grad()
    def texts(self, sentences: Sequence[str]) -> Tensor:
        """Unit vectors (N, width) of sentences."""
        ids = self.tokenizer(list(sentences), padding=True, return_tensors="pt").input_ids
        return features(self.model.get_text_features(input_ids=ids))

    def classes(self, x: Tensor, nothing: bool = False) -> Tensor:
        """Logits over 'an image of a castle', the other classes and, if asked, 'an image of nothing': (N, 14 or 15)."""
        sentences = [sentence((c, -1, -1, -1, -1)) for c in range(NOTHING + nothing)]
        return self.model.logit_scale.detach().exp() * self.images(x) @ self.texts(sentences).T

    def attributes(self, x: Tensor, classes: Tensor, column: str) -> Tensor:
        """Logits over the values of a column, asked with each picture's class (N,): (N, values)."""
        present, place = classes.unique(return_inverse=True)
        rows = questions(COLUMNS[column], present.tolist())
        words = self.texts([sentence(row) for row in rows]).reshape(len(present), SIZES[COLUMNS[column]], -1)
        return self.model.logit_scale.detach().exp() * (words[place] @ self.images(x)[:, :, None])[..., 0]

    def right(self, x: Tensor, labels: Tensor, column: str, nothing: bool = False) -> Tensor:
        """Whether each picture's label in a column is named right (N,), given labels (N, 5)."""
        logits = self.classes(x, nothing) if column == "class" else self.attributes(x, labels[:, 0], column)
        return logits.argmax(1) == labels[:, COLUMNS[column]]
