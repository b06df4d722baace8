"""Effects: paired differences and their interval, against numbers worked out by hand and by scipy's own test."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from dreamtext_lib.evaluation.effect import column, effect, interval, read_table
from dreamtext_lib.sweep.table import write_csv


def table(tmp_path, rows):
    head = ("recipe", "prompt", "seed", "class_share", "empty")
    write_csv([dict(zip(head, row)) for row in rows], tmp_path / "t.csv")
    return read_table(tmp_path / "t.csv")


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(0.3, 1, 20)
    found, known = interval(values), ttest_rel(values, 0 * values).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high)) and found.count == 20
    # 1, 2, 3: s = 1, t with two degrees of freedom 4.3027, so 2 +- 4.3027 / sqrt(3)
    assert interval([1, 2, 3]).high == pytest.approx(4.4842, abs=1e-4)
    assert interval([0.5]) == (0.5, 0.5, 0.5, 1) and interval([2.0, 2.0])[:3] == (2, 2, 2)


def test_an_effect_is_there_where_its_interval_leaves_out_0():
    assert interval([1.0, 1.1, 0.9]).there and interval([-1.0, -1.1, -0.9]).there
    assert not interval([1.0, -1.1, 0.9]).there and not interval([1.0]).there  # one number has no interval


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for _ in range(2000):
        found = interval(rng.normal(0.7, 2.0, 20))
        hits += found.low < 0.7 < found.high
    assert abs(hits / 2000 - 0.95) < 0.015  # three standard errors


def test_pairs_are_of_one_prompt_and_seed_in_whatever_order(tmp_path):
    lines = table(
        tmp_path,
        [
            ("a", "a mug", 0, 0.1, False),
            ("a", "a mug", 1, 0.9, False),
            ("a", "a fish", 0, None, None),  # a run that failed
            ("b", "a mug", 1, 0.8, True),
            ("b", "a mug", 0, 0.4, False),
            ("b", "a fish", 0, 1.0, False),
        ],
    )
    found = effect(lines, "a", "b", "class_share")
    assert found.count == 2 and found.mean == pytest.approx(0.1)  # +0.3 and -0.1
    assert effect(lines, "b", "a", "class_share").mean == pytest.approx(-0.1)
    assert effect(lines, "a", "b", "empty").mean == 0.5
    assert column(lines, "b", "class_share")["a fish", "0"] == 1.0
    with pytest.raises(ValueError, match="the table has no runs of 'c'"):
        effect(lines, "a", "c", "class_share")


def test_what_has_no_pairs_or_no_numbers_is_refused(tmp_path):
    lines = table(tmp_path, [("a", "a mug", 0, 0.1, False), ("b", "a mug", 1, 0.8, True)])
    with pytest.raises(ValueError, match="'a' and 'b' have no run of the same prompt and seed with a class_share"):
        effect(lines, "a", "b", "class_share")
    with pytest.raises(ValueError, match="the runs of 'a' have no 'depth'; what they have is class_share, empty"):
        column(lines, "a", "depth")
    with pytest.raises(ValueError, match="finite numbers, at least one"):
        interval([])
    with pytest.raises(ValueError, match="finite numbers"):
        interval([1.0, float("nan")])
    with pytest.raises(ValueError, match=r"level is 1\.5"):
        interval([1.0], 1.5)


def test_a_run_that_is_there_twice_counts_once_and_two_that_differ_are_refused(tmp_path):
    lines = table(tmp_path, [("a", "a mug", 0, 0.1, False), ("a", "a mug", 1, 0.8, True)])
    assert column(lines + lines[:1], "a", "class_share") == {("a mug", "0"): 0.1, ("a mug", "1"): 0.8}
    with pytest.raises(ValueError, match="two runs of 'a' on 'a mug' with seed 0; keep one of them"):
        column([*lines, lines[0] | {"class_share": "0.9"}], "a", "class_share")
