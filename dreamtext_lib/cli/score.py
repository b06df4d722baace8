"""`dreamtext score`: a finished run against the truth of its prompt, where the toybox knows it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..evaluation.evaluate import Row


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("run", type=Path, help="the folder of a dream whose prompt is one of the toybox")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON object")


def run(a: Namespace) -> int:
    """Print the row of a run: what the judge says of its views, its fronts, and how far it is from the truth."""
    import json
    from dataclasses import asdict

    from ..evaluation.evaluate import asked, evaluate
    from ..evaluation.views import load_judge
    from ..runs import read_record
    from .finished import COLOURS, finished

    record = read_record(a.run, "dream", ("prompt",))
    asked(record["prompt"])  # is refused before anything is loaded
    volume = finished(a.run).volume
    if record["recipe"].get("space") == "latents" and not (a.run / COLOURS).exists():
        raise ValueError(f"the dream in '{a.run}' is of latents and has no colours yet; go on with --resume '{a.run}'")
    row = evaluate(volume, record["prompt"], load_judge())
    if a.json:
        about = {"prompt": record["prompt"], "seed": record["seed"]}
        print(json.dumps(about | asdict(row), ensure_ascii=False))
    else:
        print(f"'{record['prompt']}', seed {record['seed']}, against the nearest of its true objects:")
        print(table(row))
    return 0


def table(row: "Row") -> str:
    """A row as lines of a name, a value, what it is to be beside, and what that is."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.0%}"

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    lines = [
        (name, share(getattr(row, f"{name}_share")), share(getattr(row, f"{name}_constant")), "of a constant answer")
        for name in ("class", "colour", "pattern", "view")
    ]
    lines += [
        ("fronts", str(row.fronts), "1", "as it should be"),
        ("size", number(row.size), "1", "as large as the truth"),
        ("opacity", number(row.opacity), number(row.opacity_true), "the truth's"),
        ("sharpness", number(row.sharpness), "1", "as sharp as the truth"),
        ("silhouette IoU", number(row.iou), "1", "the truth's"),
        ("Chamfer distance", number(row.chamfer), "0", "the truth's, in units of the world"),
        (
            "the same, fitted",
            number(row.chamfer_fitted),
            "0",
            f"after a scale of {number(row.scale_fitted)} and a shift",
        ),
    ]
    text = "\n".join(f"{name:<18}{value:>7}   {beside:>6} {what}" for name, value, beside, what in lines)
    return f"{text}\nthere is nothing to see: the volume is empty" if row.empty else text
