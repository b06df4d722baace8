"""Sweeps side by side: the jobs of one or several folders as a page that compares methods (`viewing.comparison`)."""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ..evaluation.effect import Effect, column, effect, interval
from ..viewing.comparison import Card, Comparison, Mean, Means
from .dreams import PICTURE, TURN
from .folder import Job, Row, read_json
from .kinds import KINDS

FIRST = {  # scores that stand under each card, by what a job is about
    "image": ("similarity", "input_similarity", "class_share", "psnr"),
    "prompt": ("class_share", "colour_share", "sharpness", "chamfer_fitted"),
}
NEEDS = ("kind", "recipe", "seed", "settings")  # keys of a job, beside what it is about


class Done(NamedTuple):
    """A job, and what it left."""

    home: Path
    job: Job
    row: Row | None  # None: it has not come to its end

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.job[KINDS[self.job["kind"]].about]

    @property
    def key(self) -> tuple[str, str]:
        """Subject and seed."""
        return self.subject, str(self.job["seed"])

    @property
    def far(self) -> int:
        """How far it came: 2 done, 1 failed, 0 neither."""
        return 0 if self.row is None else 1 if "error" in self.row else 2


def jobs_in(folder: Path) -> list[Done]:
    """The jobs in the folder of a sweep, in the order of its file where it has one.

    Raises ValueError, in one sentence, if it is no folder, holds no job, or one that another program wrote.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder '{folder}'" + " (it is a file)" * folder.exists())
    found = []
    for path in sorted(folder.glob("*/*/job.json")):
        job = read_json(path)
        if not all(key in job for key in NEEDS):
            raise ValueError(f"'{path}' is no job of a sweep; another program wrote it")
        if job["kind"] not in list(KINDS):
            raise ValueError(f"'{path}' is a job of the kind {job['kind']!r}; this version knows {', '.join(KINDS)}")
        if not isinstance(job.get(about := KINDS[job["kind"]].about), str):
            raise ValueError(f"'{path}' has the {about} {job.get(about)!r}; it must be a text")
        ended = read_json(path.parent / "row.json") or {}
        row = ended.get("row") if ended.get("score") == job.get("score") else None  # scored otherwise: it is to come
        found.append(Done(path.parent, job, row))
    if not found:
        raise ValueError(
            f"'{folder}' holds no sweep: no folder in it has a job.json; name one that dreamtext sweep wrote"
        )
    recipes, subjects = order(folder, KINDS[found[0].job["kind"]].about)
    return sorted(found, key=lambda d: (place(recipes, d.job["recipe"]), place(subjects, d.subject), d.job["seed"]))


def order(folder: Path, about: str) -> tuple[list[str], list[str]]:
    """Recipes and subjects as the copy of the experiment lists them; nothing where it cannot be read."""
    try:
        told = tomllib.loads((folder / "experiment.toml").read_text(encoding="utf-8"))
        return list(told["recipes"]), [str(subject).strip() for subject in told[f"{about}s"]]
    except (OSError, ValueError, KeyError, TypeError):
        return [], []


def place(names: Sequence[str], name: str) -> int:
    """Where a name stands; after the others if it is not there."""
    return names.index(name) if name in names else len(names)


def compared(folders: Sequence[Path], legend: Mapping[str, str]) -> Comparison:
    """What the jobs of folders made, each subject by each method.

    legend: what scores mean, by name. A recipe with different settings becomes several methods, with the folders'
    names, and numbers where one folder has several; of a job that several folders have, the one that came furthest is
    shown. Raises ValueError as `jobs_in` does, for sweeps of different kinds, and if no job ended without an error.
    """
    found = [(folder, done) for folder in folders for done in jobs_in(folder)]
    kinds: dict[str, Path] = {}  # each with the first folder that has it
    for folder, done in found:
        kinds.setdefault(done.job["kind"], folder)
    if len(kinds) > 1:
        (one, where), (other, there) = list(kinds.items())[:2]
        raise ValueError(f"'{where}' is a sweep of the kind '{one}' and '{there}' one of '{other}'; compare one kind")
    if not any(done.far == 2 for _, done in found):
        raise ValueError(
            f"no job of '{folders[0]}' is done yet, and {sum(done.far == 1 for _, done in found)} failed (each row.json"
            " says why); give the command again once some are"
        )
    kind = next(iter(kinds))
    methods, named = named_methods(found)
    jobs: dict[tuple[str, str, str], Done] = {}  # by method, subject and seed
    for method, (_, done) in zip(named, found):
        if done.far > jobs.setdefault((method, *done.key), done).far:
            jobs[method, *done.key] = done
    seeds = {seed for *_, seed in jobs}
    cards = [card(done, method, seed if len(seeds) > 1 else "") for (method, _, seed), done in jobs.items()]
    names = list(dict.fromkeys(name for c in cards for name in c.scores))
    first_names, names = ranked(KINDS[kind].about, names)
    failed, missing = sum(c.bad for c in cards), sum(done.row is None for done in jobs.values())
    text = f"{len(cards)} job{'s' * (len(cards) != 1)} of dreamtext sweep, {len(methods)} "
    text += "methods." if len(methods) != 1 else "method."
    text += f" {failed} failed." * bool(failed) + f" {missing} not done yet." * bool(missing)
    subjects = dict.fromkeys(done.subject for done in jobs.values())
    return Comparison(
        " and ".join(dict.fromkeys(f.resolve().name for f in folders)),
        text,
        KINDS[kind].about,
        {subject: given(kind, subject) for subject in subjects},
        methods,
        cards,
        first_names,
        {name: legend.get(name, "") for name in names},
        means(methods, jobs, names),
    )


def ranked(about: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of scores: those that stand under each card, and all, these first."""
    first = [name for name in FIRST[about] if name in names] or list(names[:4])
    return first, [*first, *(name for name in names if name not in first)]


def named_methods(found: Sequence[tuple[Path, Done]]) -> tuple[list[str], list[str]]:
    """The names of all methods, and that of each job's: its recipe's, with the folder's where that says too little.

    What has one name then all the same, since one folder holds both, is numbered.
    """

    def mark(done: Done) -> tuple[Any, ...]:
        return done.job["recipe"], repr(done.job["settings"]), done.job.get("model")

    several = {}
    for _, done in found:
        several.setdefault(done.job["recipe"], set()).add(mark(done))
    names = {}
    for folder, done in found:
        if (own := mark(done)) not in names:
            recipe, number = done.job["recipe"], 1
            usual = name = recipe if len(several[recipe]) == 1 else f"{recipe} ({folder})"
            while name in names.values():
                number += 1
                name = f"{usual} {number}"
            names[own] = name
    return list(names.values()), [names[mark(done)] for _, done in found]


def card(done: Done, method: str, seed: str) -> Card:
    """What a job left, as a card."""
    turn, still = done.home / TURN, done.home / PICTURE
    row = done.row or {}
    text = row.get("sentence", "") if done.row else "not done yet"
    return Card(
        done.subject,
        method,
        seed,
        str(row.get("error", text)),
        "error" in row,
        scores(row),
        turn if turn.is_file() else None,
        still if still.is_file() else None,
        before(done),
    )


def before(done: Done) -> Path | None:
    """The picture that the model drew for a job that goes through one; None for others, and where none is kept."""
    if done.job["kind"] != "sample":
        return None
    from ..words.training import IMAGE
    from .images import WORDS

    return path if (path := done.home / WORDS / IMAGE).is_file() else None


def scores(row: Row) -> dict[str, float]:
    """The finite numbers of a row, True as 1; without steps, which are settings, and times of a shared machine."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    return {n: v for n, v in numbers.items() if math.isfinite(v) and n != "steps" and not n.endswith("seconds")}


def given(kind: str, subject: str) -> Image.Image | None:
    """The picture that a job was given; None where it was given a text, or an image that this version has not."""
    if kind != "image":
        return None
    from ..viewing.pictures import pixels
    from .images import titles

    one = titles().get(subject)
    return one and Image.fromarray(pixels(one.picture(96)))


def means(methods: Sequence[str], jobs: Mapping[tuple[str, str, str], Done], names: Sequence[str]) -> dict[str, Means]:
    """Means over each method's jobs ('') and, by method, over the differences of the others' jobs to its own."""
    lines = [
        {"recipe": m, "about": subject, "seed": seed} | dict.fromkeys(names, "") | {n: repr(v) for n, v in own.items()}
        for (m, subject, seed), own in ((key, scores(done.row or {})) for key, done in jobs.items())
    ]

    def numbers(method: str, name: str) -> Effect:
        return interval([*column(lines, method, name).values()])

    all_of = {(m, n): kept(numbers, m, n) for m in methods for n in names}
    beside = {
        base: {(m, n): kept(effect, lines, base, m, n) for m in methods for n in names if m != base}
        for base in (methods if len(methods) > 1 else ())
    }
    return {base: {key: mean for key, mean in of.items() if mean} for base, of in ({"": all_of} | beside).items()}


def kept(measure: Callable[..., Effect], *arguments: Any) -> Mean | None:
    """What is measured, None where there is no number or no pair."""
    try:
        return Mean(*measure(*arguments))
    except ValueError:
        return None
