"""A picture of how a sentence was found: its nearness to the image, word by word."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import COLOURS


def plot_search(acts: Sequence[str], words: Sequence[str], similarities: Sequence[float], title: str = "") -> Figure:
    """The path of a search: at each step what was done ('noun', 'add', 'swap'), the word and the cosine that it gave.

    Raises ValueError if there is no step, or if the three are not equally many.
    """
    if not words or not len(acts) == len(words) == len(similarities):
        raise ValueError(f"a search has equally many acts, words and similarities, at least one, not {len(words)}")
    figure = Figure(figsize=(max(4.0, 0.9 * len(words) + 1), 3.4), layout="constrained")
    axes: Axes = figure.add_subplot()
    places = range(len(words))
    axes.step(places, similarities, where="mid", color=COLOURS["blue"])
    for act, marker in (("noun", "s"), ("add", "o"), ("swap", "^")):
        at = [i for i in places if acts[i] == act]
        if at:
            axes.plot(at, [similarities[i] for i in at], marker, color=COLOURS["vermilion"], label=act)
    axes.set_xticks(places, words, rotation=30, ha="right")
    axes.set(ylabel="cosine with the image", title=title)
    axes.legend(loc="lower right")
    return figure
