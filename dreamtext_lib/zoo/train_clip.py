"""Train a CLIP on captions and renders: the one that conditions the U-Net, and the judge that only scores.

A text is taken to fit every picture of which all that it says is true, so the targets of the contrastive loss are
spread over all fitting pairs. Half of the pictures also bring a text with one word changed, the hardest negative.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import CLIPModel, CLIPTokenizer

from ..toybox.dataset import Dataset
from ..toybox.objects import CLASS_NAMES
from .negatives import spoil
from .training import Stage
from .zeroshot import SIZES, STARTS, features, questions, sentence


def leave_out(labels: Tensor, clear: Tensor, rng: np.random.Generator) -> Tensor:
    """Rows of labels with parts unsaid at random, as `toybox.random_caption` does, and wherever they are not clear."""
    said, random = labels.clone(), torch.from_numpy(rng.random(labels.shape))
    said[:, 1][random[:, 1] > 0.85] = -1
    said[:, 2][random[:, 2] > torch.where(labels[:, 2] == 0, 0.3, 0.85)] = -1
    said[:, 3][(random[:, 3] > 0.8) | (labels[:, 3] == 0)] = -1
    said[:, 4][random[:, 4] > 0.8] = -1
    said[:, 1:][~clear[:, 1:]] = -1
    return said


def change_one(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Rows that say class, colour, pattern and view, with one of the four wrong."""
    said = labels.clone()
    said[:, 3] = -1
    column = torch.from_numpy(rng.choice((0, 1, 2, 4), len(said)))[:, None]
    size = torch.tensor(SIZES)[column[:, 0]]
    shift = 1 + (torch.from_numpy(rng.random(len(said))) * (size - 1)).long()
    return said.scatter(1, column, ((labels.gather(1, column)[:, 0] + shift) % size)[:, None])


def fits(labels: Tensor, said: Tensor) -> Tensor:
    """Whether text j is true of picture i: (pictures, texts)."""
    return ((said[None] == labels[:, None]) | (said[None] < 0)).all(-1)


def stage(
    model: CLIPModel,
    tokenizer: CLIPTokenizer,
    data: Dataset,
    rate: float = 1e-3,
    batch: int = 96,
    judge: bool = False,
    text: bool = True,
) -> Stage:
    """Contrastive training on `data`; the judge also sees spoiled pictures, of which only `NOTHING` is true.

    Without `text` the text tower stays as it is and only the image tower learns, several times as fast a step.
    """
    cache: dict[str, list[int]] = {}
    known: dict[str, Tensor] = {}  # unit vectors of sentences, where the text tower stays as it is
    model.text_model.requires_grad_(text)
    model.text_projection.requires_grad_(text)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=rate, weight_decay=0.05, betas=(0.9, 0.98))
    prompts = torch.full((len(CLASS_NAMES) + judge, 5), -1)
    prompts[:, 0] = torch.arange(len(prompts))

    def encode(texts: list[str]) -> Tensor:
        for text in texts:
            if text not in cache:
                cache[text] = tokenizer(text).input_ids
        longest = max(len(cache[text]) for text in texts)
        pad = tokenizer.pad_token_id
        return torch.tensor([cache[text] + [pad] * (longest - len(cache[text])) for text in texts], device=model.device)

    def vectors(texts: list[str]) -> Tensor:
        if text:
            return features(model.get_text_features(input_ids=encode(texts)))
        for t in texts:  # one by one: the same bits whatever else is asked, so that a resumed run repeats them
            if t not in known:
                with torch.no_grad():
                    known[t] = features(model.get_text_features(input_ids=encode([t])))[0]
        return torch.stack([known[t] for t in texts])

    def loss(fraction: float, generator: torch.Generator, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        rows = torch.randint(len(data), (batch,), generator=generator)
        x, labels, clear = data.pixels(rows), data.labels[rows].clone(), data.clear[rows]
        x = torch.where(torch.from_numpy(rng.random((batch, 1, 1, 1)) < 0.5), x, x.flip(3))  # words know no left
        x = x.roll(tuple(rng.integers(-4, 5, 2)), (2, 3))
        x = (x + torch.from_numpy(rng.normal(0, 0.05, (batch, 1, 1, 1)))).float()
        if judge:
            spoiled = slice(0, batch // 4)
            x[spoiled] = spoil(x[spoiled], rng)
            labels[spoiled, 0] = len(CLASS_NAMES)
        real = labels[:, 0] < len(CLASS_NAMES)
        good = labels[real]
        said = torch.cat([leave_out(good, clear[real], rng), change_one(good[: len(good) // 2], rng), prompts])
        texts = [sentence(row, STARTS[i]) for row, i in zip(said.tolist(), rng.choice(3, len(said), p=(0.7, 0.2, 0.1)))]
        images = features(model.get_image_features(pixel_values=x.to(model.device)))
        words = vectors(texts)
        logits = model.logit_scale.exp().clamp(max=60) * images @ words.T
        target = fits(labels, said).float().to(images.device)
        to_text = -(target * logits.log_softmax(1)).sum(1) / target.sum(1).clamp(min=1)
        to_image = -(target * logits.log_softmax(0)).sum(0) / target.sum(0).clamp(min=1)
        named = target.sum(0) > 0
        # the class alone, among the plain sentences of all classes: what zero-shot scoring asks
        plain = logits[:, -len(prompts) :]
        zero_shot = cross_entropy(plain, labels[:, 0].to(plain.device))
        # one attribute, among all its values for the picture's class: the finer zero-shot questions
        scale = model.logit_scale.exp().clamp(max=60)
        attribute = torch.zeros((), device=images.device)
        for column in (int(rng.integers(1, 5)),) if text else range(1, 5):  # in turn, where each costs a text pass
            asked = vectors([sentence(row) for row in questions(column)])
            sure = real & clear[:, column]
            asked = asked.reshape(len(CLASS_NAMES), SIZES[column], -1)[labels[sure, 0]]  # (n, values, width)
            answers = scale * (asked @ images[sure, :, None])[..., 0]
            attribute = attribute + cross_entropy(answers, labels[sure, column].to(answers.device))
        total = (to_text.mean() + to_image[named].mean()) / 2 + zero_shot + attribute
        right = (plain.argmax(1).cpu() == labels[:, 0]).float().mean().item()
        return total, {"class": right, "scale": model.logit_scale.exp().item()}

    return Stage({"model": model}, optimiser, loss, rate)
