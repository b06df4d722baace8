"""Likeness to the true thing, of volumes made to be right, turned away, flat-coloured and of another class."""

from dataclasses import replace

import pytest
import torch

from dreamtext_lib.evaluation.fronts import Looks, look_at, turn
from dreamtext_lib.evaluation.likeness import EVERY, agreement, likeness, other_sides
from dreamtext_lib.evaluation.truth import exact
from dreamtext_lib.evaluation.views import load_judge
from dreamtext_lib.radiance.cameras import orbit
from dreamtext_lib.toybox.inputs import inputs


@pytest.fixture(scope="module")
def compared():
    one, judge = inputs()[5], load_judge()  # a mug

    def of(thing, **how):
        return likeness(exact(thing, **how), one.thing, one.picture(), one.camera, judge)

    return one.thing, of


def test_the_true_thing_is_like_itself(compared):
    thing, of = compared
    found = of(thing)
    assert found.similarity > 0.999 and found.similarity_worst > 0.999 and found.psnr > 50 and found.ssim > 0.999
    assert found.input_similarity > 0.97 and found.input_psnr > 28  # drawn by two renderers
    assert found.neighbours == pytest.approx(found.neighbours_true, abs=1e-6) and found.neighbours_true < 0.99


def test_each_number_falls_for_what_it_is_to_find(compared):
    thing, of = compared
    true, other = of(thing), inputs()[9].thing
    turned = of(thing, turns=(120.0,))  # from no side what it should be
    assert turned.similarity < true.similarity - 0.02 and turned.psnr < 25
    assert turned.input_similarity < true.input_similarity and turned.neighbours == pytest.approx(
        true.neighbours, abs=0.01
    )
    grey = of(replace(thing, colour=(0.5, 0.5, 0.5), second=None))
    assert grey.psnr < 30 and grey.similarity < true.similarity
    strange = of(other)
    assert strange.similarity < 0.7 and strange.similarity_worst < strange.similarity
    assert strange.psnr < grey.psnr and strange.ssim < grey.ssim


def test_sides_agree_more_than_the_truths_where_all_are_one(compared):
    judge, (thing, _) = load_judge(), compared
    true = look_at(exact(thing), turn()[::EVERY][:4])
    same = Looks(true.frames[:1].expand(4, -1, -1, -1), true.opacity[:1])
    assert agreement(judge, same) == pytest.approx(1, abs=1e-5) and agreement(judge, true) < 0.99
    nothing = Looks(torch.full_like(true.frames, 0.9), true.opacity * 0)
    assert agreement(judge, nothing) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("azimuth", "beside"), [(0, [0]), (15, [0, 1]), (-8, [0]), (-12, [0, 11]), (175, [6])])
def test_other_sides_are_those_that_are_not_beside_the_picture(azimuth, beside):
    places = other_sides(turn()[::EVERY], orbit(azimuth, 15))
    assert places == [i for i in range(12) if i not in beside]
