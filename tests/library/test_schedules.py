"""Time and guidance over a run (5.1.1): each shape at its turns, and in the loop."""

import pytest
import torch

from dreamtext_lib.distillation.dream import Dream
from dreamtext_lib.distillation.recipe import Recipe, Score
from dreamtext_lib.distillation.schedules import falls, guidance_at, times_at

G = torch.Generator


def test_each_shape_goes_from_one_to_zero_but_waves_which_come_back():
    at = (0.0, 0.25, 0.5, 1.0)
    assert [falls("constant", f) for f in at] == [1, 1, 1, 1]
    assert [falls("falling", f) for f in at] == [1, 0.75, 0.5, 0]
    assert [falls("cosine", f) for f in at] == pytest.approx([1, 0.5 + 0.5 * 0.5**0.5, 0.5, 0])
    assert [falls("waves", f, 2) for f in at] == pytest.approx([1, 0, 1, 1])
    with pytest.raises(ValueError, match="not 'rising'"):
        falls("rising", 0.5)


def test_guidance_falls_from_100_to_50_as_in_figure_8_5():
    falling = Score(guidance=100.0, guidance_end=50.0, guidance_shape="falling")
    assert [guidance_at(falling, f) for f in (0.0, 0.5, 1.0)] == [100, 75, 50]
    assert guidance_at(Score(guidance=7.5, guidance_end=1.0), 0.9) == 7.5  # a constant one has no end


def test_times_are_drawn_from_a_range_or_follow_the_schedule():
    narrow = Score(t_min=300, t_max=700, t_max_late=400)
    early, late = (times_at(narrow, f, 4000, G().manual_seed(0)) for f in (0.1, 0.9))
    assert (early.min(), early.max(), late.min(), late.max()) == (300, 700, 300, 400)
    falling = Score(time_shape="falling")
    state = (g := G().manual_seed(0)).get_state()
    assert [times_at(falling, f, 2, g).tolist() for f in (0.0, 0.5, 1.0)] == [[980] * 2, [500] * 2, [20] * 2]
    assert torch.equal(g.get_state(), state)


def test_the_loop_asks_with_the_schedules_time_and_guidance(prior):
    recipe = Recipe().with_fields(
        steps=5, size=8, samples=4, voxels=8, time_shape="falling", guidance=9.0, guidance_end=4.0,
        guidance_shape="falling", manifold_weight=0.0,
    )  # fmt: skip
    asked = []

    def arrow(prior, z, t, words, s, generator):
        asked.append((int(t[0]), s))
        return torch.zeros_like(z)

    dream = Dream("a red mug", prior, recipe)
    dream.arrow = arrow
    records = list(dream.run())
    assert asked == [(980, 9), (788, 8), (596, 7), (404, 6), (212, 5)]
    assert [r.t for r in records] == [t for t, _ in asked]
