"""The film on the book's first page: a red castle from the grey ball to its end, while the camera walks around it.

`python -m experiments.beginning` writes book/_static/gallery/beginning.webp in about a minute on one core. It is the
usual recipe with seed 0, the castle of the gallery: fifty moments of its thousand steps, then one turn in its colours.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.graph import quicken
from dreamtext_lib.distillation.prior import load_prior
from dreamtext_lib.profile import profile
from dreamtext_lib.radiance.cameras import turntable
from dreamtext_lib.viewing.film import write_webp
from dreamtext_lib.viewing.pictures import pixels
from dreamtext_lib.zoo import resolve

PROMPT, SEED, PLACE = "a red castle", 0, Path("book/_static/gallery/beginning.webp")
MOMENTS, TURN, SIDE, FPS = 50, 40, 224, 10  # frames of the dream and of the turn after it, pixels, frames a second


def titled(frame: torch.Tensor, title: str) -> np.ndarray:
    """A picture (H, W, 3) in 0..1 at the film's size, with a line of text in its corner: (SIDE, SIDE, 3) in 0..1."""
    picture = Image.fromarray(pixels(frame[None])[0]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    ImageDraw.Draw(picture).text((8, 6), title, fill=(60, 60, 60), font=ImageFont.load_default(16))
    return np.asarray(picture) / np.float32(255)


def main() -> None:
    """Dream, and look at it on the way."""
    chosen = profile()
    recipe = next(iter(chosen.recipes.values()))
    torch.set_num_threads(1)  # as `dreamtext dream` has it
    prior = load_prior(resolve(chosen.model), chosen.device, chosen.dtype)
    quicken(prior)
    dream = Dream(PROMPT, prior, recipe, SEED, chosen.model)
    # early steps change more than late ones: moments lie closer in the beginning
    moments = sorted({round(recipe.steps * (i / (MOMENTS - 1)) ** 1.5) for i in range(MOMENTS)})
    cameras = turntable(len(moments))
    frames = [titled(dream.pictures(cameras[:1])[0], "step 0")]
    for record in tqdm(dream.run(), total=recipe.steps):
        if record.step in moments:
            place = moments.index(record.step)
            frames.append(titled(dream.pictures(cameras[place : place + 1])[0], f"step {record.step}"))
    turn = dream.colours().pictures(turntable(TURN), SIDE)
    after = [titled(frame, "in its colours") for frame in turn]
    # the end comes first, where the turn has led back to it: it is what stands still on paper
    write_webp(np.stack([after[0], *frames, *after]), PLACE, FPS)
    print(f"{PLACE}: {len(frames) + TURN + 1} frames, {PLACE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
