"""`dreamtext sample`: pictures of a prompt by the model's own sampler, on one sheet."""

import math
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..slugs import slug
from .models import add_model, note_strange_words, prior_of
from .names import RUNS, free, new_file, seed

MOST = 100  # pictures at once
STEPS = 1000  # of the schedule that every model here was trained with


def flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("prompt", help="what to draw, for example 'a red castle, front view'")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="pictures (default 8)")
    parser.add_argument("--guidance", type=float, default=4.0, metavar="X", help="s of (3.8) (default 4)")
    parser.add_argument("--steps", type=int, default=25, metavar="N", help="DDIM steps (default 25)")
    parser.add_argument("--out", type=Path, help="picture: .png, .jpg or .webp (default: runs/PROMPT-SEED.png)")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed of all randomness (default 0)")
    add_model(parser)


def run(a: Namespace) -> int:
    """Draw pictures with the model's pipeline and write one contact sheet."""
    from ..distillation.prompts import check_prompt
    from ..viewing.pictures import contact_sheet, picture_format, write_picture

    prompt = check_prompt(a.prompt)
    for name, most in (("count", MOST), ("steps", STEPS)):
        if not 1 <= getattr(a, name) <= most:
            raise ValueError(f"--{name} is {getattr(a, name)}; it must be a whole number in 1..{most}")
    if not math.isfinite(a.guidance):
        raise ValueError(f"--guidance is {a.guidance}; it must be a finite number")
    out = new_file(a.out or free(RUNS / f"{slug(prompt)}-{a.seed}.png"), "--out")
    picture_format(out)

    import numpy as np
    import torch

    prior, name = prior_of(a.model)
    prior.encode_text([prompt])  # a prompt that is too long fails here, before any work
    note_strange_words(prompt, name)
    pictures = prior.pipeline(
        [prompt] * a.count,
        guidance_scale=a.guidance + 1,  # diffusers' g
        num_inference_steps=a.steps,
        generator=torch.Generator(prior.device).manual_seed(a.seed),
        output_type="np",
    ).images
    if not np.isfinite(pictures).all():
        raise ValueError(f"--guidance {a.guidance:g} gives pictures of numbers that are not finite; take a smaller one")
    write_picture(contact_sheet(pictures, columns=min(a.count, 8), scale=max(128 // pictures.shape[1], 1)), out)
    print(f"{a.count} pictures, guidance s = {a.guidance:g} (diffusers' g = {a.guidance + 1:g}): {out}")
    return 0
