"""A recipe refuses what cannot run, in one sentence that names the value."""

import pytest
import torch

from dreamtext_lib.distillation.recipe import Recipe
from dreamtext_lib.profile import PROFILES, profile


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("size", -64), ("batch", 0), ("samples", 0), ("rate_grid", 0.0), ("rate_net", -1.0),
        ("ambient", 1.5), ("late", -0.1), ("t_max", 1000), ("t_min", 990), ("radius_min", 4.0), ("albedo", 1.2),
        ("log2_table", 40), ("finest", 2), ("blob_radius", 0.0),
    ],
)  # fmt: skip
def test_bad_values_are_named(field, value):
    with pytest.raises(ValueError) as error:
        Recipe(**{field: value})
    assert field in str(error.value) or "time steps" in str(error.value)
    assert str(value) in str(error.value) and "\n" not in str(error.value)


def test_full_recipes_are_the_thesis_own():
    base, fit = (PROFILES["full"].recipes[name] for name in ("stable-dreamfusion", "fitfusion"))
    assert (base.size, base.guidance, base.steps) == (64, 100, 10_000)  # table 5.1
    assert (fit.size, fit.guidance, fit.steps) == (256, 1000, 20_000)
    assert (base.blob_value, base.blob_radius) == (10, 0.5)  # 6.1.6
    assert (base.albedo, base.textureless) == (0.2, 0.4)  # 6.1.4
    assert (base.radius_min, base.radius_max) == (1.0, 1.5)  # 6.1.5


def test_the_profile_is_read_from_the_environment(monkeypatch):
    assert profile().name == "toy"
    monkeypatch.setenv("DREAMTEXT_PROFILE", "full")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no CUDA GPU"):
        profile()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert profile().model.startswith("sd2-community/")
    monkeypatch.setenv("DREAMTEXT_PROFILE", "huge")
    with pytest.raises(ValueError, match="'huge'; choose one of toy, full"):
        profile()
