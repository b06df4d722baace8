"""A setting is refused when it is made, in one sentence that names the field, the value and what is allowed."""

import json
from dataclasses import dataclass, field

import pytest

from dreamtext_lib.settings import Descent, Grid, Settings, Share, Voxels, paths


@dataclass(frozen=True)
class Two(Settings):
    few_share: Share = 0.5
    grid: Grid = field(default_factory=Grid)
    descent: Descent = field(default_factory=Descent)


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("value", [2.5, "6", None, True, 0, -1, NAN, INFINITE])
def test_a_count_is_a_whole_number_above_0(value):
    with pytest.raises(ValueError) as error:
        Grid(levels=value)
    assert str(error.value) == f"levels is {value!r}; it must be a whole number, at least 1"


@pytest.mark.parametrize("value", [NAN, INFINITE, -INFINITE, 0, -0.1, "0.1", None, True])
def test_a_measurement_is_finite_and_above_0(value):
    with pytest.raises(ValueError, match=r"^rate_grid is .*; it must be a finite number above 0$"):
        Descent(rate_grid=value)


@pytest.mark.parametrize("value", [NAN, -0.01, 1.01])
def test_a_share_is_between_0_and_1(value):
    with pytest.raises(ValueError, match=r"^few_share is .*; it must be a share, between 0 and 1$"):
        Two(few_share=value)
    with pytest.raises(ValueError, match=r"^decay is"):
        Voxels(decay=value)
    assert Two(few_share=0).few_share == 0 and Two(few_share=1).few_share == 1


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**53])
def test_a_whole_number_that_no_float_can_hold_is_refused(value):
    for made, name in ((lambda: Grid(levels=value), "levels"), (lambda: Descent(clip=value), "clip")):
        with pytest.raises(ValueError, match=rf"^{name} is -?[0-9]+; it must lie between -2\^53 and 2\^53$"):
            made()
    assert Grid(levels=2**53 - 1).levels == 2**53 - 1


def test_a_group_has_to_be_one():
    with pytest.raises(ValueError, match=r"^grid is 3; it must be of the kind Grid$"):
        Two(grid=3)


def test_what_is_above_its_own_maximum():
    with pytest.raises(ValueError, match=r"^coarsest is 90, above finest, which is 48$"):
        Grid(coarsest=90)


def test_a_field_is_found_in_whichever_group_it_is():
    two = Two().with_fields(levels=8, eps=1e-8, few_share=0.1)
    assert two == Two(0.1, Grid(levels=8), Descent(eps=1e-8))
    assert Two().with_fields(**{"grid.finest": 64}) == Two(grid=Grid(finest=64))
    assert Two().with_fields() == Two()
    with pytest.raises(ValueError, match=r"^there is no field 'level' in the recipe; is it 'levels'[?]$"):
        two.with_fields(level=8)
    with pytest.raises(ValueError, match=r"^there is no field 'grid' in the recipe"):
        two.with_fields(grid=Grid())
    with pytest.raises(ValueError, match=r"^levels is 0;"):
        two.with_fields(levels=0)


def test_values_survive_json():
    two = Two(0.25, Grid(levels=3), Descent(beta_2=0.999))
    assert Two.from_values(json.loads(json.dumps(two.values()))) == two
    assert list(paths(two))[:2] == [("few_share",), ("grid", "levels")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 3}, "the recipe has a field 'colour' that this version does not know"),
        ({"grid": {"levels": 3}}, "grid lacks the field 'features'; another version wrote it"),
        ({"grid": 3}, "grid is 3; it must hold levels, features"),
        ({"few_share": 3}, "few_share is 3; it must be a share"),
        ({"few_share": "0.5"}, "few_share is '0.5'; it must be a share"),
    ],
)
def test_values_that_are_no_recipe(change, words):
    with pytest.raises(ValueError) as error:
        Two.from_values(Two().values() | change)
    assert str(error.value).startswith(words) and "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"^the recipe is None; it must hold few_share, grid, descent$"):
        Two.from_values(None)
