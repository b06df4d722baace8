"""Write the model card beside the models: text, figures from `scores.json`, training curves, samples.

`python -m experiments.model_card --work zoo-work` after `make zoo`; with `--further DIR` after
`python -m dreamtext_lib.zoo.make --start MODELS --work DIR` too.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

from matplotlib.figure import Figure

from dreamtext_lib.runs import write_bytes
from dreamtext_lib.viewing import style
from dreamtext_lib.viewing.pictures import contact_sheet, write_picture
from dreamtext_lib.zoo import MODELS, PIPELINES
from dreamtext_lib.zoo.scores import sample_labels, samples

# panel: its stages, one after another, and the value that is drawn
STAGES = {
    "autoencoder": (("autoencoder",), "psnr"),
    "CLIP": (("clip", "clip-image"), "class"),
    "judge": (("judge", "judge-image"), "class"),
    "U-Net": (("unet",), "mse"),
    "front-biased U-Net": (("front",), "mse"),
}

CARD = """# The tiny models

A Stable Diffusion in miniature, in the classes of diffusers and transformers, and a judge. Trained on renders of the
toybox alone, by the scripts in the folder above. Code and weights: MIT. This page is written by
`experiments/model_card.py`; its figures come from `scores.json`.

| folder | what | parameters |
|---|---|---|
| `tiny` | pipeline: autoencoder 64 x 64 x 3 to 16 x 16 x 4, U-Net, text encoder, 24 tokens, DDIM | {pipeline} |
| `tiny-front` | the same, its U-Net trained further on pictures of which 85 % are fronts by choice | {pipeline} |
| `clip` | the CLIP whose text encoder conditions both | {clip_size} |
| `judge` | another CLIP: other pictures, other seed, and pictures of nothing; it only scores | {clip_size} |
| `pixels` | a U-Net on pixels, of 32-pixel renders, for the chapter on samplers (`zoo.train_pixels`) | {pixels} |

    from diffusers import StableDiffusionPipeline
    StableDiffusionPipeline.from_pretrained("dreamtext_lib/zoo/models/tiny")

## Data

Renders of 14 classes in 8 colours, 3 patterns and 3 shapes from all sides (12 % from above), 64 pixels: 57,344 for
autoencoder, CLIP and U-Net (seed 0), 43,008 others for the judge (seed 2000003), 14,336 for the front-biased U-Net
(seed 3000005), 3,584 held out (seed 1000001). Captions such as 'an image of a tall, red, striped castle, front view',
with parts left out at random.

## Training

On two CPU cores in single precision. Autoencoder {autoencoder} steps (24 crops of 32 pixels, then 8 whole pictures).
CLIP {clip} and judge {judge} steps of 96 pictures with both towers, then {clip_image} and {judge_image} steps of the
image tower alone against the fixed text tower. U-Net {unet} steps of 32 (min-SNR weights, averaged weights, 10 % of the
captions empty), front-biased U-Net {front} further steps. {history}

![Training curves](training.png)

## Scores

On the held-out pictures, zero-shot by sentences; the class is asked among all classes, the rest given the class.

| | class | colour | pattern | shape | view |
|---|---|---|---|---|---|
{rows}

The autoencoder reconstructs at {psnr} dB. The judge calls these nothing at all: {nothing}.

{pictures} samples each, four for each class and view, 'an image of a red castle, front view', guidance s = {s}
(diffusers' guidance_scale {g}), {steps} DDIM steps, named by the judge:

| | class | colour | view |
|---|---|---|---|
{sample_rows}

![One sample for each class (rows in pairs) and view](samples.png)

## Limits

The models know nothing but the toybox: another word falls apart into bytes and is read as noise. A pattern cannot be
seen from every side, and views near the border of two words can be called by either; both lower the scores above.
{limits}
"""

HISTORY = (
    "Exceptions to one unbroken run: the autoencoder's schedule was laid out for 7,500 steps until step 6,000; the CLIP"
    " had no attribute loss in its first 500 steps; the U-Net was trained in two rounds, each with a warm-up and a fall"
    " of the rate, and the lengths of both were shortened on the way, as was that of the image towers."
)


def log(works: tuple[Path, ...], name: str) -> list[dict]:
    """The records of a stage, of all rounds, one after another."""
    rows: list[dict] = []
    for file in (w / name / "log.jsonl" for w in works if (w / name / "log.jsonl").exists()):
        before = rows[-1]["step"] if rows else 0
        found = [json.loads(line) for line in file.read_text().splitlines()]
        rows += [row | {"step": before + row["step"]} for row in found]
    if not rows:
        raise SystemExit(f"no log of '{name}' in {', '.join(map(str, works))}; is it the folder of a training?")
    return rows


def curves(works: tuple[Path, ...]) -> Figure:
    """Training curves of all stages from their logs; a dotted line where another stage or round begins."""
    style.use()
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axis, (title, (names, key)) in zip(figure.subplots(1, len(STAGES)), STAGES.items()):
        done, steps, values = 0, [], []
        rounds = works[-1:] if names == ("front",) else works  # that one starts from the U-Net of its own round
        for part in [log((w,), name) for name in names for w in rounds if (w / name / "log.jsonl").exists()]:
            if done:
                axis.axvline(done, color=style.INK, linestyle=":", linewidth=0.8)
            steps += [done + row["step"] for row in part]
            values += [row[key] for row in part]
            done = steps[-1]
        axis.plot(steps, values)
        axis.set(title=title, xlabel="step", ylabel=key)
    return figure


def percent(row: dict, columns: tuple[str, ...]) -> str:
    """Cells of a table's row."""
    return " | ".join(f"{row[c]:.1%}" for c in columns)


def millions(folder: Path) -> str:
    """Parameters of all weights below a folder: half precision has two bytes each."""
    return f"{sum(p.stat().st_size for p in folder.rglob('*.safetensors')) / 2e6:.1f} M"


def card(scores: dict, works: tuple[Path, ...]) -> str:
    """The page, with its figures filled in."""
    columns, drawn = ("class", "colour", "pattern", "shape", "view"), scores["samples"]

    def steps(name: str) -> str:
        return f"{log(works, name)[-1]['step']:,}"

    return CARD.format(
        pipeline=millions(MODELS / "tiny"),
        clip_size=millions(MODELS / "clip"),
        pixels=millions(MODELS / "pixels"),
        autoencoder=steps("autoencoder"),
        clip=steps("clip"),
        clip_image=steps("clip-image"),
        judge=steps("judge"),
        judge_image=steps("judge-image"),
        unet=steps("unet"),
        front=log(works[-1:], "front")[-1]["step"],
        history=HISTORY,
        rows="\n".join(f"| `{name}` | {percent(scores[name], columns)} |" for name in ("clip", "judge")),
        psnr=scores["autoencoder"]["psnr dB"],
        nothing=", ".join(f"{name} {value:.1%}" for name, value in scores["judge calls nothing"].items()),
        pictures=drawn["tiny"]["pictures"],
        s=drawn["guidance s"],
        g=drawn["guidance g of diffusers"],
        steps=drawn["steps"],
        sample_rows="\n".join(f"| `{n}` | {percent(drawn[n], columns[:2] + columns[4:])} |" for n in PIPELINES),
        limits="Of the samples, fronts and backs are taken for each other most often.",
    )


def main() -> None:
    """Write `README.md`, `training.png` and `samples.png` beside the models."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work"))
    parser.add_argument("--further", type=Path, help="folder of a second round of training")
    a = parser.parse_args()
    works = (a.work, a.further) if a.further else (a.work,)
    curves(works).savefig(MODELS / "training.png", dpi=110)
    pictures = samples(MODELS / "tiny", sample_labels(1)).permute(0, 2, 3, 1) / 2 + 0.5
    write_picture(contact_sheet(pictures, columns=8), MODELS / "samples.png")
    write_bytes(MODELS / "README.md", card(json.loads((MODELS / "scores.json").read_text()), works).encode())


if __name__ == "__main__":
    main()
