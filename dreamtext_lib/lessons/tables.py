"""Tables of a chapter's numbers, as a page shows them best."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from IPython.display import HTML

INTERVAL = re.compile(r"\([+-]?[\d.]+ to [+-]?[\d.]+\)( \*)?")


def whole(interval: re.Match[str]) -> str:
    """An interval that stays on one line; where a page lets it go on a second one, that begins with 'to'."""
    text = interval[0].replace(" to ", " to&nbsp;").replace(") *", ")&nbsp;*")
    return f'<span style="white-space: nowrap">{text}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> HTML:
    """An HTML table: the first column names its rows and stands left, the others stand right.

    Cells are shown as `str` gives them; an interval, as in '0.5 (0.4 to 0.6) *', is not broken over two lines (the
    book's pages do so where a table would not fit otherwise). Raises ValueError if a row is not as long as the head.

    >>> table(["t", "loss"], [[20, "0.80"]]).data.count("<td")
    1
    """
    lines = []
    for row in (head, *rows):
        if len(row) != len(head):
            raise ValueError(f"a row has {len(row)} cells and the head {len(head)}: {list(row)}")
        name, *values = (INTERVAL.sub(whole, escape(str(cell))) for cell in row)
        tag, scope = ("td", "row") if lines else ("th", "col")
        others = "".join(f'<{tag} style="text-align: right">{value}</{tag}>' for value in values)
        lines.append(f'<tr><th scope="{scope}" style="text-align: left">{name}</th>{others}</tr>')
    body = "\n".join(lines[1:])
    return HTML(
        f'<div style="overflow-x: auto"><table>\n<thead>{lines[0]}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )
