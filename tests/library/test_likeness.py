"""Likeness to the true thing, of volumes made to be right, turned away, flat-coloured and of another class."""

from dataclasses import replace

import pytest

from dreamtext_lib.evaluation.likeness import likeness
from dreamtext_lib.evaluation.truth import exact
from dreamtext_lib.evaluation.views import load_judge
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
    assert found.neighbours == pytest.approx(found.neighbours_true, abs=1e-6)


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
