"""What the full profile costs on this GPU, measured with random weights in Stable Diffusion's shapes.

`python -m benchmarks.full --out full.json` downloads nothing: all networks have the shapes of Stable Diffusion 2.1-base
and random values, which cost the same time and memory as trained ones. It also asks whether half precision gives the
pixels the gradient that single precision gives, and whether a resumed run goes on as the first one did.
`--device cpu --model tiny --steps 2` tries the script itself.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch.nn.functional import cosine_similarity
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dreamtext_lib.distillation.dream import Dream, fresh
from dreamtext_lib.distillation.gradients import Arrow, Words, csd, sds
from dreamtext_lib.distillation.prior import LatentPrior, load_prior
from dreamtext_lib.distillation.score import backward, injected, weighted
from dreamtext_lib.files import write_json
from dreamtext_lib.profile import PROFILES
from dreamtext_lib.radiance.cameras import rays, turntable
from dreamtext_lib.radiance.rendering import render_rays
from dreamtext_lib.zoo import resolve
from dreamtext_lib.zoo.architectures import scheduler

PROMPT, WARM_UP, SEED = "a red castle", 5, 0
SHADES = {
    "albedo": {"albedo_share": 1.0, "textureless_share": 0.0},
    "lambertian": {"albedo_share": 0.0, "textureless_share": 0.0},
    "textureless": {"albedo_share": 0.0, "textureless_share": 1.0},
}


def random_prior(device: str, dtype: torch.dtype) -> LatentPrior:
    """Stable Diffusion 2.1-base's networks with random weights, and the tiny model's tokenizer at its length."""
    tokenizer = CLIPTokenizer.from_pretrained(Path(resolve("tiny")) / "tokenizer", model_max_length=77)
    torch.manual_seed(SEED)
    with torch.device(device):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        text = CLIPTextConfig(
            vocab_size=49408,
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=23,
            num_attention_heads=16,
            max_position_embeddings=77,
            hidden_act="gelu",
        )
        encoder = CLIPTextModel(text)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=encoder,
        tokenizer=tokenizer,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return LatentPrior(pipeline.to(device, dtype))


class Meter:
    """Seconds and gibibytes of a piece of work, on whichever device it runs."""

    def __init__(self, device: str):
        self.cuda = torch.device(device).type == "cuda"

    def __call__(self, work: Callable[[], object]) -> tuple[float, float | None]:
        """Seconds, and the peak of the memory that PyTorch held meanwhile (None on a CPU)."""
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        work()
        if self.cuda:
            torch.cuda.synchronize()
        gib = torch.cuda.max_memory_allocated() / 2**30 if self.cuda else None
        return time.perf_counter() - began, gib


def loop(prior: LatentPrior, name: str, steps: int, meter: Meter) -> dict:
    """Steps of a recipe of the full profile, each shading by itself: median seconds a step and the peak."""
    base = PROFILES["full"].recipes[name]
    found, size = {"size": base.views.size}, base.views.size
    for shade, shares in SHADES.items():
        recipe = base.with_fields(**shares)
        dream = Dream(PROMPT, prior, recipe, SEED)
        dream.step = recipe.steps // 2  # where each shading occurs
        walk = dream.run()
        for record in islice(walk, WARM_UP):
            assert record.shading == shade
        taken = [meter(lambda walk=walk: next(walk)) for _ in range(steps)]
        gib = None if taken[0][1] is None else round(max(g for _, g in taken), 2)
        found[shade] = {"seconds": round(statistics.median(s for s, _ in taken), 4), "gib": gib}
        print(f"{name}, {size} px, {shade}: {found[shade]}", flush=True)
    around = turntable(8)
    seconds, gib = meter(lambda: dream.volume.pictures(around, 256))
    found["turntable"] = {"seconds": round(seconds / 8, 3), "gib": gib and round(gib, 2)}
    print(f"{name}, a picture of a turntable, 256 px: {found['turntable']}", flush=True)
    return found


def picture_memory(prior: LatentPrior, size: int, meter: Meter) -> dict:
    """Peak of one training picture with gradient, all samples asked: whole, and in the library's pieces."""
    recipe, found = PROFILES["full"].recipes["fitfusion"], {}
    volume, camera = fresh(recipe, SEED, prior.device), turntable(1)
    origins, directions = (v[0].to(prior.device) for v in rays(camera.sized(size)))
    for name, chunk in (("pieces", None), ("whole", 1 << 40)):
        more = {} if chunk is None else {"chunk": chunk}
        generator = torch.Generator().manual_seed(SEED)

        def picture(generator: torch.Generator = generator, more: dict = more) -> None:
            rendered = render_rays(
                volume.field,
                None,
                origins,
                directions,
                samples=recipe.views.samples,
                radius=volume.radius,
                generator=generator,
                **more,
            )
            rendered.rgb.square().sum().backward()

        base = torch.cuda.memory_allocated() / 2**30 if meter.cuda else 0.0
        try:
            seconds, gib = meter(picture)
        except torch.OutOfMemoryError:
            seconds, gib = float("nan"), float("nan")
        volume.field.zero_grad(set_to_none=True)
        found[name] = {"seconds": round(seconds, 3), "gib": None if gib is None else round(gib - base, 2)}
        print(f"a picture of {size} px with gradient, {name}: {found[name]}", flush=True)
    return found


def pixel_gradients(priors: dict[str, LatentPrior], size: int, arrow: Arrow = sds, step: int = 500) -> dict:
    """Gradients of the loss at the pixels, in each precision, against those of the first."""
    found, first = {}, None
    g = torch.Generator().manual_seed(SEED)
    picture = torch.rand(1, 3, size, size, generator=g)
    for name, prior in priors.items():
        rgb = picture.to(prior.device).requires_grad_()
        latents = prior.encode_image(rgb)
        words, t = Words(*prior.encode_text([PROMPT, ""]).split(1)), torch.tensor([step], device=prior.device)
        towards = arrow(prior, latents.detach(), t, words, 100.0, torch.Generator().manual_seed(SEED))
        backward(injected(latents.float(), weighted(towards, prior.alpha_bar[t])), latents, [rgb])
        flat = rgb.grad.float().flatten()
        first = flat if first is None else first
        found[name] = {
            "cosine": round(cosine_similarity(flat, first, dim=0).item(), 5),
            "size": round((flat.norm() / first.norm()).item(), 4),
            "zeros": round((flat == 0).float().mean().item(), 5),
            "finite": bool(flat.isfinite().all()),
        }
        print(f"gradient at the pixels, {arrow.__name__} at {step}, {name}: {found[name]}", flush=True)
    return found


def resumed(prior: LatentPrior, steps: int) -> float:
    """Largest gap between the parameters of a run and of one that was saved in the middle and went on."""
    recipe = PROFILES["full"].recipes["stable-dreamfusion"]
    first, second = Dream(PROMPT, prior, recipe, SEED), Dream(PROMPT, prior, recipe, SEED)
    with tempfile.TemporaryDirectory() as folder:
        for record in islice(first.run(), 2 * steps):
            if record.step == steps:
                first.save(Path(folder))
        second.load(Path(folder))
        for _ in islice(second.run(), steps):
            pass
    both = (dream.volume.field.parameters() for dream in (first, second))
    gap = max((a - b).abs().max().item() for a, b in zip(*both))
    print(f"a resumed run differs from the first by at most {gap:.2g} in any parameter", flush=True)
    return gap


def main() -> None:
    """Measure, print, and keep what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="random", help="random: Stable Diffusion's shapes; or a model's name")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each recipe and shading")
    parser.add_argument("--size", type=int, default=256, help="side of the picture whose memory is measured")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    if torch.device(a.device).type == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device; --device cpu --model tiny --steps 2 tries the script itself")
    meter, priors = Meter(a.device), {}
    for name, dtype in (("float32", torch.float32), ("float16", torch.float16)):
        random = a.model == "random"
        priors[name] = random_prior(a.device, dtype) if random else load_prior(resolve(a.model), a.device, dtype)
    found = {"device": torch.cuda.get_device_name() if meter.cuda else "cpu", "torch": torch.__version__}
    found["optimiser"] = PROFILES["full"].recipes["fitfusion"].descent.optimiser
    print(found, flush=True)
    found["gradients"] = pixel_gradients(priors, a.size)
    for arrow, step in ((sds, 20), (csd, 500), (csd, 20)):  # smaller slopes
        found[f"gradients, {arrow.__name__} at {step}"] = pixel_gradients(priors, a.size, arrow, step)
    del priors["float32"]
    half = priors["float16"]
    found["weights"] = round(torch.cuda.memory_allocated() / 2**30, 2) if meter.cuda else None
    found["recipes"] = {name: loop(half, name, a.steps, meter) for name in PROFILES["full"].recipes}
    found["picture"] = picture_memory(half, a.size, meter)
    found["resume"] = resumed(half, 3)
    print(json.dumps(found))
    if a.out:
        write_json(a.out, found)


if __name__ == "__main__":
    main()
