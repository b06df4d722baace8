"""A page of its own that compares methods: each subject by each method, turning side by side, with its scores."""

import base64
import html
import io
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..files import write_bytes
from .film import read_film

FRAMES, ACROSS = 24, 6  # views of a turn, and views in a line of the picture that holds them
TURN = 2.0  # seconds that a turn takes
HERE = Path(__file__).parent


class Card(NamedTuple):
    """What one method made of one subject."""

    subject: str
    method: str
    seed: str  # "" where all have one
    text: str = ""  # what is said of it: a sentence that was found, or what went wrong
    bad: bool = False  # whether that is an error
    scores: Mapping[str, float] = {}  # by name; finite
    turn: Path | Sequence[Image.Image] | None = None  # an animated picture, or its frames
    still: Path | None = None  # a picture that is shown where there is no turn
    before: Path | None = None  # the picture that it was made from, where each card has its own


class Mean(NamedTuple):
    """A mean over a method's cards, or over their differences to another's."""

    mean: float
    low: float  # the interval's ends
    high: float
    count: int


Means = Mapping[tuple[str, str], Mean]  # by method and score; what is not there has no number


class Comparison(NamedTuple):
    """All that the page shows. Texts are plain: the page escapes them."""

    title: str
    text: str  # a sentence or two under the title
    about: str  # what a subject is: 'image', 'prompt'
    subjects: Mapping[str, Image.Image | None]  # in order, each with the picture that was given
    methods: Sequence[str]  # in order
    cards: Sequence[Card]
    first: Sequence[str]  # names of the scores that stand under each card
    scores: Mapping[str, str]  # all names of scores, in order, with what they mean; '' if nothing is known
    means: Mapping[str, Means]  # '' for means; a method for differences to it
    frames: int = FRAMES  # views of each turn


def write_comparison(what: Comparison, path: Path) -> None:
    """Write one HTML file that holds all it shows and asks no server for anything.

    Raises ValueError if a picture cannot be read, OSError if the file cannot be written.
    """
    write_bytes(Path(path), page(what).encode())


def page(what: Comparison) -> str:
    """The page."""
    w, text = what, html.escape
    cards = "".join(section(w, i, subject) for i, subject in enumerate(w.subjects))
    count, fps = w.frames, w.frames / TURN
    words = "".join(f"<dt>{shown(name)}</dt><dd>{text(means) or '&ndash;'}</dd>" for name, means in w.scores.items())
    return f"""<!doctype html>
<html lang="en" data-count="{count}" data-across="{ACROSS}" data-fps="{fps:g}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{text(w.title)}</title>
<style>
{(HERE / "comparison.css").read_text(encoding="utf-8")}
.turn {{ background-size: {100 * ACROSS}% {100 * -(-count // ACROSS)}%; }}
</style></head><body>
<h1>{text(w.title)}</h1>
<p>{text(w.text)}</p>
<noscript><p>Scripts are switched off, so nothing turns: each picture shows the front.</p></noscript>
<div class="bar" id="controls" hidden><button id="play" type="button">Play</button>
<label>angle <input id="angle" type="range" min="0" max="{count - 1}" value="0" aria-label="angle"></label>
<label>order <select id="order"><option value="">of the file</option>{options(w, w.scores)}</select></label></div>
<details{" open" if len(w.methods) + len(w.subjects) <= 24 else ""}><summary>What is shown</summary>
{boxes("method", "methods", w.methods)}
{boxes("subject", f"{w.about}s", list(w.subjects))}</details>
<main>{cards}</main>
<h2>Means</h2>
<p>Over all finished jobs of a method, shown above or not, each with a 95 % interval of Student's t. Differences are
 those of jobs of the same {text(w.about)} and seed; one whose interval leaves out 0 is bold. Press a name to sort.</p>
<p><label>show <select id="against"><option value="">means</option>{against(w)}</select></label>
 <span id="beside" hidden>(more is not always better)</span></p>
<div class="wide" tabindex="0" role="region" aria-label="table of means">{table(w)}</div>
<details><summary>What the numbers mean</summary><dl class="words">{words}</dl></details>
<script>
{(HERE / "comparison.js").read_text(encoding="utf-8")}
</script></body></html>
"""


def options(what: Comparison, names: Iterable[str]) -> str:
    """Scores to choose among; their values are the names by which scripts find them."""
    places = {name: i for i, name in enumerate(what.scores)}
    return "".join(f'<option value="s{places[name]}">by {shown(name)}</option>' for name in names)


def against(what: Comparison) -> str:
    """Methods to compare with."""
    rows = [(i, name) for i, name in enumerate(what.methods) if name in what.means]
    return "".join(f'<option value="{i}">differences to {html.escape(name)}</option>' for i, name in rows)


def boxes(name: str, legend: str, values: Sequence[str]) -> str:
    """A box to tick for each value, and two buttons for all of them."""
    made = "".join(
        f'<label><input type="checkbox" name="{name}" value="{i}" checked>{html.escape(value)}</label>'
        for i, value in enumerate(values)
    )
    both = "".join(
        f'<button type="button" data-all="{name}" data-on="{on}">{word}</button>'
        for on, word in ((1, "all"), (0, "none"))
    )
    return f"<fieldset><legend>{html.escape(legend)}:</legend>{made}{both}</fieldset>"


def section(what: Comparison, place: int, subject: str) -> str:
    """A subject: the picture that was given, and the cards of all methods."""
    given = ""
    if (picture := what.subjects[subject]) is not None:
        given = (
            f'<figure class="card given"><img class="still" src="{webp(picture)}" alt="{html.escape(subject)}">'
            f"<h3>the {html.escape(what.about)}</h3></figure>"
        )
    own = [(i, card) for i, card in enumerate(what.cards) if card.subject == subject]
    return (
        f'<section class="subject" data-subject="{place}"><h2>{html.escape(subject)}</h2>'
        f'<div class="cards">{given}{"".join(figure(what, i, card) for i, card in own)}</div></section>\n'
    )


def figure(what: Comparison, place: int, card: Card) -> str:
    """One card: what was made, by which method, with its scores, or with what went wrong."""
    c, text = card, html.escape
    name = f"{c.subject} by {c.method}" + f", seed {c.seed}" * bool(c.seed)
    if c.turn:
        paint = f'style="background-image:url({strip(c.turn, what.frames)})"'
        seen = f'<div class="turn" role="img" aria-label="{text(name)}, turning" {paint}></div>'
    elif c.still:
        with Image.open(c.still) as picture:
            seen = f'<img class="still" src="{webp(picture)}" alt="{text(name)}, from several sides">'
    else:
        seen = '<div class="none">nothing to see</div>'
    if c.before:
        with Image.open(c.before) as picture:
            seen += f'<img class="before" src="{webp(picture)}" alt="the picture it was made from">'
    data = "".join(f' data-s{i}="{c.scores[s]!r}"' for i, s in enumerate(what.scores) if s in c.scores)
    under = lines((s, c.scores[s]) for s in what.first if s in c.scores)
    rest = lines((s, c.scores[s]) for s in what.scores if s in c.scores and s not in what.first)
    return (
        f'<figure class="card{" bad" * c.bad}" data-method="{what.methods.index(c.method)}" data-at="{place}"{data}>'
        f"{seen}<h3>{text(c.method)}{f', seed {text(c.seed)}' if c.seed else ''}</h3>{under}"
        f"{f'<p>{text(c.text)}</p>' if c.text else ''}"
        f"{f'<details><summary>all numbers</summary>{rest}</details>' if rest else ''}</figure>"
    )


def lines(scores: Iterable[tuple[str, float]]) -> str:
    """Names and values; nothing for none."""
    made = "".join(f"<dt>{shown(name)}</dt><dd>{number(value)}</dd>" for name, value in scores)
    return f"<dl>{made}</dl>" if made else ""


def table(what: Comparison) -> str:
    """The means of all methods, and hidden beside them the differences to each."""
    names = [*what.first, *(name for name in what.scores if name not in what.first)]
    head = "".join(f'<th scope="col"><button type="button">{shown(name)}</button></th>' for name in names)
    bodies = ""
    for base, means in what.means.items():
        rows = "".join(
            f'<tr data-method="{i}"><th scope="row">{html.escape(method)}</th>'
            + "".join(cell(means.get((method, name)), bold=base != "") for name in names)
            + "</tr>"
            for i, method in enumerate(what.methods)
            if method != base
        )
        place = what.methods.index(base) if base else ""
        bodies += f'<tbody data-against="{place}"{" hidden" * (base != "")}>{rows}</tbody>'
    return f'<table><thead><tr><th scope="col">method</th>{head}</tr></thead>{bodies}</table>'


def cell(mean: Mean | None, *, bold: bool) -> str:
    """A mean with its interval, and over how many."""
    if mean is None:
        return "<td>&ndash;</td>"
    there = ' class="there"' * (bold and mean.count > 1 and (mean.low > 0 or mean.high < 0))
    between = f"{number(mean.low)} to {number(mean.high)}" if mean.count > 1 else "one job"
    return (
        f'<td data-mean="{mean.mean!r}"{there} title="of {mean.count}">{number(mean.mean)}<small>{between}</small></td>'
    )


def shown(name: str) -> str:
    """A score's name as a reader sees it."""
    return html.escape(name.replace("_", " "))


def number(value: float) -> str:
    """A number in three digits, with a true minus."""
    text = f"{value:#.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:,.0f}"
    return text.replace("-", "\u2212")


def strip(turn: Path | Sequence[Image.Image], count: int = FRAMES) -> str:
    """An animated picture, or its frames, as `count` views in lines of one picture, as an address.

    Views stand in equal steps of time. Raises ValueError if the file is no picture.
    """
    frames, ends = read_film(turn) if isinstance(turn, Path) else (turn, range(1, len(turn) + 1))
    width, height = frames[0].size
    sheet = Image.new("RGB", (ACROSS * width, -(-count // ACROSS) * height))
    for i in range(count):
        now = bisect_right(ends, (i + 0.5) * ends[-1] / count)
        sheet.paste(frames[now], (i % ACROSS * width, i // ACROSS * height))
    return webp(sheet)


def webp(picture: Image.Image) -> str:
    """A picture as an address that holds it."""
    data = io.BytesIO()
    picture.convert("RGB").save(data, "WEBP", quality=72, method=4)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
