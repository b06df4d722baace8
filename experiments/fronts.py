"""How often the count of fronts is wrong, on true toys with one face and with two that the rule was not fixed on.

`python -m experiments.fronts` renders them, asks the judge, and writes experiments/fronts.json; run it again when the
judge was trained anew. It takes four minutes on one idle core.
"""

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dreamtext_lib.evaluation.fronts import FrontWatch, count_fronts, front_profile, look_at, turn
from dreamtext_lib.evaluation.truth import exact
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.files import write_json
from dreamtext_lib.toybox.objects import CLASS_NAMES, random_object

SEED = 7_000_033  # neither a training set's, nor that of the toys on which the rule was fixed
FACES = {"one face": (0.0,), "two faces": (0.0, 180.0)}
LIGHTS = {"lit": 0.5, "unlit": 1.0}


def measure(each: int) -> dict:
    """Shares of wrong counts in all and by class, and how often the watch says that there are two fronts."""
    judge, rows = load_judge(), []
    for c, name in enumerate(tqdm(CLASS_NAMES)):
        for i in range(each):
            thing = random_object(np.random.default_rng((SEED, c, i)), name)
            for face, turns in FACES.items():
                for light, ambient in LIGHTS.items():
                    frames = look_at(exact(thing, turns=turns, ambient=ambient), turn()).frames
                    count = count_fronts(front_profile(judge, frames, name))
                    rows.append((name, face, light, count, FrontWatch(judge, name).sees_two(frames)))

    def share(values: list[bool]) -> float:
        return round(sum(values) / len(values), 4)

    def wrong(face: str, of: tuple[str, ...] = CLASS_NAMES, light: tuple[str, ...] = tuple(LIGHTS)) -> float:
        picked = [row for row in rows if row[0] in of and row[1] == face and row[2] in light]
        return share([count != len(FACES[face]) for *_, count, _ in picked])

    return {
        "seed": SEED,
        "toys": each * len(CLASS_NAMES),
        "wrong": {face: wrong(face) for face in FACES},
        "wrong by light": {light: {face: wrong(face, light=(light,)) for face in FACES} for light in LIGHTS},
        "wrong by class": {name: {face: wrong(face, of=(name,)) for face in FACES} for name in CLASS_NAMES},
        "the watch sees two": {face: share([two for _, f, _, _, two in rows if f == face]) for face in FACES},
    }


def main() -> None:
    """Measure and write."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=6, metavar="N", help="toys a class (default 6)")
    parser.add_argument("--out", type=Path, default=Path("experiments/fronts.json"))
    a = parser.parse_args()
    if a.each < 1:
        parser.error("--each must be at least 1")
    write_json(a.out, measure(a.each))


if __name__ == "__main__":
    main()
