"""Recipes of dreams: every setting of a text-to-3D run as one value, and the named ones.

The loss of a step is a mean over the views of a batch of

    (gradient . z) / (c h w)  +  the terms of `Regular`, each a weight times a mean over rays or pixels.

So the score counts as a mean over the c h w entries of a latent, and a weight says how much a term's mean counts beside
that mean. Public codes, that of the thesis among them, add the score up over the entries: a weight of theirs is to be
divided by c h w here, and so is whatever their optimiser compares with a gradient (`eps`, `clip`). `PER_ENTRY` does it
for Stable Diffusion at 512 pixels.
"""

from dataclasses import dataclass, field
from math import log
from typing import Literal

from ..settings import (
    Angle,
    Count,
    Descent,
    Elevation,
    Grey,
    Grid,
    Number,
    Positive,
    Settings,
    Share,
    Time,
    Voxels,
    Weight,
    ordered,
)

Shape = Literal["constant", "falling", "cosine", "waves"]  # of a schedule: `distillation/schedules.py`
PER_ENTRY = 1 / (4 * 64 * 64)  # from what stands beside a sum over latents of 64 x 64 x 4 to what suits their mean


@dataclass(frozen=True)
class Score(Settings):
    """What the prior is asked (3.3, 5.1)."""

    arrow: Literal["sds", "csd", "sdi", "vsd", "perp-neg"] = "sds"  # which arrow: `distillation/gradients.py`
    guidance: Number = 10.0  # s of (3.8), eps(y) + s (eps(y) - eps(none)); diffusers' guidance_scale is s + 1
    t_min: Time = 20  # lowest time step, of 1000 (5.1.1)
    t_max: Time = 980  # highest time step, of 1000 (5.1.1)
    t_max_late: Time = 500  # highest time step from `late_from` on; = t_max keeps the range
    late_from: Share = 0.4  # share of the run after which t_max_late holds
    time_shape: Shape = "constant"  # constant: t is drawn from its range; else it goes from t_max to t_min so
    guidance_shape: Shape = "constant"  # how s of (3.8) goes from guidance to guidance_end
    guidance_end: Number = 0.0  # s of (3.8) in the end, unless its shape is constant
    waves: Count = 4  # how often a schedule of waves goes down and up again
    inversion_steps: Count = 10  # sdi: steps of DDIM that look for the noise
    inversion_guidance: Number = -8.5  # sdi: s of (3.8) meanwhile
    student_rate: Positive = 1e-4  # vsd: AdamW's step for the student
    perp_strength: Weight = 1.0  # perp-neg: how strongly it goes away from what the words of other views say alone
    negative: str = ""  # negative prompt: the text that stands for none in (3.8)

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("t_min", "t_max"), ("t_min", "t_max_late"))


@dataclass(frozen=True)
class Views(Settings):
    """The pictures that the prior is shown (6.1.4, 6.1.5)."""

    batch: Count = 1  # views a step
    size: Count = 64  # pixels a side (table 5.1)
    samples: Count = 40  # stratified samples a ray (3.12)
    view_words: bool = True  # whether the prompt ends in the word for the side that a view is seen from (6.1.7)
    front_share: Share = 0.0  # share of cameras from the front quarter alone; the others come from all around
    overhead_share: Share = 0.12  # share of cameras from overhead_min to overhead_max; the others come from below
    elevation_min: Elevation = -8.0  # degrees above the horizon
    elevation_max: Elevation = 45.0  # degrees above the horizon
    overhead_min: Elevation = 60.0  # degrees above the horizon
    overhead_max: Elevation = 88.0  # degrees above the horizon
    radius_min: Positive = 2.6  # distance of the camera, units of the world
    radius_max: Positive = 3.1  # distance of the camera, units of the world
    fov_min: Angle = 38.0  # vertical field of view, degrees
    fov_max: Angle = 44.0  # vertical field of view, degrees
    background_min: Grey = 0.75  # grey behind the object
    background_max: Grey = 1.0  # grey behind the object

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("elevation", "overhead", "radius", "fov", "background")
        ordered(self, *((f"{name}_min", f"{name}_max") for name in names))


@dataclass(frozen=True)
class Light(Settings):
    """How a view is shaded (6.1.4)."""

    albedo_until: Share = 0.3  # share of the run in which colours are never shaded
    albedo_share: Share = 0.5  # share of later steps with unshaded colours
    textureless_share: Share = 0.0  # share of later steps with a white, shaded surface; the rest is Lambertian
    ambient: Grey = 0.5  # light from everywhere; the rest comes from a lamp
    lamp_lift: Number = 0.8  # how far the lamp's mean place is above the camera, units of the world
    lamp_spread: Weight = 0.6  # standard deviation of the lamp's place, units of the world

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.albedo_share + self.textureless_share > 1:
            a, b = self.albedo_share, self.textureless_share
            raise ValueError(f"albedo_share {a} and textureless_share {b} together are more than 1")


@dataclass(frozen=True)
class Ball(Settings):
    """Where the object is, and the ball that it starts as (6.1)."""

    bound: Positive = 1.1  # radius of the ball that holds the object, units of the world
    blob_value: Number = 10.0  # v of (6.1), added to the density before its activation
    blob_radius: Positive = 0.5  # b of (6.1), units of the world
    noise: Weight = 0.0  # a field of colours starts with hash tables uniform in +- this (7.1); 0: in +- 1e-4


@dataclass(frozen=True)
class Regular(Settings):
    """Weights of what the score does not say; their unit is explained at the top of this file."""

    opacity_weight: Weight = 0.02  # of the mean of sqrt(opacity^2 + 0.01) (4.3.4)
    entropy_weight: Weight = 0.05  # of the mean entropy of opacity, in nats; rises linearly from 0 to this
    manifold_weight: Weight = 0.0  # of the mean squared gap between a view and its reconstruction (ours)
    orientation_weight: Weight = 0.0  # of the mean of A max(0, n . d)^2 in shaded views: surfaces face the camera
    photo_weight: Weight = 0.0  # of the mean squared gap to a photograph from its camera (RealFusion)
    mask_weight: Weight = 0.0  # of the mean squared gap between opacity and the photograph's outline (RealFusion)


@dataclass(frozen=True)
class Latents(Settings):
    """A field of latents, and its ending in colours (Metzer et al. 2023; `distillation/ending.py`)."""

    lattice: Count = 40  # points a side of the dense grid of latents
    rate_lattice: Positive = 5e-2  # Adam's step for its values
    ending_views: Count = 72  # views that are decoded in the end
    ending_steps: Count = 250  # steps in which a field of colours is fitted to them
    ending_rays: Count = 1024  # rays a step


@dataclass(frozen=True)
class Recipe(Settings):
    """The settings of one dream. The defaults are those of FitFusion in toy size."""

    steps: Count = 1000  # gradient steps; the thesis counts epochs of 100
    space: Literal["colours", "latents"] = "colours"  # what the field holds: see `Latents`
    score: Score = field(default_factory=Score)
    views: Views = field(default_factory=Views)
    light: Light = field(default_factory=Light)
    ball: Ball = field(default_factory=Ball)
    grid: Grid = field(default_factory=Grid)
    voxels: Voxels = field(default_factory=Voxels)
    descent: Descent = field(default_factory=Descent)
    regular: Regular = field(default_factory=Regular)
    latents: Latents = field(default_factory=Latents)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, lacks in (("manifold_weight", "pictures to encode"), ("orientation_weight", "shaded views")):
            if self.space == "latents" and (weight := getattr(self.regular, name)) > 0:
                raise ValueError(
                    f"{name} is {weight}, but a field of latents has no {lacks}; set it to 0, or space to 'colours'"
                )


TOY_BASE = Recipe().with_fields(size=32, guidance=5.0, steps=500)
# As table 5.1 has it, at the scale of the toy: larger pictures, more guidance, twice the steps.
TOY_FITFUSION = Recipe().with_fields(size=64, guidance=10.0, steps=1000)
# Latents first, colours in the end: the quick one. One ray a latent, so `size` is that of the tiny U-Net. Nothing holds
# latents to those of pictures, so less guidance is better: at 10 the roofs of castles turned into greens of no render.
TOY_LATENT = Recipe().with_fields(space="latents", size=16, guidance=5.0, steps=1000)
# One view is held near a photograph (`--photo`), and the noun should have learned it. Both weights were found on three
# images for development: experiments/sweeps/photo_weights.toml.
TOY_REALFUSION = TOY_LATENT.with_fields(photo_weight=1.0, mask_weight=1.0)

# The settings of the thesis' text, and those of its code where the text is silent. Not there: cameras that look up from
# below the horizon.
FULL_BASE = Recipe(
    steps=10_000,
    score=Score(guidance=100.0, t_max_late=980),
    views=Views(
        size=64,
        samples=128,
        radius_min=1.0,
        radius_max=1.5,
        fov_min=40.0,
        fov_max=70.0,
        background_min=0.0,
    ),
    light=Light(albedo_until=0.1, albedo_share=0.2, textureless_share=0.4, ambient=0.1, lamp_lift=0.0, lamp_spread=1.0),
    ball=Ball(bound=1.0),
    grid=Grid(levels=16, log2_table=19, coarsest=16, finest=2048),
    voxels=Voxels(voxels=128, threshold=0.1, decay=0.95),
    descent=Descent(
        optimiser="adan",
        rate_grid=5e-2,
        rate_net=5e-3,
        beta_1=0.98,
        beta_change=0.92,
        beta_2=0.99,
        eps=1e-8 * PER_ENTRY,  # the code's 1e-8 and 5, of gradients of a sum
        weight_decay=2e-5,
        clip=5.0 * PER_ENTRY,
    ),
    regular=Regular(
        opacity_weight=0.0,
        entropy_weight=1e-4 * PER_ENTRY / log(2),  # the code's 1e-4, of an entropy in bits beside a sum
        orientation_weight=1e-2 * PER_ENTRY,  # the code's 1e-2, beside a sum
    ),
)
FULL_FITFUSION = FULL_BASE.with_fields(guidance=1000.0, size=256, steps=20_000)
# The thesis counts 100 and 200 epochs. The code has 101 of 100 steps unless it is told otherwise, and the published
# command for FitFusion does not tell it, so its pictures had half of the steps that the text speaks of.
AS_RUN = 10_100

RECIPES = {  # by profile and name; the first is the usual one
    "toy": {
        "latent": TOY_LATENT,
        "fitfusion": TOY_FITFUSION,
        "stable-dreamfusion": TOY_BASE,
        "fitfusion-as-run": TOY_FITFUSION.with_fields(steps=AS_RUN // 20),
        "realfusion": TOY_REALFUSION,
    },
    "full": {
        "fitfusion": FULL_FITFUSION,
        "stable-dreamfusion": FULL_BASE,
        "fitfusion-as-run": FULL_FITFUSION.with_fields(steps=AS_RUN),
        "stable-dreamfusion-as-run": FULL_BASE.with_fields(steps=AS_RUN),
    },
}
