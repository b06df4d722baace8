"""Can words hold what a sentence cannot? Three token rows, learned from one picture of a thing that no word describes.

`python -m experiments.words_hold --model tiny` takes about two minutes a thing on one thread. The rows of three words
in 'an image of a blue, green, plain mug' are moved so that the frozen U-Net predicts the noise in the picture better
(5.2), at noise steps from `--lowest` on. Then eight samples, one for each eighth of a turn, are drawn with the moved
words and, for comparison, with the words as they were. The measure is fixed beforehand: how far the samples' mean
colour, away from the wall, is from the object's own over the same eight sides, as the mean of the three channels. The
table and the sheet go beside the models, where `experiments.model_card` takes them up.
"""

import time
from argparse import ArgumentParser
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamtext_lib.diffusion.forward import add_noise
from dreamtext_lib.distillation.prior import LatentPrior, load_prior
from dreamtext_lib.files import write_json
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.toybox.objects import ToyObject
from dreamtext_lib.toybox.render import render, studio
from dreamtext_lib.viewing.pictures import contact_sheet, write_picture
from dreamtext_lib.zoo import MODELS, resolve
from dreamtext_lib.zoo.train_unet import encode_text, sample

THINGS = {
    "pink castle": (ToyObject("castle", (0.95, 0.60, 0.72), scale=(0.9, 0.9, 1.1)), "red, white, plain"),
    "teal mug": (ToyObject("mug", (0.05, 0.60, 0.62)), "blue, green, plain"),
    "brown teddy": (ToyObject("teddy", (0.45, 0.30, 0.10), scale=(0.85, 0.85, 1.1)), "orange, black, plain"),
    "lime bird": (ToyObject("bird", (0.65, 0.90, 0.15)), "yellow, green, plain"),
    "magenta cactus": (ToyObject("cactus", (0.80, 0.10, 0.60)), "red, purple, plain"),
    "coral teapot": (ToyObject("teapot", (0.95, 0.50, 0.42)), "orange, red, plain"),
}
BATCH, RATE, GUIDANCE, SEED = 4, 1e-2, 5.0, 0
MARK = 0.05  # a colour is held if it is nearer than this to the thing's own


def augmented(picture: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The picture (3, S, S), mirrored, turned by up to 10 degrees, scaled by up to 15 %, shifted: (count, 3, S, S)."""

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle, size, flip = between(-0.175, 0.175), 1 / between(0.85, 1.15), between(-1, 1).sign()
    rows = torch.stack(
        [
            torch.stack([flip * angle.cos() * size, -angle.sin() * size, between(-0.1, 0.1)], -1),
            torch.stack([flip * angle.sin() * size, angle.cos() * size, between(-0.1, 0.1)], -1),
        ],
        1,
    )  # (count, 2, 3)
    x = (picture - 0.9).expand(count, *picture.shape)  # the wall is 0, which fills what comes into sight
    return F.grid_sample(x, F.affine_grid(rows, x.shape, align_corners=False), align_corners=False) + 0.9


def learn(prior: LatentPrior, picture: Tensor, sentence: str, words: str, steps: int, lowest: int) -> float:
    """Move the rows of the words in place; returns the seconds that it took."""
    table = prior.text_encoder.get_input_embeddings().weight
    rows = [prior.tokenizer(word).input_ids[1:-1] for word in words.split(", ")]
    assert all(len(row) == 1 for row in rows), "a word of the toybox is one token"
    ids = torch.tensor([row[0] for row in rows])
    moved = table.data[ids].clone().requires_grad_(True)
    generator, begin = torch.Generator().manual_seed(SEED), time.time()
    optimiser, frozen = torch.optim.Adam([moved], lr=RATE), table.data.clone()
    for _ in range(steps):
        with torch.no_grad():
            z = prior.encode_image(augmented(picture, BATCH, generator))
        t = torch.randint(lowest, 1000, (BATCH,), generator=generator)
        eps = torch.randn(z.shape, generator=generator)
        states = with_table(prior, sentence, frozen.index_copy(0, ids, moved))
        error = prior.eps(add_noise(z, eps, prior.alpha_bar[t]), t, states.expand(BATCH, -1, -1)) - eps
        optimiser.zero_grad()
        error.square().mean().backward()  # (5.2)
        optimiser.step()
    table.data[ids] = moved.detach()
    return time.time() - begin


def with_table(prior: LatentPrior, sentence: str, table: Tensor) -> Tensor:
    """Text states (1, L, C) of a sentence, read with another table of token rows; differentiable in the table."""
    name = next(n for n, p in prior.text_encoder.named_parameters() if n.endswith("token_embedding.weight"))
    limit = prior.tokenizer.model_max_length
    ids = prior.tokenizer([sentence], padding="max_length", max_length=limit, return_tensors="pt").input_ids
    return torch.func.functional_call(prior.text_encoder, {name: table}, kwargs={"input_ids": ids}).last_hidden_state


def mean_colour(pictures: Tensor) -> Tensor:
    """Mean colour (3,) of all that differs from its picture's wall, of pictures (N, 3, S, S) in 0..1."""
    wall = torch.cat([pictures[:, :, 0], pictures[:, :, -1]], -1).median(-1).values  # (N, 3)
    away = (pictures - wall[..., None, None]).abs().amax(1) > 0.08  # (N, S, S)
    return pictures.permute(0, 2, 3, 1)[away].mean(0)


def try_thing(model: str, name: str, steps: int, lowest: int) -> tuple[dict, list[Tensor]]:
    """One thing: the errors of its colour with the words before and after, and the three rows of pictures."""
    thing, words = THINGS[name]
    prior, cameras = load_prior(resolve(model)), turntable(8)
    truth = render([thing] * 8, cameras, prior.pixels, studio(cameras)).rgb.permute(0, 3, 1, 2)
    at = turntable(12)
    picture = render([thing] * 12, at, prior.pixels, studio(at)).rgb[1].permute(2, 0, 1)  # 30 degrees from the front
    sentence = f"an image of a{'n' if words[0] in 'aeiou' else ''} {words} {thing.name}"

    def drawn() -> Tensor:
        text = encode_text(prior.text_encoder, prior.tokenizer, [f"{sentence}, {word} view" for word in cameras.words])
        empty = encode_text(prior.text_encoder, prior.tokenizer, [""])
        return sample(prior.unet, prior.vae, prior.pipeline.scheduler, text, empty, GUIDANCE, 25, SEED + 1) / 2 + 0.5

    before = drawn()
    seconds = learn(prior, picture, sentence, words, steps, lowest)
    after = drawn()
    errors = [(mean_colour(x) - mean_colour(truth)).abs().mean().item() for x in (before, after)]
    row = {
        "thing": name,
        "sentence": sentence,
        "plain words": round(errors[0], 4),
        "learned words": round(errors[1], 4),
    }
    return row | {"seconds": round(seconds, 1)}, [truth, before, after]


def main() -> None:
    """Write a table and a sheet: for each thing a row of truth, of plain words, of learned words."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--lowest", type=int, default=400, help="lowest noise step, of 1000")
    parser.add_argument("--out", type=Path, default=MODELS)
    a = parser.parse_args()
    table, pictures = [], []
    for name in THINGS:
        row, seen = try_thing(a.model, name, a.steps, a.lowest)
        table.append(row)
        pictures += [x.permute(0, 2, 3, 1) for x in seen]
        print(row, flush=True)
    write_json(a.out / "words_hold.json", {"model": a.model, "steps": a.steps, "lowest t": a.lowest, "things": table})
    write_picture(contact_sheet(torch.cat(pictures), columns=8), a.out / "words_hold.webp")


if __name__ == "__main__":
    main()
