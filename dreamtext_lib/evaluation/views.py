"""Score views of an object with the judge: is it what was asked, from the side that was asked, painted as asked?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..radiance.cameras import VIEW_WORDS, Cameras
from ..toybox.objects import CLASS_NAMES, COLOUR_NAMES, PATTERNS
from ..zoo import MODELS
from ..zoo.zeroshot import ZeroShot


def load_judge() -> ZeroShot:
    """The CLIP that only scores: trained apart from the one that conditions, and on pictures of nothing."""
    return ZeroShot.load(MODELS / "judge")


class Shares(NamedTuple):
    """Shares of views, 0..1, that are named right; None where nothing was asked."""

    name: float
    view: float
    colour: float | None
    pattern: float | None


@dataclass(frozen=True)
class ViewScores:
    """What the judge says of N views of one object."""

    named: list[str]  # N class names, or 'nothing'
    views: list[str]  # N view words, the likeliest given the true class
    colours: list[str]  # N colours, the likeliest given the true class
    class_share: float  # share of views named as the true class
    view_share: float  # share of views whose word is the camera's own
    colour_share: float | None  # share of views in the colour asked; None if no colour was asked
    fronts: int  # views called front, wherever the camera stood; distinct fronts: `fronts.count_fronts`
    patterns: list[str]  # N patterns, the likeliest given the true class
    pattern_share: float | None  # share of views in the pattern asked; None if none was asked
    constant: Shares  # what the best constant answer gets: `constant_answer`

    @property
    def recognised(self) -> bool:
        """Whether most of the views are named as the true class."""
        return self.class_share > 0.5


def score_views(
    judge: ZeroShot,
    frames: Tensor,
    cameras: Cameras,
    name: str,
    colour: str | None = None,
    *,
    pattern: str | None = None,
) -> ViewScores:
    """Score frames (N, 64, 64, 3) in 0..1, seen from N cameras, of an object that should be a `name`.

    Raises ValueError if the judge knows no such class, colour or pattern.
    """
    if name not in CLASS_NAMES or colour not in (None, *COLOUR_NAMES) or pattern not in (None, *PATTERNS):
        asked = " ".join(filter(None, (colour, pattern, name)))
        raise ValueError(f"the judge knows no {asked}; its classes are {', '.join(CLASS_NAMES)}")
    x = frames.permute(0, 3, 1, 2) * 2 - 1  # (N, 3, 64, 64)
    true = torch.full((len(x),), CLASS_NAMES.index(name))
    named = pick(judge.classes(x, nothing=True), (*CLASS_NAMES, "nothing"))
    views = pick(judge.attributes(x, true, "view"), VIEW_WORDS)
    colours = pick(judge.attributes(x, true, "colour"), COLOUR_NAMES)
    patterns = pick(judge.attributes(x, true, "pattern"), PATTERNS)
    return ViewScores(
        named,
        views,
        colours,
        share([n == name for n in named]),
        share([v == w for v, w in zip(views, cameras.words, strict=True)]),
        share([c == colour for c in colours]) if colour else None,
        views.count("front"),
        patterns,
        share([p == pattern for p in patterns]) if pattern else None,
        constant_answer(cameras, colour, pattern),
    )


def constant_answer(cameras: Cameras, colour: str | None = None, pattern: str | None = None) -> Shares:
    """The shares that the best constant answer gets, which looks at nothing.

    The view: the share of the commonest word among the cameras', 'side' for half of a turntable. Class, colour and
    pattern are the same in all views of one object, so there it is the share over objects of which every word is
    equally frequent: 1/14, 1/11, 1/3.
    """
    words = cameras.words
    view = max(words.count(word) for word in VIEW_WORDS) / len(words)
    return Shares(
        1 / len(CLASS_NAMES),
        view,
        1 / len(COLOUR_NAMES) if colour else None,
        1 / len(PATTERNS) if pattern else None,
    )


def pick(logits: Tensor, names: Sequence[str]) -> list[str]:
    """The name with the highest logit in each row."""
    return [names[i] for i in logits.argmax(1).tolist()]


def share(right: Sequence[bool]) -> float:
    """Share of true values."""
    return sum(right) / len(right)
