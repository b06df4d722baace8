"""The plain wall behind an object: whether there is one, and the object cut out of it."""

import numpy as np
from scipy.ndimage import label

PLAIN = 10  # levels of 255 by which a plain wall may differ from its own colour
MOSTLY = 0.5  # share of the border that a plain wall takes at least
CLEARLY = 0.9  # the same, and share of the pictures, where nobody said that there is one


def wall_of(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """The most common colour (3,) of a picture's border, (H, W, 3) bytes, and the share of the border that has it."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
    colour = np.median(border, 0)
    return colour, float((np.abs(border - colour).max(-1) <= PLAIN).mean())


def plain_wall(pictures: np.ndarray) -> tuple[int, int, int] | None:
    """The colour of the plain wall that nearly all of pictures (N, H, W, 3 or 4) of bytes have, none without one."""
    walls = [wall_of(picture[..., :3]) for picture in pictures]
    plain = [colour for colour, share in walls if share >= CLEARLY]
    return tuple(int(v) for v in np.median(plain, 0)) if len(plain) >= CLEARLY * len(walls) else None


def note_on_wall(pictures: np.ndarray, background: float) -> list[str]:
    """What to say of a wall in pictures (N, H, W, 4) of bytes, if none of their pixels is transparent: it is learned.

    background: the grey, 0..1, that the field is seen against, and may pass for a wall of that colour.
    """
    if (pictures[..., 3] < 255).any():
        return []
    colour = plain_wall(pictures)
    if colour is None:
        grey = f"taken for a wall of grey {background:g}"
        return [f"no pixel is transparent, so all that is not the object is {grey}; cut it out, or set --background"]
    if max(abs(v - 255 * background) for v in colour) <= PLAIN:
        return []
    return [f"a plain wall of colour {colour} is learned as fog around the object; --cut-out makes it transparent"]


def cut_out(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3 or 4) of bytes before a plain wall, with alpha (H, W, 4): the wall is transparent.

    The wall is what touches the border, in its most common colour. A picture that has transparent pixels already is cut
    out, and stays as it is. Raises ValueError if the border is not plain.
    """
    if picture.shape[-1] == 4:
        if picture[..., 3].min() < 255:
            return picture
        picture = picture[..., :3]
    colour, share = wall_of(picture)
    if share < MOSTLY:
        raise ValueError("its border is not of one colour; cut the object out by hand, or leave the wall as it is")
    regions, _ = label(np.abs(picture.astype(int) - colour).max(-1) <= PLAIN)
    touching = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    wall = np.isin(regions, touching[touching > 0])
    return np.dstack([picture, np.where(wall, 0, 255).astype(np.uint8)])
