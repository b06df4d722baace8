"""Train the whole zoo: data, autoencoder, CLIP, two U-Nets, judge, export, scores.

`python -m dreamtext_lib.zoo.make --work DIR` goes on where it was stopped: every stage resumes from its checkpoint.
Some hours on two cores; on a CUDA GPU where there is one. `--scale 0.001 --work TRIAL --models TRIAL/models` shortens
every stage and data set alike, to try the whole path beside the real one.

`--start MODELS` trains models further instead of beginning with noise. `--only STAGE ...` trains just these stages, and
takes all others from the work folder if they were trained there, from MODELS if not: on two cores, two stages that do
not stand on each other, such as autoencoder and clip, are fastest side by side on one thread each.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from tqdm import tqdm
from transformers import CLIPModel, CLIPTokenizer

from ..files import read_tensors, write_tensors
from ..toybox.dataset import BATCH, Dataset, batches, gather, read, write
from . import MODELS, PIPELINES, architectures, train_autoencoder, train_clip, train_unet
from .export import export_clip, export_pipeline, restore, text_encoder
from .scores import write_scores
from .training import Stage, train
from .zeroshot import ZeroShot

SEEDS = {"train": 0, "held": 1_000_001, "judge": 2_000_003, "front": 3_000_005}
FRONT_BIAS = 0.85  # share of fronts in the data of the second U-Net
STAGES = ("autoencoder", "clip", "clip-image", "judge", "judge-image", "unet", "front", "export")


@dataclass(frozen=True)
class Budget:
    """Pictures in each data set, steps of each stage."""

    train: int = 71_680
    held: int = 3_584
    judge: int = 43_008
    front: int = 14_336
    autoencoder_steps: int = 9_000
    clip_steps: int = 2_600
    clip_image_steps: int = 4_000
    unet_steps: int = 20_000
    front_steps: int = 1_000
    judge_steps: int = 2_400
    judge_image_steps: int = 4_200

    def scaled(self, factor: float) -> "Budget":
        """The same with every number multiplied, at least one batch or step of each."""
        values = {f.name: getattr(self, f.name) * factor for f in fields(self)}
        return Budget(**{k: max(int(v), 2 if k.endswith("steps") else 224) for k, v in values.items()})

    def steps(self, stage: str) -> int:
        """Steps of the stage of that name."""
        return getattr(self, f"{stage.replace('-', '_')}_steps")


# steps of a round that starts from trained models
FURTHER = Budget(
    autoencoder_steps=5_000,
    clip_steps=1_600,
    clip_image_steps=2_400,
    unet_steps=9_000,
    front_steps=600,
    judge_steps=1_200,
    judge_image_steps=2_400,
)


def check_count(path: Path, found: int, count: int) -> None:
    """Raise ValueError unless the file holds as many pictures as are asked for."""
    if found != count:
        told = f"'{path}' holds {found:,} pictures, not {count:,}"
        raise ValueError(f"{told}; name another --work, or delete the file and the checkpoints beside it")


def data(work: Path, name: str, count: int) -> Dataset:
    """The data set `name`, rendered if it is not there yet, on a GPU where there is one.

    Raises ValueError if one of another size is there.
    """
    path = work / f"{name}.safetensors"
    if not path.exists():
        bias = FRONT_BIAS if name == "front" else 0.0
        device = "cuda" if torch.cuda.is_available() else "cpu"
        parts = batches(count, seed=SEEDS[name], size=architectures.PIXELS, front_bias=bias, device=device)
        write(gather(tqdm(parts, total=-(-count // BATCH), desc=f"render {name}", unit="batch"), count), path)
    found = read(path)
    check_count(path, len(found), count)
    return found


def encoded(path: Path, vae: AutoencoderKL, pictures: Dataset) -> Tensor:
    """The latents of a data set, encoded if they are not there yet. Raises ValueError if those there are of another."""
    if not path.exists():
        write_tensors(path, {"latents": train_autoencoder.latents(vae, pictures)})
    latents = read_tensors(path)[0]["latents"]
    check_count(path, len(latents), len(pictures))
    return latents


def run(stage: Stage, steps: int, folder: Path, seed: int = 0) -> Path:
    """Train a stage to its end with a bar, unless it is there; returns its checkpoint."""
    with tqdm(total=steps, desc=folder.name, unit="step") as bar:
        for record in train(stage, steps, folder, seed):
            bar.update(record["step"] - bar.n)
            bar.set_postfix(loss=f"{record['loss']:.3f}")
    return folder / "checkpoint.safetensors"


@dataclass(frozen=True)
class Zoo:
    """One round of training: where its data and checkpoints are, what it starts from, which stages it trains."""

    work: Path
    budget: Budget
    start: Path | None = None
    only: Sequence[str] = STAGES
    device: str = "cpu"

    def begun_unet(self, name: str) -> UNet2DConditionModel:
        """The U-Net of that stage as it is in the models that this round starts from."""
        folder = self.start / ("tiny" if name == "unet" else "tiny-front")
        return UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)

    def trained(self, name: str, stage: Stage, part: str, seed: int = 0) -> nn.Module:
        """The part of a stage after its training: done now if it is asked for, else as its checkpoint has it, if any.

        A stage that is neither asked for nor there leaves the module as it is.
        """
        checkpoint = self.work / name / "checkpoint.safetensors"
        if name in self.only:
            run(stage, self.budget.steps(name), self.work / name, seed)
        if checkpoint.exists():
            restore(stage.modules[part], checkpoint, part)
        return stage.modules[part].eval().requires_grad_(False)

    def autoencoder(self) -> AutoencoderKL:
        """The autoencoder, trained on the renders `train`."""
        vae = architectures.autoencoder()
        if self.start:
            vae = AutoencoderKL.from_pretrained(self.start / "tiny", subfolder="vae", torch_dtype=torch.float32)
        vae = vae.to(self.device)
        rate = 1e-3 if self.start else 2e-3
        stage = train_autoencoder.stage(vae.train(), data(self.work, "train", self.budget.train), rate)
        return self.trained("autoencoder", stage, "smooth")

    def clip(self, name: str = "clip") -> tuple[CLIPModel, CLIPTokenizer]:
        """The CLIP of that name, or the judge: both towers together, then the image tower alone."""
        judge = name == "judge"
        tokenizer = architectures.tokenizer(self.work / "tokenizer")
        model = architectures.clip(tokenizer)
        if self.start:
            old = ZeroShot.load(self.start / name)
            architectures.transplant(old.model, old.tokenizer, model, tokenizer)
        pictures = data(self.work, name if judge else "train", self.budget.judge if judge else self.budget.train)
        for part, text in ((name, True), (f"{name}-image", False)):
            model = model.to(self.device).train().requires_grad_(True)
            stage = train_clip.stage(model, tokenizer, pictures, 6e-4 if self.start else 1e-3, judge=judge, text=text)
            model = self.trained(part, stage, "model", seed=7 if judge else 0)
        return model.eval().requires_grad_(False), tokenizer

    def unets(
        self, vae: AutoencoderKL, clip: CLIPModel, tokenizer: CLIPTokenizer
    ) -> tuple[UNet2DConditionModel, UNet2DConditionModel, float]:
        """The U-Net, the one further trained on fronts, and the factor that gives latents a deviation of 1."""
        encoder, scheduler = text_encoder(clip).to(self.device), architectures.scheduler()
        unet = (self.begun_unet("unet") if self.start else architectures.unet()).to(self.device)
        encoder_is_new = self.start is None or (self.work / "autoencoder").exists()
        scaling, made = 0.0 if encoder_is_new else vae.config.scaling_factor, []
        for name, source, rate, sides in (
            ("unet", "train", 7e-4 if self.start else 1e-3, train_unet.SIDES),
            ("front", "front", 5e-4, None),
        ):
            if self.start and name not in self.only and not (self.work / name).exists():
                made.append(self.begun_unet(name))
                continue
            pictures = data(self.work, source, getattr(self.budget, source))
            latents = encoded(self.work / f"latents-{name}.safetensors", vae, pictures).float()
            scaling = scaling or 1 / latents.std().item()
            latents = (latents * scaling).half()
            stage = train_unet.stage(unet.train(), encoder, tokenizer, scheduler, pictures, latents, rate, sides=sides)
            made.append(self.trained(name, stage, "smooth", seed=11 if self.start else 0))
            unet = deepcopy(made[0]).requires_grad_(True)  # the second one starts from the first
        return *made, scaling

    def export(self, models: Path, each: int = 4) -> None:
        """Write all models to a folder and score them there; `each`: samples scored for each class and view."""
        vae, (clip, tokenizer), (judge, _) = self.autoencoder(), self.clip(), self.clip("judge")
        *unets, scaling = self.unets(vae, clip, tokenizer)
        vae.register_to_config(scaling_factor=scaling)
        for folder, unet in zip(PIPELINES, unets):
            export_pipeline(vae, unet, clip, tokenizer, models / folder)
        export_clip(clip, tokenizer, models / "clip")
        export_clip(judge, tokenizer, models / "judge")
        write_scores(models, data(self.work, "held", self.budget.held), each)

    def make(self, models: Path, each: int = 4) -> None:
        """The stages asked for, in order; each result stands in `work` before the next begins."""
        torch.manual_seed(0)
        if "autoencoder" in self.only:
            self.autoencoder()
        for name in ("clip", "judge"):
            if {name, f"{name}-image"} & set(self.only):
                self.clip(name)
        if {"unet", "front"} & set(self.only):
            self.unets(self.autoencoder(), *self.clip())
        if "export" in self.only:
            Zoo(self.work, self.budget, self.start, (), "cpu").export(models, each)


def main() -> None:
    """The command line of this module."""
    parser = ArgumentParser(description="Train the zoo from nothing or further, or go on where it was stopped.")
    parser.add_argument("--work", type=Path, help="folder of data and checkpoints (default: zoo-work)")
    parser.add_argument("--models", type=Path, help="folder that takes the trained models (default: the package's)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all budgets")
    parser.add_argument("--start", type=Path, help="folder of models to train further; without it all begin as noise")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES, metavar="STAGE", help=", ".join(STAGES))
    a = parser.parse_args()
    if not a.scale > 0:
        parser.error(f"--scale is {a.scale}; it must be above 0")
    if a.scale != 1 and not (a.work and a.models):
        parser.error(
            f"--scale is {a.scale}: name --work and --models too, or a trial would take the place of the models"
        )
    if a.start and not (a.start / "tiny" / "model_index.json").exists():
        parser.error(f"--start: there are no models in '{a.start}'; give a folder that holds tiny, clip and judge")
    budget = (FURTHER if a.start else Budget()).scaled(a.scale)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    Zoo(a.work or Path("zoo-work"), budget, a.start, a.only, device).make(a.models or MODELS)


if __name__ == "__main__":
    main()
