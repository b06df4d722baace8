"""One volume against the truth of its prompt, as one row of a table."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..radiance.volume import Volume
from ..toybox.objects import CLASS_NAMES, ToyObject, Words
from ..toybox.prompts import words_of
from ..zoo.zeroshot import ZeroShot
from .fronts import Looks, count_fronts, front_profile, look_at, turn
from .geometry import fit_scale, gap, silhouette_iou, spread, surface_points
from .images import sharpness
from .truth import exact, family
from .views import score_views

EVERY = 3  # of the cameras, those from which the truth is seen too
POINTS, RESOLUTION = 4000, 64  # on each surface; samples a side of the mesh that they are drawn from
FAINT = 0.002  # mean opacity below which a volume is empty


@dataclass(frozen=True, kw_only=True)
class Row:
    """All numbers of one volume. Shares are 0..1; beside each stands what a constant answer gets (`constant_answer`).

    The truth is the member of the prompt's family (`truth.family`) whose surface is nearest as it stands, before any
    fit: of a family, a wrong size can choose another member than the shape would. None: nothing was asked, or nothing
    is there to measure. Units are those of the world, in which toys are about 2 high.
    """

    class_share: float  # views named as the class that was asked; more is better
    class_constant: float  # the constant answer's
    colour_share: float | None  # views in the colour that was asked; more is better
    colour_constant: float | None  # the constant answer's
    pattern_share: float | None  # views in the pattern that was asked; more is better
    pattern_constant: float | None  # the constant answer's
    view_share: float  # views whose word is the camera's own; more is better
    view_constant: float  # the constant answer's, 'side'
    fronts: int  # distinct fronts over a turn, 0 and up; 1 is right
    empty: bool  # whether there is nothing to see, or no surface; false is right
    opacity: float  # mean opacity of the pictures, 0..1; best as the truth's
    opacity_true: float  # the truth's
    size: float | None  # size of the surface (`spread`) over the mean of the family's, 0 and up; 1 is right
    sharpness: float  # of the pictures over the truth's, 0 and up; less is blurred, more is noisy, 1 is right
    iou: float  # silhouettes against the truth's, 0..1; more is better
    chamfer: float | None  # distance to the truth as it stands; less is better; a true toy has about 0.02
    chamfer_fitted: float | None  # to the same member, after one factor and one shift that fit best; less is better
    scale_fitted: float | None  # that factor; above 1 the object was too small


def evaluate(volume: Volume, what: str | Words | ToyObject, judge: ZeroShot, *, seen: Looks | None = None) -> Row:
    """Score a volume against a prompt of the toybox, its words, or one toy that it should be.

    seen: what `turn()` shows of the volume, if that is known already. On one core it takes about 2.5 s for the first
    volume of a prompt and 1.5 s for others, since the family's surfaces (0.1 MB each) and the truth's pictures are kept
    in memory.

    The form, `chamfer_fitted`, is that of the member that is nearest as it stands, once its size and place are fitted;
    other members are not fitted. So a toy of the family that is a sixth too large may be held against another one, and
    is then not as near as it could be. The sharpness of an empty row is that of pictures with hardly a contrast, 0 or
    anything: whoever takes its mean leaves empty rows out.

    Raises ValueError for a prompt of other words, and for a volume that shows numbers which are not finite.
    """
    words, members = asked(what)
    cameras = turn()
    frames, opacity = seen or look_at(volume, cameras)
    if broken := sum(int((~shown.isfinite()).sum()) for shown in (frames, opacity)):
        raise ValueError(
            f"{broken} numbers in the volume's views are not finite, since its field gives such, so they cannot be"
            " scored; make it anew with smaller steps"
        )
    said = score_views(judge, frames, cameras, words.name, words.colour or None, pattern=words.pattern or None)
    points, surfaces = surface_of(volume), [surface(bare(thing)) for thing in members]
    mean = float(opacity.mean())
    empty = points is None or mean < FAINT
    gaps = [0.0] if empty else [gap(points, s) for s in surfaces]
    nearest = int(np.argmin(gaps))
    true = true_looks(members[nearest])
    fitted = None if empty else fit_scale(points, surfaces[nearest])
    return Row(
        class_share=said.class_share,
        class_constant=said.constant.name,
        colour_share=said.colour_share,
        colour_constant=said.constant.colour,
        pattern_share=said.pattern_share,
        pattern_constant=said.constant.pattern,
        view_share=said.view_share,
        view_constant=said.constant.view,
        fronts=0 if empty else count_fronts(front_profile(judge, frames, words.name)),
        empty=empty,
        opacity=mean,
        opacity_true=float(true.opacity.mean()),
        size=None if empty else spread(points) / float(np.mean([spread(s) for s in surfaces])),
        sharpness=sharpness(frames[::EVERY]) / sharpness(true.frames),
        iou=silhouette_iou(opacity[::EVERY], true.opacity),
        chamfer=None if empty else gaps[nearest],
        chamfer_fitted=fitted and fitted.gap,
        scale_fitted=fitted and fitted.scale,
    )


def asked(what: str | Words | ToyObject) -> tuple[Words, tuple[ToyObject, ...]]:
    """The words that are asked for, and the toys that would be right. Raises ValueError for a prompt of other words."""
    if isinstance(what, ToyObject):
        return what.words, (what,)
    if (words := words_of(what) if isinstance(what, str) else what) is None:
        raise ValueError(
            f"'{what}' is no prompt of the toybox, so its truth is not known; it may name a colour, a pattern, tall or "
            f"wide, and one of {', '.join(CLASS_NAMES)}"
        )
    return words, family(words)


def surface_of(volume: Volume) -> np.ndarray | None:
    """Points (P, 3) on the surface of a volume; None if it has none."""
    try:
        return surface_points(volume.mesh(RESOLUTION), POINTS)
    except ValueError:
        return None


def bare(thing: ToyObject) -> ToyObject:
    """A toy of the same shape, whatever its paint."""
    return ToyObject(thing.name, scale=thing.scale, form=thing.form)


@cache
def surface(thing: ToyObject) -> np.ndarray:
    """Points (P, 3) on the surface of a toy."""
    return surface_points(exact(thing).mesh(RESOLUTION), POINTS, seed=1)


@cache
def true_looks(thing: ToyObject) -> Looks:
    """What every third of the cameras sees of a toy."""
    return look_at(exact(thing), turn()[::EVERY])
