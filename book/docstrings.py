"""Sphinx extension: docstrings of this library, which are plain text, on the pages of the reference.

Their words are taken as they stand, names between backquotes as code, indented lines and examples (`>>>`) as blocks.
Of a class that is a list of fields, each is shown with its default and with the comment beside it in the source.
"""

import inspect
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

FIELD = re.compile(r"^    (\w+): (?:.*?)  # (.+)$", re.M)  # a field, and what stands beside it


def inline(text: str) -> str:
    """Plain text as reStructuredText: nothing in it is markup but code between backquotes.

    >>> inline("`alpha_bar` of x_t, |x| * 2")
    '\\\\ ``alpha_bar``\\\\  of x\\\\_t, \\\\|x\\\\| \\\\* 2'
    """
    parts = re.split(r"`([^`]+)`", " ".join(text.split()))
    words = [re.sub(r"([\\*|_`])", r"\\\1", part) for part in parts[::2]]
    code = [f"\\ ``{part}``\\ " for part in parts[1::2]] + [""]
    whole = "".join(a + b for a, b in zip(words, code)).strip()
    return f"\\{whole}" if whole[:1] in set("-+.:=~#>•") else whole


def block(text: str) -> list[str]:
    """A paragraph of a docstring as lines of reStructuredText."""
    lines = text.splitlines()
    if text.startswith(">>>"):
        return lines
    if any(line.startswith((" ", "- ")) for line in lines):
        return ["::", "", *(f"    {line}" for line in lines)]
    return [inline(text)]


def fields_of(cls: type) -> list[str]:
    """The fields of a dataclass or a named tuple as a list: name, default, comment."""
    if is_dataclass(cls):
        defaults = {f.name: f.default for f in fields(cls)}
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        defaults = {name: cls._field_defaults.get(name, MISSING) for name in cls._fields}
    else:
        return []
    found: dict[str, str] = {}
    for c in reversed(cls.__mro__[:-1]):
        if c.__module__.startswith("dreamtext_lib"):
            found |= dict(FIELD.findall(inspect.getsource(c)))
    lines = []
    for name, default in defaults.items():
        equals = "" if default is MISSING else f" = {default!r}"
        lines.append(f"- ``{name}{equals}``" + (f": {inline(found[name])}" if name in found else ""))
    return ["", *lines, ""]


def as_plain_text(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Autodoc's docstring, in place, as reStructuredText that shows it as it was written."""
    text, made = inspect.cleandoc("\n".join(lines)), []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip():
            made += [*block(paragraph), ""]
    lines[:] = made + (fields_of(thing) if what == "class" else [])


def signature(app: Any, what: str, name: str, thing: Any, options: Any, signature: str, result: str) -> Any:
    """No signature for what is listed field by field."""
    return ("", None) if what == "class" and fields_of(thing) else None


def skip(app: Any, what: str, name: str, thing: Any, skipped: bool, options: Any) -> bool | None:
    """Whether a member is left out: the numbered fields of named tuples are, they stand in the list."""
    return True if (getattr(thing, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("autodoc-process-docstring", as_plain_text)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}
