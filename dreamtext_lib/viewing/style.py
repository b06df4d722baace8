"""The one look of the book's figures: dark ink on white paper, lines that differ in colour and in dash.

The pages keep white paper behind figures in their dark theme too, so one figure serves both. The colours are those
of Okabe and Ito (2008), which colour-blind readers tell apart; the dashes serve who sees no colour at all.
"""

import matplotlib
from cycler import cycler

INK, FAINT, PAPER = "#262a33", "#d5d8de", "#ffffff"

COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)))

SEQUENTIAL, DIVERGING = "viridis", "PuOr_r"  # maps whose order survives without colour, and around a middle

LOOK = {
    "figure.figsize": (7.0, 3.4),
    "figure.dpi": 120,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": PAPER,
    "savefig.dpi": 120,
    "axes.facecolor": PAPER,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=list(COLOURS.values())) + cycler(linestyle=DASHES),
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 10.5,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib, so figures are the same on every machine
    "mathtext.fontset": "cm",
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
}


def use() -> None:
    """Set matplotlib to the book's look, until it is changed again."""
    matplotlib.rcParams.update(LOOK)
