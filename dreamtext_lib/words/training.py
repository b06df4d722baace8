"""Words that learn to mean one thing: the loop that moves the rows of a descriptor (thesis 5.2.2)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from ..capture.single import as_png
from ..clock import Clock
from ..descent import mend
from ..diffusion.forward import add_noise, uniform_steps
from ..distillation.prior import LatentPrior, check_lengths
from ..distillation.prompts import check_prompt
from ..files import write_bytes, write_tensors
from ..runs import pack, read_checkpoint, read_record, stream, unpack, write_record
from .augment import augmented
from .clip import LONGEST_VIEW
from .losses import fit_loss, stay_loss, words_loss
from .low_rank import LowRank
from .recipe import Commas, WordsRecipe
from .rows import Embedding, Rows, learner
from .sentence import Sentence

IMAGE = "image.png"  # the picture in the folder of a run
HELD = 16  # draws of a time and a noise that are held fixed, to see whether the words still learn
HALF = 4096.0  # what the loss is multiplied with before the way back in half precision, whose small numbers are lost


class Record(NamedTuple):
    """What one step of a training did."""

    step: int  # steps done, from 1
    fit: float  # (5.2) of the step's batch
    stay: float  # (5.3) of the step's batch; 0 where it has no weight
    held: float  # (5.2) on the draws held fixed, at the last look; nan before the first
    nonfinite: int  # entries of the rows' gradient that were not finite, and set to 0
    culprit: str  # the first quantity on the way that was not finite, '' for none
    seconds: float


class Words:
    """Rows on their way to one image, and all that a checkpoint needs.

    picture (3, S, S) in 0..1, on a wall of the recipe's grey. Nothing but the parameters of `rows` is ever changed.
    Raises ValueError if no piece of the sentence can learn, if the sentence is no text that a dream takes, or if it is
    too long for the model, with a view word behind it unless the whole embedding learns.
    """

    def __init__(
        self,
        picture: Tensor,
        sentence: Sentence,
        prior: LatentPrior,
        recipe: WordsRecipe,
        seed: int = 0,
        *,
        model: str = "",
        source: str = "",
    ):
        self.picture, self.sentence, self.prior, self.recipe, self.seed = picture, sentence, prior, recipe, seed
        self.model, self.source, self.step = model, source, 0
        read = check_prompt(sentence.text) + LONGEST_VIEW * (recipe.learns != "embedding")
        check_lengths(prior.tokenizer, [read])
        self.rows = learner(prior, sentence, recipe.learns, rank=recipe.rank, seed=seed)
        self.optimiser = torch.optim.Adam(self.rows.parameters(), lr=recipe.rate)
        self.watch = torch.tensor([torch.inf, 0.0])  # the least held loss so far, and looks since
        self.held = torch.nan  # the held loss at the last look
        self.anchor = prior.encode_text([sentence.base.text])  # tau_b, (1, L, C)

    @property
    def over(self) -> bool:
        """Whether the words have stopped to learn, by the recipe's patience."""
        return bool(self.recipe.patience) and self.watch[1].item() >= self.recipe.patience

    def run(self) -> Iterator[Record]:
        """The remaining steps, one record each, until the recipe's end or until the words learn no more.

        The seed, the step and the purpose fix all random numbers; the generator may be left and made anew.
        """
        r, prior = self.recipe, self.prior
        while self.step < r.steps and not self.over:
            draw, clock = partial(stream, self.seed, self.step), Clock(prior.device)
            with torch.no_grad():
                copies = augmented(self.picture, r.batch, r.augment, draw("augment"), r.wall)
                z = prior.encode_image(copies.to(prior.device))  # (B, c, h, w)
            t = uniform_steps(r.batch, r.t_min, r.t_max, draw("time")).to(z.device)
            eps = torch.randn(z.shape, generator=draw("noise")).to(z)
            fit, stay = self.losses(z, t, eps)
            scale = 1.0 if prior.dtype == torch.float32 else HALF
            self.optimiser.zero_grad(set_to_none=True)
            loss = words_loss(fit, stay, fit_weight=r.fit_weight, stay_weight=r.stay_weight)
            (scale * loss).backward()
            for learns in self.rows.parameters():
                learns.grad /= scale
            broken = mend(self.optimiser)
            self.optimiser.step()
            self.step += 1
            if self.step % r.look_every == 0 or self.step == r.steps:
                self.held = self.look()
            culprit = "" if not broken else "the gradient of what learns" if fit.isfinite() else "the loss"
            yield Record(self.step, fit.item(), stay.item(), self.held, broken, culprit, clock.lap())

    def losses(self, z: Tensor, t: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """(5.2) and (5.3) for latents z (B, c, h, w), times (B,) and noise; 0 for (5.3) where it has no weight."""
        x_t = add_noise(z, eps, self.prior.alpha_bar[t])
        states = self.rows.states(self.prior, [self.sentence.text], gradient=torch.is_grad_enabled())  # (1, L, C)
        with self.rows.read_by(self.prior):
            predicted = self.prior.eps(x_t, t, states.expand(len(z), -1, -1))
        if not self.recipe.stay_weight:
            return fit_loss(predicted, eps), torch.zeros((), device=z.device)
        with torch.no_grad():
            anchor = self.prior.eps(x_t, t, self.anchor.expand(len(z), -1, -1))
        return fit_loss(predicted, eps), stay_loss(predicted, anchor)

    @torch.no_grad()
    def look(self) -> float:
        """(5.2) of the image itself on `HELD` draws, the same at every look; remembers whether it is the least."""
        r, device = self.recipe, self.prior.device
        z = self.prior.encode_image(self.picture[None].to(device)).expand(HELD, -1, -1, -1)
        t = uniform_steps(HELD, r.t_min, r.t_max, stream(self.seed, 0, "held time")).to(device)
        eps = torch.randn(z.shape, generator=stream(self.seed, 0, "held noise")).to(z)
        parts = [self.losses(*part)[0] for part in zip(*(v.split(4) for v in (z, t, eps)))]
        held = torch.stack(parts).mean().item()
        least, since = self.watch.tolist()
        self.watch[:] = torch.tensor([held, 0.0] if held < least else [least, since + 1])
        return held

    def save(self, folder: Path) -> None:
        """Write the record, the image and the checkpoint, from which the run goes on bit for bit."""
        about = {"source": self.source, "image": IMAGE, "seed": self.seed, "model": self.model}
        about["threads"] = torch.get_num_threads()
        s = self.sentence
        parts = {"noun": s.noun, "descriptors": list(s.words), "article": s.article, "commas": s.commas}
        write_record(folder, "words", about | {"sentence": s.text} | parts, self.recipe.values())
        tensors = pack({"rows": self.rows}, {"optimiser": self.optimiser})
        tensors |= {"watch": self.watch, "held": torch.tensor(self.held)}
        write_bytes(folder / IMAGE, as_png(self.picture))
        write_tensors(folder / "checkpoint.safetensors", tensors, {"step": self.step})

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in a run's folder, written with the same recipe."""
        tensors, meta = read_checkpoint(folder, self.recipe.steps)
        unpack(tensors, {"rows": self.rows}, {"optimiser": self.optimiser}, meta["step"])
        self.watch, self.step = tensors.get("watch", self.watch), meta["step"]
        self.held = tensors["held"].item() if "held" in tensors else torch.nan


def read_words(folder: Path) -> tuple[dict, Sentence, WordsRecipe]:
    """What a folder of words says of them, their sentence and recipe. Raises ValueError, in a sentence, if none."""
    about = read_record(folder, "words", ("source", "model", "noun", "descriptors", "article", "commas"))
    noun, words, article, commas = (about[name] for name in ("noun", "descriptors", "article", "commas"))
    fine = {
        "noun": is_word(noun),
        "descriptors": isinstance(words, list) and all(map(is_word, words)),
        "article": article in ("fitting", "a", "an", ""),
        "commas": commas in get_args(Commas),
    }
    for name in (name for name in fine if not fine[name]):
        what = f"'{Path(folder) / 'recipe.json'}' has the {name} {about[name]!r}, of which no sentence can be made"
        raise ValueError(f"{what}; describe the image anew")
    sentence = Sentence(noun, tuple(words), article, commas)
    return about, sentence, WordsRecipe.from_values(about["recipe"])


def is_word(value: object) -> bool:
    """Whether a value of a record is a text that is not empty."""
    return isinstance(value, str) and bool(value.strip())


def samples(
    prior: LatentPrior,
    rows: Rows | Embedding | LowRank,
    texts: list[str],
    *,
    guidance: float = 4.0,
    steps: int = 25,
    seed: int = 0,
) -> Tensor:
    """Pictures (N, S, S, 3) in 0..1 of texts read with the rows, by the pipeline's sampler; guidance: s of (3.8)."""
    with rows.read_by(prior):
        made = prior.pipeline(
            prompt_embeds=rows.states(prior, texts),
            negative_prompt_embeds=prior.encode_text([""]).expand(len(texts), -1, -1),
            guidance_scale=guidance + 1,  # diffusers' g
            num_inference_steps=steps,
            generator=torch.Generator(prior.device).manual_seed(seed),
            output_type="np",
        )
    return torch.from_numpy(made.images)
