"""Adam with falling rates, resumed in the middle; slopes that are not finite; clocks that wait for their device."""

import time
import types

import pytest
import torch

from dreamtext_lib import clock
from dreamtext_lib.clock import Clock
from dreamtext_lib.descent import falling, finite, mend, optimiser_of
from dreamtext_lib.settings import Descent


def two(settings):
    grid, net = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))
    return grid, net, optimiser_of([grid], [net], settings)


def walk(grid, net, optimiser, settings, first, last, total=10):
    rates, used = falling(optimiser, settings, total, first), []
    for step in range(first, last):
        grid.grad, net.grad = torch.full((3,), 1.0 + step), torch.full((2,), -1.0)
        used.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        rates.step()
    return used


def test_the_settings_reach_adam():
    optimiser = two(Descent(rate_grid=0.5, rate_net=0.25, beta_1=0.8, beta_2=0.95, eps=1e-6))[2]
    assert [group["lr"] for group in optimiser.param_groups] == [0.5, 0.25]
    assert optimiser.defaults["betas"] == (0.8, 0.95) and optimiser.defaults["eps"] == 1e-6


def test_rates_fall_exponentially_to_their_end_and_a_resumed_walk_goes_on():
    settings = Descent(rate_grid=0.1, rate_net=0.01, rate_end=0.1)
    grid, net, optimiser = two(settings)
    used = walk(grid, net, optimiser, settings, 0, 10)
    for step, (a, b) in enumerate(used):
        assert (a, b) == pytest.approx((0.1 * 0.1 ** (step / 10), 0.01 * 0.1 ** (step / 10)))

    first, second = two(settings), two(settings)
    early = walk(*first, settings, 0, 4)
    for a, b in zip(first[:2], second[:2]):
        b.data.copy_(a)
    second[2].load_state_dict({**second[2].state_dict(), "state": first[2].state_dict()["state"]})
    assert early + walk(*second, settings, 4, 10) == used
    assert torch.equal(second[0], grid) and torch.equal(second[1], net)


def test_rates_that_end_where_they_began_are_the_same_number_all_the_time():
    settings = Descent(rate_grid=0.1, rate_net=0.03)
    assert {tuple(pair) for pair in walk(*two(settings), settings, 0, 10)} == {(0.1, 0.03)}


def test_what_is_not_finite_never_reaches_a_parameter():
    grid, net, optimiser = two(Descent())
    grid.grad, net.grad = torch.tensor([1.0, torch.nan, torch.inf]), torch.tensor([-torch.inf, 2.0])
    assert mend(optimiser) == 3
    optimiser.step()
    assert grid.isfinite().all() and net.isfinite().all()
    assert grid[0] != 0 and net[1] != 0 and (grid[1:] == 0).all() and net[0] == 0
    assert mend(optimiser) == 0


def test_finite_counts_and_keeps_the_rest():
    mended, broken = finite(torch.tensor([[1.0, torch.nan], [torch.inf, -torch.inf]]))
    assert broken == 3 and torch.equal(mended, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    whole = torch.ones(3)
    assert finite(whole) == (whole, 0)


def test_a_clock_measures_laps():
    watch = Clock()
    time.sleep(0.1)
    first = watch.lap()
    assert watch.seconds == [first] and 0.1 <= first < 1
    assert watch.lap() < 0.05 < sum(watch.seconds)


def test_a_clock_waits_for_a_gpu_at_each_reading(monkeypatch):
    waited = []
    monkeypatch.setattr(clock.torch, "cuda", types.SimpleNamespace(synchronize=waited.append))
    watch = Clock("cuda")
    watch.lap()
    watch.lap()
    assert waited == [torch.device("cuda")] * 3
    Clock("cpu").lap()
    assert len(waited) == 3
