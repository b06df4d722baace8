"""What the model draws of a sentence once its words have learned an image: is it the image, or its kind?

`python -m experiments.redraw FOLDER...` takes the jobs on images that came to their end in folders of
`dreamtext sweep`, and writes

book/measured/NAME_drawn.csv     for each job four pictures of its sentence, drawn with what the job learned: how alike
                                 they are to the image (cosine of the judge's vectors, and dB, mean of the four), and
                                 how far they are from one another (mean of 1 - cos)
book/measured/NAME/drawn.webp    a row for each recipe that did the first image: those pictures of its first job on it

Claims C17 and C18; the rules stand in experiments/rules.md.
"""

import json
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dreamtext_lib.distillation.prior import LatentPrior
from dreamtext_lib.evaluation.diversity import diversity
from dreamtext_lib.evaluation.images import psnr
from dreamtext_lib.evaluation.likeness import mean, vectors
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.files import write_json
from dreamtext_lib.runs import read_checkpoint, unpack
from dreamtext_lib.sweep.folder import Row, read_json
from dreamtext_lib.sweep.images import SIDE, WORDS, plain, titles
from dreamtext_lib.sweep.table import write_csv
from dreamtext_lib.viewing.pictures import write_picture
from dreamtext_lib.words.rows import learner
from dreamtext_lib.words.training import read_words, samples
from experiments.gather import MEASURED, done

DRAWN = 4  # pictures of each sentence
GUIDANCE, STEPS = 4.0, 25  # s of (3.8), and steps of DDIM


class Nothing:
    """What has learned nothing: the sentence is read as it stands."""

    read_by = staticmethod(lambda prior: nullcontext())
    states = staticmethod(lambda prior, texts: prior.encode_text(texts))


def learned(prior: LatentPrior, home: Path) -> Any:
    """What the training in a job's folder moved, or `Nothing` where there was none."""
    if not (home / WORDS).is_dir():
        return Nothing()
    _, sentence, recipe = read_words(home / WORDS)
    rows = learner(prior, sentence, recipe.learns, rank=recipe.rank)
    unpack(read_checkpoint(home / WORDS)[0], {"rows": rows}, {})
    return rows


def drawn(home: Path, row: Row) -> Tensor:
    """The pictures of one job's sentence by the job's model, (DRAWN, S, S, 3) in 0..1."""
    prior = plain((read_json(home / "job.json") or {}).get("model") or "tiny")
    prior.pipeline.set_progress_bar_config(disable=True)
    return samples(prior, learned(prior, home), [row["sentence"]] * DRAWN, guidance=GUIDANCE, steps=STEPS)


def beside(made: Tensor, image: str) -> dict[str, float]:
    """The numbers of the pictures of a job on an image."""
    judge, shown = load_judge(), titles()[image].picture(SIDE)  # (S, S, 3)
    return {
        "drawn_similarity": round(float((vectors(judge, made) @ vectors(judge, shown[None]).T).mean()), 4),
        "drawn_psnr": round(mean([psnr(one, shown) for one in made]), 4),
        "drawn_apart": round(diversity(judge, made[:, None]), 4),
    }


@torch.no_grad()
def redraw(folder: Path, measured: Path = MEASURED) -> int:
    """Draw for the finished jobs of a sweep, and write table and sheet; how many there were.

    Raises ValueError if none was.
    """
    lines, first = [], {}
    for (recipe, image, seed), (home, row) in tqdm(done(folder).items(), disable=not sys.stderr.isatty()):
        made = drawn(home, row)
        lines.append({"recipe": recipe, "image": image, "seed": seed} | beside(made, image))
        if image == lines[0]["image"]:
            first.setdefault(recipe, made)
    if not lines:
        raise ValueError(f"'{folder}' holds no finished job of a sweep")
    write_csv(lines, measured / f"{folder.name}_drawn.csv")
    home = measured / folder.name
    home.mkdir(parents=True, exist_ok=True)
    write_picture(torch.cat([torch.cat(list(made), 1) for made in first.values()]), home / "drawn.webp")
    index = json.loads((home / "index.json").read_text(encoding="utf-8")) if (home / "index.json").exists() else {}
    write_json(home / "index.json", index | {"drawn": {"recipes": list(first), "image": lines[0]["image"]}})
    return len(lines)


def main() -> None:
    """Draw for the jobs of the named folders."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        try:
            print(f"{folder.name}: {redraw(folder)} jobs")
        except ValueError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
