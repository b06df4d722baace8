"""Flags made of a recipe: one a field, with the comment of its line as its help, and its default."""

import inspect
import re
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..settings import Settings

LINE = re.compile(r"^    (\w+): .*?  # (.+)$")


def add_fields(
    parser: ArgumentParser, recipes: Mapping[str, Settings], former: Mapping[str, str] | None = None
) -> None:
    """A flag for each field of recipes of one kind, in the groups that they have; the first recipe is the default.

    former: names that fields had in earlier versions, to their names now; their flags go on working and are not shown.
    """
    usual, old = next(iter(recipes.values())), {now: then for then, now in (former or {}).items()}
    for path, group in groups(usual):
        words = (type(group).__doc__ or "").splitlines()[0] if path else ""
        box = parser.add_argument_group(" ".join(["the recipe,", *path]) if path else "the recipe", words or None)
        hints = get_type_hints(type(group))
        for name in (f.name for f in fields(group) if not isinstance(getattr(group, f.name), Settings)):
            flag, how = f"--{name.replace('_', '-')}", kind(hints[name])
            box.add_argument(flag, dest=name, help=text(name, path, recipes, type(group)), **how)
            if name in old:
                parser.add_argument(f"--{old[name].replace('_', '-')}", dest=name, help=SUPPRESS, **how)


def given(a: Namespace, recipe: Settings) -> dict[str, Any]:
    """The fields that flags have set."""
    names = [f.name for _, group in groups(recipe) for f in fields(group)]
    return {name: getattr(a, name) for name in names if getattr(a, name, None) is not None}


def groups(recipe: Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Settings]]:
    """A recipe and all groups within it, each with its path."""
    yield path, recipe
    for f in fields(recipe):
        if isinstance(value := getattr(recipe, f.name), Settings):
            yield from groups(value, (*path, f.name))


@cache
def comments(cls: type) -> dict[str, str]:
    """What stands beside the fields of a dataclass in its source, by name; nothing where the source is not at hand."""
    found: dict[str, str] = {}
    for c in reversed(cls.__mro__):
        if is_dataclass(c):
            try:
                lines = inspect.getsource(c).splitlines()
            except OSError:
                continue
            found |= {m[1]: m[2].strip() for m in map(LINE.match, lines) if m}
    return found


def kind(hint: Any) -> dict[str, Any]:
    """How argparse reads a field of this annotation."""
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if hint is bool:
        return {"action": BooleanOptionalAction}
    return {"type": hint, "metavar": {int: "N", float: "X"}.get(hint, "WORD")}


def text(name: str, path: tuple[str, ...], recipes: Mapping[str, Settings], cls: type) -> str:
    """The help of a field: its comment, the default, and the values of the other recipes where they differ."""
    values = {}
    for recipe, settings in recipes.items():
        for group in path:
            settings = getattr(settings, group)
        values[recipe] = getattr(settings, name)
    (_, usual), *others = values.items()
    default = ", ".join([f"default {show(usual)}", *(f"{k} {show(v)}" for k, v in others if v != usual)])
    return f"{comments(cls).get(name, '')} ({default})".strip().replace("%", "%%")


def show(value: Any) -> str:
    """A value as a user would type it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
