"""The pictures of the model card: training curves from the logs, and one sample for each class and view.

`python -m experiments.model_card --work zoo-work` after `make zoo`.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

from matplotlib.figure import Figure

from dreamtext_lib.viewing import style
from dreamtext_lib.viewing.turntable import contact_sheet, write_picture
from dreamtext_lib.zoo import MODELS
from dreamtext_lib.zoo.scores import sample_labels, samples

STAGES = {"autoencoder": "psnr", "clip": "class", "unet": "mse", "front": "mse", "judge": "class"}


def curves(work: Path) -> Figure:
    """Training curves of all stages from their logs."""
    style.use()
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axis, (name, key) in zip(figure.subplots(1, len(STAGES)), STAGES.items()):
        rows = [json.loads(line) for line in (work / name / "log.jsonl").read_text().splitlines()]
        axis.plot([r["step"] for r in rows], [r[key] for r in rows])
        axis.set(title=name, xlabel="step", ylabel=key)
    return figure


def main() -> None:
    """Write `training.png` and `samples.png` beside the models."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work"))
    work = parser.parse_args().work
    curves(work).savefig(MODELS / "training.png", dpi=110)
    pictures = samples(MODELS / "tiny", sample_labels(1)).permute(0, 2, 3, 1) / 2 + 0.5
    write_picture(contact_sheet(pictures, columns=8), MODELS / "samples.png")


if __name__ == "__main__":
    main()
