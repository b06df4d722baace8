"""Settings as values: frozen dataclasses whose fields say which range they allow, checked when they are made.

A recipe is a `Settings` made of `Settings`: the groups that dreams and fits share stand here, the others beside the
loop that reads them. No name of a field occurs twice in a recipe, so `recipe.with_fields(guidance=5.0)` needs no path.
Names say what a number is: `..._share` is a share of draws, `..._until` and `..._from` are shares of the run, and
`..._weight` is the weight of a term in the loss. Everything else is a count or a measurement, with its unit beside it.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args, get_origin, get_type_hints

LARGEST = 2**53  # from here on, a whole number cannot be told from its neighbours as a float


class Range(NamedTuple):
    """The numbers that a field allows, and the words for them."""

    words: str  # 'it must be ...'
    low: float = -math.inf
    high: float = math.inf
    open: bool = False  # whether `low` and `high` themselves are left out

    def holds(self, value: float) -> bool:
        """Whether a finite value lies in the range."""
        return self.low < value < self.high if self.open else self.low <= value <= self.high


Count = Annotated[int, Range("a whole number, at least 1", 1)]
Whole = Annotated[int, Range("a whole number, 0 or more", 0)]
Time = Annotated[int, Range("a time step, a whole number in 0..999", 0, 999)]
Power = Annotated[int, Range("a whole number in 4..24", 4, 24)]
Number = Annotated[float, Range("a finite number")]
Positive = Annotated[float, Range("a finite number above 0", 0, open=True)]
Weight = Annotated[float, Range("a finite number, 0 or more", 0)]
Share = Annotated[float, Range("a share, between 0 and 1", 0, 1)]
Memory = Annotated[float, Range("above 0 and below 1", 0, 1, open=True)]
Grey = Annotated[float, Range("between 0 and 1", 0, 1)]
Elevation = Annotated[float, Range("an angle in -90..90 degrees", -90, 90)]
Angle = Annotated[float, Range("an angle above 0 and below 180 degrees", 0, 180, open=True)]


@dataclass(frozen=True)
class Settings:
    """Base of all recipes and of their groups. Raises ValueError when made of a value that a field does not allow."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            check(name, getattr(self, name), hint)

    def with_fields(self, **changes: Any) -> Self:
        """The same with other values for the named fields, in whichever group they are.

        Raises ValueError for a field that there is not, and for a value that the field does not allow.

        >>> Grid().with_fields(levels=8).levels
        8
        """
        known = {".".join(path): path for path in paths(self)}
        count = Counter(path[-1] for path in known.values())
        known |= {path[-1]: path for path in paths(self) if count[path[-1]] == 1}
        for name in changes:
            if count[name] > 1 and name not in known:
                raise ValueError(f"there are {count[name]} fields '{name}' in the recipe; name the group before it too")
            if name not in known:
                near = get_close_matches(name, known, 1)
                raise ValueError(
                    f"there is no field '{name}' in the recipe" + (f"; is it '{near[0]}'?" if near else "")
                )
        return changed(self, {known[name]: value for name, value in changes.items()})

    def values(self) -> dict[str, Any]:
        """All values by name, groups as dictionaries: what JSON can hold and `from_values` reads."""
        return {f.name: v.values() if isinstance(v := getattr(self, f.name), Settings) else v for f in fields(self)}

    @classmethod
    def from_values(cls, values: Any, name: str = "the recipe") -> Self:
        """What `values` gave. Raises ValueError, in one sentence, if a field is unknown, missing or not allowed."""
        if not isinstance(values, Mapping):
            raise ValueError(f"{name} is {values!r}; it must hold {', '.join(f.name for f in fields(cls))}")
        hints = get_type_hints(cls)
        for key in values:
            if key not in hints:
                raise ValueError(f"{name} has a field '{key}' that this version does not know")
        for key in hints:
            if key not in values:
                raise ValueError(f"{name} lacks the field '{key}'; another version wrote it")
        made = {k: h.from_values(values[k], k) if is_dataclass(h) else values[k] for k, h in hints.items()}
        return cls(**made)


def check(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError, naming the field, the value and what is allowed, unless `value` fits the annotation."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{name} is {value!r}; choose one of {', '.join(get_args(hint))}")
    elif get_origin(hint) is Annotated:
        kind, allowed = get_args(hint)
        number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        if number and isinstance(value, int) and abs(value) >= LARGEST:
            raise ValueError(f"{name} is {value!r}; it must lie between -2^53 and 2^53")
        if not (number and math.isfinite(value) and allowed.holds(value)):
            raise ValueError(f"{name} is {value!r}; it must be {allowed.words}")
    elif not isinstance(value, hint):
        raise ValueError(f"{name} is {value!r}; it must be of the kind {hint.__name__}")


def paths(settings: Settings) -> Iterator[tuple[str, ...]]:
    """The names of all fields that are no groups, each with those of the groups around it."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        yield from ((f.name, *rest) for rest in paths(value)) if isinstance(value, Settings) else [(f.name,)]


def changed(settings: Settings, changes: Mapping[tuple[str, ...], Any]) -> Settings:
    """A copy with the values at these paths."""
    own = {path[0]: value for path, value in changes.items() if len(path) == 1}
    for group in {path[0] for path in changes if len(path) > 1}:
        inner = {path[1:]: value for path, value in changes.items() if path[0] == group and len(path) > 1}
        own[group] = changed(getattr(settings, group), inner)
    return replace(settings, **own)


def ordered(settings: Settings, *pairs: tuple[str, str]) -> None:
    """Raise ValueError where the first of two fields is above the second."""
    for low, high in pairs:
        a, b = getattr(settings, low), getattr(settings, high)
        if a > b:
            raise ValueError(f"{low} is {a!r}, above {high}, which is {b!r}")


@dataclass(frozen=True)
class Grid(Settings):
    """A hash grid (3.2.4) and the width of the networks behind it."""

    levels: Count = 6  # hash levels (3.16)
    features: Count = 2  # features a level
    log2_table: Power = 14  # entries a level, as a power of two (3.18)
    coarsest: Count = 6  # cells a side of the first level (3.16)
    finest: Count = 48  # cells a side of the last level (3.16)
    hidden: Count = 32  # width of a hidden layer

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("coarsest", "finest"))


@dataclass(frozen=True)
class Voxels(Settings):
    """The occupancy grid: where the field is worth asking."""

    voxels: Count = 32  # voxels a side
    renew_every: Count = 16  # steps between renewals
    threshold: Positive = 0.5  # density below which a voxel is empty, in 1 / unit of length (1 / radius in a fit)
    decay: Share = 0.6  # what is left of a remembered density at a renewal, as a factor


@dataclass(frozen=True)
class Descent(Settings):
    """The optimiser (6.1.8)."""

    optimiser: Literal["adam", "adan"] = "adam"  # adan: that of the thesis' code, see `adan.py`
    rate_grid: Positive = 1e-2  # step for the hash tables, at the start
    rate_net: Positive = 3e-3  # step for the networks, at the start
    rate_end: Positive = 1.0  # both at the end, as a factor of the start; they fall exponentially
    beta_1: Memory = 0.9  # what is kept of the mean gradient at a step, as a factor
    beta_2: Memory = 0.99  # what is kept of the mean squared gradient at a step, as a factor
    eps: Positive = 1e-15  # added to the root of the mean squared gradient
    beta_change: Memory = 0.92  # adan: what is kept of the mean change of the gradient at a step, as a factor
    weight_decay: Weight = 0.0  # adan: share of a parameter that is lost at a step, times its rate
    clip: Weight = 0.0  # adan: norm to which the gradient is cut down; 0 cuts nothing
