"""Boxes and arrows: how data flows through a network, in the book's look."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from .style import COLOURS, INK, PAPER

Box = tuple[float, float, str] | tuple[float, float, str, str]  # middle x, middle y, text, and a colour of the style


def diagram(
    boxes: Mapping[str, Box],
    arrows: Sequence[tuple[str, str] | tuple[str, str, str]],
    size: tuple[float, float] = (8.0, 2.6),
    width: float = 1.0,
    height: float = 0.6,
) -> Axes:
    """Draw named boxes of one size and the arrows between them, each with its label if it has one.

    Coordinates are in units of the drawing; one unit is one inch if it is as wide as the figure. An arrow leaves a box
    on the side that faces the other, or above or below if that is far off. KeyError for an arrow to no box.
    """
    _, axis = plt.subplots(figsize=size)
    for x, y, text, *colour in boxes.values():
        edge = COLOURS[colour[0]] if colour else INK
        corner, rounding = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.08"
        axis.add_patch(
            FancyBboxPatch(corner, width, height, boxstyle=rounding, facecolor=PAPER, edgecolor=edge, linewidth=1.6)
        )
        axis.text(x, y, text, ha="center", va="center", fontsize=9.5)
    for start, end, *label in arrows:
        (x, y, *_), (u, v, *_) = boxes[start], boxes[end]
        if abs(u - x) >= width:  # side by side, else one above the other
            side = 1 if u > x else -1
            a, b = (x + side * width / 2, y), (u - side * width / 2, v)
            if abs(u - x) >= 2 * width and abs(v - y) >= height:  # around the boxes between
                a = (x, y + (height / 2 if v > y else -height / 2))
        else:
            side = 1 if v > y else -1
            a, b = (x, y + side * height / 2), (u, v - side * height / 2)
        axis.annotate(
            "", b, a, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 1, "shrinkB": 1}
        )
        if label:
            middle, level = abs(b[0] - a[0]) < abs(b[1] - a[1]), (a[1] + b[1]) / 2
            offset = (0.06, 0) if middle else (0, 0.09)
            axis.text(
                (a[0] + b[0]) / 2 + offset[0], level + offset[1], label[0],
                ha="left" if middle else "center", va="center" if middle else "bottom", fontsize=9,
            )  # fmt: skip
    xs, ys = zip(*((x, y) for x, y, *_ in boxes.values()))
    axis.set(xlim=(min(xs) - width * 0.6, max(xs) + width * 0.6), ylim=(min(ys) - height * 0.8, max(ys) + height * 0.8))
    axis.set_axis_off()
    return axis
