"""One image to 3-D as a job of a sweep: a sentence, its training, a dream with what was learned, and its scores."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..distillation.recipe import TOY_LATENT, TOY_REALFUSION, Recipe
from ..drive import alone, drive
from ..settings import Settings
from ..words.recipe import LOW_RANK, NOUN, TOY, WordsRecipe
from .dreams import EVERY, PICTURE, TURN, judge, line, prior_of, seconds, write_turn

if TYPE_CHECKING:
    from torch import Tensor

    from ..distillation.photo import Photo
    from ..distillation.prior import LatentPrior
    from ..radiance.volume import Volume
    from ..toybox.inputs import Input
    from ..words.clip import Clip

WORDS, DREAM = "words", "dream"  # folders in that of a job
SIDE = 64  # pixels a side of an input image


@dataclass(frozen=True)
class Method(Settings):
    """One way from an image to a thing in space."""

    trained: bool = True  # whether anything is trained; else the dream has the plain sentence
    words: WordsRecipe = field(default_factory=lambda: TOY)
    dream: Recipe = field(default_factory=lambda: TOY_LATENT)


@dataclass(frozen=True)
class ImageScoring(Settings):
    """How the rows are scored."""

    by: Literal["truth"] = "truth"  # the numbers of `evaluation.evaluate` and `evaluation.likeness`


DREAMTEXT = Method()
METHODS = {
    "dreamtext": DREAMTEXT,
    "plain-words": Method(trained=False),
    "low-rank": Method(words=LOW_RANK),
    "realfusion": Method(words=NOUN, dream=TOY_REALFUSION),
}  # by name; others are changed fields of these


def titles() -> dict[str, "Input"]:
    """The twenty input images by their titles."""
    from ..toybox.inputs import inputs

    return {one.title: one for one in inputs()}


def check(title: str) -> str:
    """A title of an input image. Raises ValueError for any other."""
    if (title := title.strip()) not in (known := titles()):
        raise ValueError(f"'{title}' is no input image; choose among {', '.join(known)}")
    return title


def image(job: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Find a sentence for an input image, train its words, dream with them; the row: sentence, seconds and scores.

    Goes on from checkpoints, and holds the folder all the while. Raises ValueError as `drive` does, and
    KeyboardInterrupt once the run is saved if it was asked to stop.
    """
    from ..evaluation.evaluate import evaluate
    from ..evaluation.likeness import likeness

    method, one = Method.from_values(job["settings"], "the method"), titles()[job["image"]]
    weights, shown = method.dream.regular, one.picture(SIDE)  # (S, S, 3)
    photo = photo_of(one) if weights.photo_weight or weights.mask_weight else None
    with alone(home):
        volume, row = shaped(job, method, shown, home, source=one.title, photo=photo)
    alike = likeness(volume, one.thing, shown, one.camera, judge())
    scores = asdict(evaluate(volume, one.thing, judge())) | asdict(alike)
    return row | {key: round(value, 4) if isinstance(value, float) else value for key, value in scores.items()}


def shaped(
    job: Mapping[str, Any], method: Method, shown: "Tensor", home: Path, *, source: str, photo: "Photo | None" = None
) -> tuple["Volume", dict[str, Any]]:
    """What a method makes of a picture (S, S, 3) in 0..1, and the beginning of its row; `image` tells of the errors."""
    from ..words.sentence import search
    from ..words.training import Words
    from ..words.vocabulary import vocabulary

    prior, name = prior_of(job["model"])
    picture, sight = shown.permute(2, 0, 1).contiguous(), clip()  # (3, S, S)
    *_, found = search(sight, sight.image(picture), vocabulary("toy"), method.words.search, seed=job["seed"])

    read, trained = nullcontext(), 0.0
    if method.trained:
        how = {"model": name, "source": source}
        words = Words(picture, found.sentence, plain(name), method.words, job["seed"], **how)
        if (home / WORDS / "checkpoint.safetensors").exists():
            words.load(home / WORDS)
        if not drive(words, home / WORDS, every=method.words.look_every, line=spent, bar=nothing, quiet=True):
            raise KeyboardInterrupt
        if method.words.learns == "low-rank":
            prior = plain(name)  # a graph would not know that the U-Net has changed
        read, trained = words.rows.read_by(prior), seconds(home / WORDS)
    with read:
        volume, about = dreamed(job, found.sentence.text, method.dream, home, prior=prior, photo=photo, beside=shown)
    return volume, about | {"words_seconds": trained, "sentence": found.sentence.text}


def dreamed(
    job: Mapping[str, Any],
    text: str,
    recipe: Recipe,
    home: Path,
    *,
    prior: "LatentPrior",
    photo: "Photo | None" = None,
    beside: "Tensor | None" = None,
) -> tuple["Volume", dict[str, Any]]:
    """The dream of a text in a job's folder, with its pictures, and its steps and seconds; `beside`: shown with it."""
    from ..distillation.dream import Dream
    from ..radiance.cameras import turntable
    from ..viewing.pictures import contact_sheet, write_picture

    run = Dream(text, prior, recipe, job["seed"], prior_of(job["model"])[1], photo=photo)
    if (home / DREAM / "checkpoint.safetensors").exists():
        run.load(home / DREAM)
    if not drive(run, home / DREAM, every=EVERY, line=line, bar=nothing, quiet=True):
        raise KeyboardInterrupt
    volume = run.finish(home / DREAM)
    pictures = [*([] if beside is None else [beside]), *volume.pictures(turntable(4))]
    write_picture(contact_sheet(pictures, columns=5), home / PICTURE)
    write_turn(volume, home / TURN)
    return volume, {"steps": run.step, "seconds": seconds(home / DREAM)}


def photo_of(one: "Input") -> "Photo":
    """An input image as a photograph: its outline and its camera are the true ones."""
    from ..distillation.photo import Photo
    from ..toybox.render import render, studio

    shown = render([one.thing], one.camera, SIDE, look := studio(one.camera))
    angles = one.camera.azimuth.item(), one.camera.elevation.item()
    return Photo(shown.rgb[0].permute(2, 0, 1), shown.alpha[0], look.background[0, 0].item(), *angles)


def spent(records: Any) -> dict[str, Any]:
    """One line of the log of a training."""
    return {
        "step": records[-1].step,
        "fit": round(sum(r.fit for r in records) / len(records), 6),
        "nonfinite": sum(r.nonfinite for r in records),
        "seconds": round(sum(r.seconds for r in records), 3),
    }


def nothing(record: Any) -> dict[str, Any]:
    """Nothing for a bar that is not shown."""
    return {}


@cache
def plain(model: str) -> "LatentPrior":
    """The prior with PyTorch's own U-Net, through which a gradient goes; a process loads it once."""
    from ..distillation.prior import load_prior
    from ..profile import profile
    from ..zoo import resolve

    return load_prior(resolve(model), profile().device, profile().dtype)


@cache
def clip() -> "Clip":
    """The describer; a process loads it once."""
    from ..words.clip import Clip

    return Clip.load()
