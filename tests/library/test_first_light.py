"""The contact sheet of the fourteen prompts (experiments.first_light): runs of another recipe are not mixed in."""

import pytest

from dreamtext_lib.distillation.recipe import RECIPES
from dreamtext_lib.runs import write_record
from experiments.first_light import begun

RECIPE = RECIPES["toy"]["latent"]


def test_a_run_of_another_recipe_prompt_or_model_is_refused(tmp_path):
    assert begun(tmp_path, "a red castle", RECIPE, "tiny") is False
    about = {"prompt": "a red castle", "seed": 0, "model": "tiny", "engine": "torch", "threads": 1, "words": None}
    write_record(tmp_path, "dream", about, RECIPE.values())
    (tmp_path / "checkpoint.safetensors").touch()
    assert begun(tmp_path, "a red castle", RECIPE, "tiny") is True
    with pytest.raises(ValueError, match=r"has steps 1000, not 20; choose another --out"):
        begun(tmp_path, "a red castle", RECIPE.with_fields(steps=20), "tiny")
    for prompt, model in (("a mug", "tiny"), ("a red castle", "tiny-front")):
        with pytest.raises(ValueError, match="holds 'a red castle' of the model tiny and the seed 0"):
            begun(tmp_path, prompt, RECIPE, model)
