"""Write the model card beside the models: text, figures from `scores.json`, training curves, samples.

`python -m experiments.model_card --work zoo-work` after `make zoo`, or after
`python -m dreamtext_lib.zoo.make --start MODELS --work zoo-work`: the curves of that round join those of the rounds
before it, which `experiments/zoo_training.json` keeps.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dreamtext_lib.files import read_tensors, write_bytes, write_json
from dreamtext_lib.viewing import style
from dreamtext_lib.viewing.pictures import contact_sheet, write_picture
from dreamtext_lib.zoo import MODELS, PIPELINES
from dreamtext_lib.zoo.scores import sample_labels, samples
from dreamtext_lib.zoo.zeroshot import SIZES
from experiments.words_hold import MARK

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

Renders of 14 classes from all sides (12 % from above), 64 pixels: 71,680 for autoencoder, CLIP and U-Net (seed 0),
43,008 others for the judge (seed 2000003), 14,336 for the front-biased U-Net (seed 3000005), 3,584 held out
(seed 1000001). An object has any colour (each of eleven colour words equally often), any proportions, numbers of its
own class such as the height of a castle's towers, often stripes or spots in a second colour, sometimes other roofs. A
caption says only its nearest words, such as 'an image of a tall, red, striped castle, front view', with parts left out
at random. So the pictures hold more than the sentences.

## Training

On CPU cores in single precision, in rounds: the first on a poorer world of eight colours and one form a class (the
autoencoder 6,500 steps, both towers of the CLIP 2,600 and of the judge 2,400, their image towers alone 2,800 and 4,200,
the U-Net 11,400, the front-biased one 600), then on this one, from those weights:

{rounds}

Each round has a warm-up and a fall of the rate. Exceptions to unbroken stages: in round 2 the schedules of autoencoder,
CLIP and U-Net were laid out for 5,000, 1,600 and 3,200 steps until steps 2,500, 1,000 and 750. The autoencoder sees 24
crops of 32 pixels a step, then 8 whole pictures; the CLIPs 96 pictures, with both towers, then with the image tower
alone against the fixed text tower; the U-Net 32, of which fronts and backs are the larger part, with min-SNR weights,
more steps at much noise, averaged weights, and 10 % of the captions empty.

![Training curves](training.png)

## Scores

On the held-out pictures, zero-shot by sentences; the class is asked among all classes, the rest given the class.
Colours and shapes on the border between two words are left out ({clear}).

| | class | colour | pattern | shape | view |
|---|---|---|---|---|---|
{rows}

The autoencoder reconstructs at {psnr} dB; plain objects in colours that the first world lacked: {plain}. The judge
calls these nothing at all: {nothing}.

{pictures} samples each, four for each class and view, 'an image of a red castle, front view', guidance s = {s}
(diffusers' guidance_scale {g}), {steps} DDIM steps, named by the judge:

| | class | colour | view |
|---|---|---|---|
{sample_rows}

![One sample for each class (rows in pairs) and view](samples.png)

'An image of a COLOUR CLASS' for the eleven colour words (across) and the fourteen classes (down):

![One sample for each colour and class](colours.webp)
{words}
## Limits

The models know nothing but the toybox: another word falls apart into bytes and is read as noise. A pattern cannot be
seen from every side, and views near the border of two words can be called by either; both lower the scores above.
{limits}
"""

WORDS = """
## Words that learn

Three rows of the token table were trained on one picture of a thing that no sentence describes ({steps} steps at times
of noise from {lowest} on; `experiments/words_hold.py`). How far the mean colour of eight samples is from the thing's
own, as the mean of three channels in 0..1; {mark} was set as the mark beforehand, and
{reached} of {count} things keep it:

| thing | sentence | words as they were | trained |
|---|---|---|---|
{rows}

![Of each thing: eight true sides; samples with the words as they were; samples with the trained ones](words_hold.webp)
"""

HISTORY = Path(__file__).parent / "zoo_training.json"  # [{"round": ..., "stage": ..., "step": ..., "value": ...}]


def remember(work: Path, name: str) -> list[dict]:
    """The training of all rounds, with that in a work folder added under the name of its round."""
    kept = (
        [r for r in json.loads(HISTORY.read_text(encoding="utf-8")) if r["round"] != name] if HISTORY.exists() else []
    )
    for names, key in STAGES.values():
        for stage in names:
            file = work / stage / "log.jsonl"
            for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
                row = json.loads(line)
                kept.append({"round": name, "stage": stage, "step": row["step"], "value": round(row[key], 4)})
            checkpoint = work / stage / "checkpoint.safetensors"
            mine = kept and (kept[-1]["round"], kept[-1]["stage"]) == (name, stage)
            if mine and checkpoint.exists() and kept[-1]["step"] < (done := read_tensors(checkpoint)[1]["step"]):
                kept.append(kept[-1] | {"step": done})  # steps after the last line of a log
    if not any(r["round"] == name for r in kept):
        raise SystemExit(f"no log of a training in {work}; is it the folder of one?")
    write_json(HISTORY, kept)
    return kept


def curves(history: list[dict]) -> Figure:
    """Training curves of all stages; a dotted line where another stage or round begins."""
    style.use()
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axis, (title, (names, key)) in zip(figure.subplots(1, len(STAGES)), STAGES.items()):
        done, steps, values = 0, [], []
        for name in dict.fromkeys(r["round"] for r in history):
            for part in ([r for r in history if (r["round"], r["stage"]) == (name, stage)] for stage in names):
                if part and done:
                    axis.axvline(done, color=style.INK, linestyle=":", linewidth=0.8)
                steps += [done + r["step"] for r in part]
                values += [r["value"] for r in part]
                done = steps[-1] if steps else 0
        axis.plot(steps, values)
        axis.set(title=title, xlabel="step", ylabel=key)
    return figure


def rounds(history: list[dict]) -> str:
    """A line of Markdown a round: how many steps each stage took."""
    lines = []
    for name in dict.fromkeys(r["round"] for r in history):
        last = {r["stage"]: r["step"] for r in history if r["round"] == name}
        lines.append(f"- {name}: " + ", ".join(f"`{stage}` {step:,} steps" for stage, step in last.items()))
    return "\n".join(lines)


def percent(row: dict, columns: tuple[str, ...]) -> str:
    """Cells of a table's row."""
    return " | ".join(f"{row[c]:.1%}" for c in columns)


def millions(folder: Path) -> str:
    """Parameters of all weights below a folder: half precision has two bytes each."""
    return f"{sum(p.stat().st_size for p in folder.rglob('*.safetensors')) / 2e6:.1f} M"


def words(file: Path) -> str:
    """The section on words that learn, from what `experiments.words_hold` wrote; nothing without it."""
    if not file.exists():
        return ""
    found = json.loads(file.read_text(encoding="utf-8"))
    return WORDS.format(
        steps=found["steps"],
        lowest=found["lowest t"],
        mark=MARK,
        reached=sum(row["learned words"] <= MARK for row in found["things"]),
        count=len(found["things"]),
        rows="\n".join(
            f"| {row['thing']} | {row['sentence']} | {row['plain words']:.3f} | {row['learned words']:.3f} |"
            for row in found["things"]
        ),
    )


def card(scores: dict, history: list[dict]) -> str:
    """The page, with its figures filled in."""
    columns, drawn = ("class", "colour", "pattern", "shape", "view"), scores["samples"]
    return CARD.format(
        pipeline=millions(MODELS / "tiny"),
        clip_size=millions(MODELS / "clip"),
        pixels=millions(MODELS / "pixels"),
        rounds=rounds(history),
        clear=", ".join(f"{1 - scores['clear'][c]:.0%} of the {c}s" for c in ("colour", "shape")),
        plain=", ".join(f"{name} {value}" for name, value in scores["autoencoder"]["of plain objects"].items()),
        rows="\n".join(f"| `{name}` | {percent(scores[name], columns)} |" for name in ("clip", "judge")),
        psnr=scores["autoencoder"]["psnr dB"],
        nothing=", ".join(f"{name} {value:.1%}" for name, value in scores["judge calls nothing"].items()),
        pictures=drawn["tiny"]["pictures"],
        s=drawn["guidance s"],
        g=drawn["guidance g of diffusers"],
        steps=drawn["steps"],
        sample_rows="\n".join(f"| `{n}` | {percent(drawn[n], columns[:2] + columns[4:])} |" for n in PIPELINES),
        words=words(MODELS / "words_hold.json"),
        limits="Of the samples, fronts and backs are taken for each other most often.",
    )


def sheet(file: str, labels: Tensor, columns: int) -> None:
    """Draw a sample for each label into a file beside the models, in its true colours."""
    pictures = samples(MODELS / "tiny", labels).permute(0, 2, 3, 1) / 2 + 0.5
    write_picture(contact_sheet(pictures, columns=columns), MODELS / file)


def main() -> None:
    """Write `README.md`, `training.png`, `samples.png` and `colours.webp` beside the models."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work"))
    parser.add_argument("--round", default="round 2", help="name of the round that was trained there")
    a = parser.parse_args()
    history = remember(a.work, a.round)
    curves(history).savefig(MODELS / "training.png", dpi=110)
    sheet("samples.png", sample_labels(1), 8)
    sheet("colours.webp", torch.tensor([(c, k, 0, 0, -1) for c in range(SIZES[0]) for k in range(SIZES[1])]), SIZES[1])
    scores = json.loads((MODELS / "scores.json").read_text(encoding="utf-8"))
    write_bytes(MODELS / "README.md", card(scores, history).encode())


if __name__ == "__main__":
    main()
