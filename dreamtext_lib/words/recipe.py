"""Recipes of learned words: every setting of a training as one value, and the named ones."""

from dataclasses import dataclass, field

from ..settings import Count, Grey, Positive, Settings, Time, Weight, Whole, ordered
from .augment import Augment


@dataclass(frozen=True)
class WordsRecipe(Settings):
    """The settings of one training of words (5.2.2, 6.1.10). The defaults are those of the tiny models."""

    steps: Count = 600  # gradient steps at most
    batch: Count = 4  # augmented copies of the image a step, each with a time and noise of its own
    rate: Positive = 1e-2  # Adam's step
    t_min: Time = 400  # lowest time step, of 1000: colours are settled at the high ones
    t_max: Time = 999  # highest time step, of 1000
    fit_weight: Weight = 1.0  # of (5.2), which draws the words to the image
    stay_weight: Weight = 1.0  # of (5.3), which holds them near the noun
    wall: Grey = 0.9  # grey behind the object
    look_every: Count = 100  # steps between looks: a checkpoint, samples, and whether the words still learn
    patience: Whole = 2  # looks in a row without a new least (5.2), on draws held fixed, after which it stops; 0: never
    augment: Augment = field(default_factory=lambda: Augment(blur_max=0.5, grey_share=0.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        ordered(self, ("t_min", "t_max"))
        if self.fit_weight == self.stay_weight == 0:
            raise ValueError("fit_weight and stay_weight are both 0, so nothing would move the words")


TOY = WordsRecipe()
# As the thesis and its code have it (5.2.2, 6.1.9, 6.1.10): all times, white corners, one copy a step, no early stop.
THESIS = WordsRecipe(steps=10_000, batch=1, rate=3e-4, t_min=0, wall=1.0, look_every=500, patience=0, augment=Augment())

RECIPES = {
    "toy": {"words": TOY, "thesis": THESIS},
    "full": {"thesis": THESIS},
}  # by profile; the first is the usual one
