"""Tables of a chapter's numbers, as a page shows them best."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from IPython.display import HTML

INTERVAL = re.compile(r"\([+-]?[\d.]+ to [+-]?[\d.]+\)( \*)?")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> HTML:
    """An HTML table: the first column names its rows and stands left, the others stand right.

    Cells are shown as `str` gives them; an interval, as in '0.5 (0.4 to 0.6) *', is never broken over two lines.
    Raises ValueError if a row is not as long as the head.

    >>> table(["t", "loss"], [[20, "0.80"]]).data.count("<td")
    1
    """
    lines = []
    for row in (head, *rows):
        if len(row) != len(head):
            raise ValueError(f"a row has {len(row)} cells and the head {len(head)}: {list(row)}")
        name, *values = (INTERVAL.sub(r'<span style="white-space: nowrap">\g<0></span>', escape(str(c))) for c in row)
        tag, scope = ("td", "row") if lines else ("th", "col")
        others = "".join(f'<{tag} style="text-align: right">{value}</{tag}>' for value in values)
        lines.append(f'<tr><th scope="{scope}" style="text-align: left">{name}</th>{others}</tr>')
    body = "\n".join(lines[1:])
    return HTML(
        f'<div style="overflow-x: auto"><table>\n<thead>{lines[0]}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )
