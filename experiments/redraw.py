"""What the model draws of a sentence once its words have learned an image: is it the image, or its kind?

`python -m experiments.redraw FOLDER...` takes the jobs on images that came to their end in folders of
`dreamtext sweep`, and writes book/measured/NAME_drawn.csv: for each job four pictures of its sentence, drawn with what
the job learned, how alike they are to the image (cosine of the judge's vectors, and dB, mean of the four), and how far
they are from one another (mean of 1 - cos). Claims C17 and C18; the rules stand in experiments/rules.md.
"""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from dreamtext_lib.distillation.prior import LatentPrior
from dreamtext_lib.evaluation.diversity import diversity
from dreamtext_lib.evaluation.images import psnr
from dreamtext_lib.evaluation.likeness import mean, vectors
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.runs import read_checkpoint, unpack
from dreamtext_lib.sweep.images import SIDE, WORDS, plain, titles
from dreamtext_lib.sweep.table import write_csv
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


def redrawn(home: Path, row: dict[str, Any], image: str, model: str = "tiny") -> dict[str, float]:
    """The numbers of one job."""
    prior, judge = plain(model), load_judge()
    prior.pipeline.set_progress_bar_config(disable=True)
    made = samples(prior, learned(prior, home), [row["sentence"]] * DRAWN, guidance=GUIDANCE, steps=STEPS)
    shown = titles()[image].picture(SIDE)  # (S, S, 3)
    return {
        "drawn_similarity": round(float((vectors(judge, made) @ vectors(judge, shown[None]).T).mean()), 4),
        "drawn_psnr": round(mean([psnr(one, shown) for one in made]), 4),
        "drawn_apart": round(diversity(judge, made[:, None]), 4),
    }


@torch.no_grad()
def main() -> None:
    """Draw for the jobs of the named folders."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        lines = [
            {"recipe": recipe, "image": image, "seed": seed} | redrawn(home, row, image)
            for (recipe, image, seed), (home, row) in tqdm(
                done(folder).items(), file=sys.stderr, disable=not sys.stderr.isatty()
            )
        ]
        write_csv(lines, MEASURED / f"{folder.name}_drawn.csv")
        print(f"{folder.name}: {len(lines)} jobs")


if __name__ == "__main__":
    main()
