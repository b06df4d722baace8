"""Recipes of learned words: every setting of a search and a training as one value, and the named ones."""

from dataclasses import dataclass, field
from typing import Literal

from ..settings import Count, Grey, Positive, Settings, Share, Time, Weight, Whole, ordered

Commas = Literal["between", "all", "none"]
Learns = Literal["descriptors", "noun", "embedding", "low-rank"]


@dataclass(frozen=True)
class Search(Settings):
    """How a sentence is looked for."""

    commas: Commas = "between"  # commas: between descriptors, as in the toybox; all, as the thesis; none, as its code
    article: Literal["fitting", "tried"] = "fitting"  # a or an: by the next word's first letter, or both tried and held
    nouns_describe: bool = True  # whether nouns may be descriptors too, as in the thesis' code
    longest: Count = 15  # words at most, the noun among them
    fewest: Count = 1  # descriptors at least: up to here the best is taken even if it brings the sentence no nearer
    swap: bool = False  # whether single descriptors are then replaced, as in the thesis' code


@dataclass(frozen=True)
class Augment(Settings):
    """What is done to copies of the image (6.1.9), in this order; a share of 0 switches one off."""

    mirror_share: Share = 0.5  # share of copies that are mirrored, left to right
    turn_share: Share = 0.9  # share that are turned; the wall's grey fills the corners
    turn_degrees: Weight = 10.0  # most that they are turned, either way
    blur_share: Share = 0.25  # share that are blurred by a Gaussian, cut off at 5 x 5 pixels
    blur_min: Positive = 0.1  # its least standard deviation, pixels
    blur_max: Positive = 2.0  # its largest, pixels
    crop_share: Share = 0.5  # share of which a random square is enlarged to the whole
    crop_side: Share = 0.8  # side of that square, as a share of the picture's
    grey_share: Share = 0.1  # share that lose their colours
    jitter_share: Share = 0.5  # share whose brightness, contrast, saturation and hue change
    jitter: Share = 0.1  # most that each of the four changes: as a share, the hue as a share of the full circle

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("blur_min", "blur_max"))
        if self.crop_side == 0:
            raise ValueError("crop_side is 0; a square of no size cannot be enlarged")


@dataclass(frozen=True)
class WordsRecipe(Settings):
    """The settings of one description: the search and the training (5.2, 6.1.10). The defaults are the tiny models'."""

    learns: Learns = "descriptors"  # what is trained: rows of descriptors, of the noun, the embedding, or the U-Net
    rank: Count = 4  # of the changes of the U-Net, where it learns
    steps: Count = 600  # gradient steps at most
    batch: Count = 4  # augmented copies of the image a step, each with a time and noise of its own
    rate: Positive = 1e-2  # Adam's step
    t_min: Time = 400  # lowest time step, of 1000: colours are settled at the high ones
    t_max: Time = 999  # highest time step, of 1000
    fit_weight: Weight = 1.0  # of (5.2), which draws the words to the image
    stay_weight: Weight = 1.0  # of (5.3), which holds them near the noun
    wall: Grey = 0.9  # grey behind the object
    look_every: Count = 150  # steps between looks: a checkpoint, samples, and whether the words still learn
    patience: Whole = 2  # looks in a row without a new least (5.2), on draws held fixed, after which it stops; 0: never
    search: Search = field(default_factory=lambda: Search(nouns_describe=False))
    augment: Augment = field(default_factory=lambda: Augment(blur_max=0.5, grey_share=0.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("t_min", "t_max"))
        if self.fit_weight == self.stay_weight == 0:
            raise ValueError("fit_weight and stay_weight are both 0, so nothing would move the words")


TOY = WordsRecipe()
# As the thesis has it (5.2.2, 6.1.9, 6.1.10): all times, white corners, one copy a step, no early stop;
# of the sentence the text's form, and not the code's.
THESIS = WordsRecipe(
    steps=10_000,
    batch=1,
    rate=3e-4,
    t_min=0,
    wall=1.0,
    look_every=500,
    patience=0,
    search=Search(commas="all"),
    augment=Augment(),
)

# As RealFusion has it: no descriptor, the noun itself learns.
NOUN = TOY.with_fields(learns="noun", longest=1)
# As DreamBooth has it, by low-rank changes: the network learns to draw what the sentence calls by its plain words.
LOW_RANK = TOY.with_fields(learns="low-rank", rate=1e-3)

RECIPES = {
    "toy": {
        "words": TOY,
        "one-word": TOY.with_fields(longest=2),
        "noun": NOUN,
        "embedding": TOY.with_fields(learns="embedding"),
        "low-rank": LOW_RANK,
        "thesis": THESIS,
    },
    "full": {"thesis": THESIS},
}  # by profile; the first is the usual one
