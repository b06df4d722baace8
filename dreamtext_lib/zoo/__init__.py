"""The tiny Stable Diffusion of the toybox, in diffusers' own format, and the scripts that train it.

tiny        the pipeline whose U-Net saw the object from all sides alike
tiny-front  the same with a U-Net trained on mostly front views, as the internet has them
clip        the CLIP whose text encoder conditions both
judge       another CLIP, trained on other pictures and on pictures of nothing; it only scores
"""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
PIPELINES = ("tiny", "tiny-front")


def resolve(model: str) -> str:
    """The folder of a model of this package, or the name itself for a folder or a model on the hub."""
    return str(MODELS / model) if model in PIPELINES else model
