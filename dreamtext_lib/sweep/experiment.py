"""An experiment as a small TOML file: recipes x prompts x seeds, read with care, and its jobs.

    name = "guidance"                    # of the folder, runs/guidance
    prompts = ["a red castle", "a blue mug"]
    seeds = 3                            # 0, 1, 2; or a list of seeds

    [recipes.fitfusion]                  # as it is
    [recipes.guided]                     # with changed fields
    base = "fitfusion"
    guidance = 20

`kind` (what a job is, 'dream' if not said), `model` and a table `[score]` may stand there too.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..profile import PROFILES
from ..settings import Settings, paths
from ..slugs import slug
from .kinds import KINDS, Kind, no_photo, profile_of

MOST = 100_000  # jobs


@dataclass(frozen=True)
class Experiment:
    """What a file says, checked."""

    name: str
    kind: str  # a name in `kinds.KINDS`
    model: str | None  # None: that of the profile
    recipes: Mapping[str, Settings]  # by name, in the order of the file
    changed: tuple[str, ...]  # the fields that some recipe changes, by their last names
    about: str  # what a job is about: 'prompt'
    subjects: tuple[str, ...]  # the prompts
    seeds: tuple[int, ...]
    scoring: Settings
    source: bytes = field(default=b"", repr=False, kw_only=True)  # the file itself


def read_experiment(path: Path, kinds: Mapping[str, Kind] = KINDS) -> Experiment:
    """The experiment in a TOML file. Raises ValueError, in one sentence that names the file, for all that is wrong."""
    where = f"'{path}'"
    if not Path(path).is_file():
        raise ValueError(f"there is no file {where}")
    try:
        table = tomllib.loads((source := Path(path).read_bytes()).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is no UTF-8 text ({error})") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{where} is not valid TOML ({error})") from error
    kind = table.get("kind", next(iter(kinds)))
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{where} has the kind {kind!r}; choose one of {', '.join(kinds)}")
    of = kinds[kind]
    known(table, ("name", "kind", "model", "recipes", f"{of.about}s", "seeds", "score"), where)
    name, model = text_of(table, "name", where), text_of(table, "model", where) if "model" in table else None
    recipes, changed = recipes_of(table.get("recipes"), of.recipes(), where)
    if not of.photo:
        no_photo(recipes, kind, where)
    seeds = seeds_of(table.get("seeds"), where)
    subjects = subjects_of(table.get(f"{of.about}s"), of, where)
    if (count := len(recipes) * len(subjects) * len(seeds)) > MOST:
        raise ValueError(f"{where} makes {count:,} jobs; at most {MOST:,} go into one sweep")
    apart(recipes, "recipe", where)
    apart(subjects, of.about, where)
    scoring, _ = altered(of.scoring, table.get("score", {}), f"{where}, [score]")
    return Experiment(name, kind, model, recipes, changed, of.about, subjects, seeds, scoring, source=source)


def jobs(experiment: Experiment) -> list[dict[str, Any]]:
    """All jobs in the order of the file, each as JSON would give it back: what fixes it, and its `folder`.

    A model that the file does not name is None, as the profile has it; under a profile other than toy it is named where
    the recipes of the kind are those of every profile, so that rows of one are not taken for rows of another.
    """
    e = experiment
    model = e.model or (None if profile_of() == "toy" or e.kind == "dream" else PROFILES[profile_of()].model)
    return [
        json.loads(
            json.dumps(
                {
                    "folder": f"{slug(recipe)}/{slug(subject)}-{seed}",
                    "kind": e.kind,
                    "recipe": recipe,
                    e.about: subject,
                    "seed": seed,
                    "model": model,
                    "settings": settings.values(),
                    "score": e.scoring.values(),
                }
            )
        )
        for recipe, settings in e.recipes.items()
        for subject in e.subjects
        for seed in e.seeds
    ]


def known(table: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Raise ValueError if the table has a key that is not among the names."""
    for key in table:
        if key not in names:
            near = get_close_matches(key, names, 1)
            raise ValueError(
                f"{where} has a key '{key}' that means nothing" + (f"; is it '{near[0]}'?" if near else "")
            )


def text_of(table: Mapping[str, Any], key: str, where: str) -> str:
    """A text of the table. Raises ValueError if it is missing, empty or something else."""
    if not isinstance(value := table.get(key), str) or not value.strip():
        has = f"has the {key} {value!r}" if key in table else f"has no {key}"
        raise ValueError(f"{where} {has}; it must be a text in quotes")
    return value.strip()


def recipes_of(tables: Any, bases: Mapping[str, Settings], where: str) -> tuple[dict[str, Settings], tuple[str, ...]]:
    """The recipes of the file by name, and the fields that any of them changes."""
    if not isinstance(tables, Mapping) or not tables:
        raise ValueError(f"{where} has no recipes; add a table such as [recipes.{next(iter(bases))}]")
    recipes, changed = {}, {}
    for name, table in tables.items():
        here = f"{where}, recipe '{name}'"
        if not isinstance(table, Mapping) or not name.strip():
            raise ValueError(f"{here}: a recipe is a table with a name, such as [recipes.{next(iter(bases))}]")
        base = table.get("base", name)
        if not isinstance(base, str) or base not in bases:
            has = f"the base is {base!r}" if "base" in table else "it has no base"
            raise ValueError(f"{here}: {has}; choose one of {', '.join(bases)}")
        changes = {key: value for key, value in table.items() if key != "base"}
        recipes[name], fields = altered(bases[base], changes, here)
        changed |= dict.fromkeys(fields)
    return recipes, tuple(changed)


def altered(settings: Settings, table: Any, where: str) -> tuple[Settings, list[str]]:
    """Settings with the fields of a table, whose groups may be tables too, and the last names of these fields."""
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: {table!r} is no table of fields")
    names, changes = names_of(settings), {}  # names by path
    leaves = {name: path for path, own in names.items() for name in (own, ".".join(path))}
    for name, value in flat(table):
        if several := [dotted for dotted in leaves if dotted.endswith(f".{name}")] * (name not in leaves):
            raise ValueError(f"{where}: there are several fields '{name}'; choose one of {', '.join(several)}")
        if name not in leaves:
            near = get_close_matches(name, leaves, 1)
            raise ValueError(f"{where}: there is no field '{name}'" + (f"; is it '{near[0]}'?" if near else ""))
        if (own := names[leaves[name]]) in changes:
            raise ValueError(f"{where}: the field '{own}' is there twice")
        exact = whole(value) and abs(value) < 2**53 and is_float(settings, leaves[name])
        changes[own] = float(value) if exact else value
    try:
        return settings.with_fields(**changes), list(changes)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def names_of(settings: Settings) -> dict[tuple[str, ...], str]:
    """A name for each field, by its path: the last one, or all with dots between them where that is not the only one.

    >>> from ..words.recipe import WordsRecipe
    >>> names_of(WordsRecipe())["search", "commas"]
    'commas'
    """
    count = Counter(path[-1] for path in paths(settings))
    return {path: path[-1] if count[path[-1]] == 1 else ".".join(path) for path in paths(settings)}


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a table and of the tables in it, by dotted names."""
    for key, value in table.items():
        yield from flat(value, f"{before}{key}.") if isinstance(value, Mapping) else [(before + key, value)]


def is_float(settings: Any, path: Sequence[str]) -> bool:
    """Whether the field at this path is a number that need not be whole."""
    for name in path:
        settings = getattr(settings, name)
    return isinstance(settings, float)


def subjects_of(values: Any, kind: Kind, where: str) -> tuple[str, ...]:
    """The prompts, or whatever a kind is about: at least one, each a text of its own."""
    many = f"{kind.about}s"
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        has = f"has the {many} {values!r}" if values else f"has no {many}"
        raise ValueError(f"{where} {has}; they are a list of texts in quotes, at least one")
    try:
        checked = [kind.check(value) for value in values]
    except ValueError as error:
        raise ValueError(f"{where}, {many}: {error}") from error
    return different(checked, kind.about, where)


def seeds_of(values: Any, where: str) -> tuple[int, ...]:
    """The seeds: those of a list, or the first so many."""
    if whole(values) and 1 <= values <= MOST:
        return tuple(range(values))
    if not isinstance(values, list) or not values or not all(whole(v) and 0 <= v < 2**64 for v in values):
        has = f"has the seeds {values!r}" if values is not None else "has no seeds"
        raise ValueError(f"{where} {has}; they are how many (1 to {MOST:,}), or a list of whole numbers below 2^64")
    return different(values, "seed", where)


def whole(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def apart(names: Iterable[str], what: str, where: str) -> None:
    """Raise ValueError if two names, which differ in Unicode's normal form alone, give one folder."""
    homes = {}
    for name in names:
        if (other := homes.setdefault(slug(name), name)) != name:
            raise ValueError(
                f"{where} has the {what}s {other!a} and {name!a}, which would share the folder '{slug(name)}'; drop one"
            )


def different(values: Sequence[Any], what: str, where: str) -> tuple[Any, ...]:
    """The values, once it is certain that none is there twice."""
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{where} has the {what} {value!r} {'twice' if count == 2 else f'{count} times'}")
    return tuple(values)
