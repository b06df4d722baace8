"""A photograph for a dream: what one of its views should show (`--photo`)."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..distillation.photo import Photo
    from ..distillation.recipe import Recipe

PIXELS = 256  # a side of the picture that is kept; a step compares it at the recipe's own size
WALL = 0.9  # grey behind the thing, as described pictures have it


def add_photo(parser: ArgumentParser) -> None:
    """The flags of a photograph."""
    parser.add_argument(
        "--photo",
        type=Path,
        metavar="IMAGE",
        help="what the thing looks like from one side; its weights are --photo-weight and --mask-weight",
    )
    parser.add_argument("--photo-mask", type=Path, metavar="IMAGE", help="light where the thing is in the photograph")
    parser.add_argument("--photo-azimuth", type=float, metavar="X", help="degrees from the thing's front (default 0)")
    parser.add_argument("--photo-elevation", type=float, metavar="X", help="degrees above the horizon (default 15)")


def photo_of(a: Namespace, recipe: "Recipe") -> "Photo | None":
    """The photograph that the flags name. Raises ValueError, in one sentence, if they do not go together."""
    from ..capture.single import framed, outline, read_single

    weights = recipe.regular.photo_weight, recipe.regular.mask_weight
    if a.photo is None:
        told = [name for name in ("photo_mask", "photo_azimuth", "photo_elevation") if getattr(a, name) is not None]
        if told or any(weights):
            what = f"--{told[0].replace('_', '-')} is" if told else "weights of a photograph are"
            raise ValueError(f"{what} given, but no photograph; name one with --photo")
        return None
    if not any(weights):
        raise ValueError("--photo has no weight; give --photo-weight, --mask-weight or both")
    azimuth, elevation = a.photo_azimuth or 0.0, 15.0 if a.photo_elevation is None else a.photo_elevation
    if not (-360 <= azimuth <= 360 and -90 <= elevation <= 90):
        raise ValueError(
            f"the photograph is said to be taken from azimuth {azimuth:g} and elevation {elevation:g}; they are degrees"
            " in -360..360 and -90..90"
        )
    single = read_single(a.photo, a.photo_mask)
    for note in single.notes:
        print(f"note: {note}", file=sys.stderr)

    from ..distillation.photo import Photo  # after what may be wrong: this takes seconds

    return Photo(framed(single.rgba, PIXELS, WALL), outline(single.rgba, PIXELS), WALL, azimuth, elevation)
