"""Adan (Xie et al. 2022) against its formulas in the paper's own form, and what it is made for: to arrive."""

import pytest
import torch

from dreamtext_lib.adan import Adan
from dreamtext_lib.descent import optimiser_of
from dreamtext_lib.settings import Descent

SETTINGS = Descent(
    optimiser="adan", rate_grid=0.05, rate_net=0.005, beta_1=0.98, beta_2=0.99, eps=1e-8, weight_decay=0.02
)


def by_the_paper(p, gradients, lr, decay, betas=(0.02, 0.08, 0.01), eps=1e-8):
    """Algorithm 1 with its own betas, which say what is new, and Adam's corrections as in its code."""
    b1, b2, b3 = betas
    m = v = n = torch.zeros_like(p)
    before = gradients[0]
    for k, g in enumerate(gradients, 1):
        m = (1 - b1) * m + b1 * g
        v = (1 - b2) * v + b2 * (g - before)
        n = (1 - b3) * n + b3 * (g + (1 - b2) * (g - before)) ** 2
        hat = [x / (1 - (1 - b) ** k) for x, b in ((m, b1), (v, b2), (n, b3))]
        p = (p - lr * (hat[0] + (1 - b2) * hat[1]) / (hat[2].sqrt() + eps)) / (1 + lr * decay)
        before = g
    return p


def test_steps_are_the_papers():
    g = torch.Generator().manual_seed(0)
    grid, net = (torch.nn.Parameter(torch.randn(7, generator=g, dtype=torch.float64)) for _ in range(2))
    gradients = torch.randn(2, 6, 7, generator=g, dtype=torch.float64)
    wanted = [by_the_paper(p.detach(), s, lr, 0.02) for p, s, lr in zip((grid, net), gradients, (0.05, 0.005))]
    optimiser = optimiser_of([grid], [net], SETTINGS)
    for a, b in zip(*gradients):
        grid.grad, net.grad = a, b
        optimiser.step()
    for p, w in zip((grid, net), wanted):
        torch.testing.assert_close(p.detach(), w)


def test_the_norm_of_all_gradients_is_cut():
    a, b = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimiser = Adan([a, b], clip=5.0)
    a.grad, b.grad = torch.tensor([30.0]), torch.tensor([40.0])
    optimiser.step()
    torch.testing.assert_close(torch.stack([a.grad, b.grad])[:, 0], torch.tensor([3.0, 4.0]))


def test_a_valley_is_walked_down_to_its_floor_and_a_resumed_walk_is_the_same():
    def walk(p, optimiser, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            (p[0] ** 2 + 30 * (p[1] - 1) ** 2).backward()
            optimiser.step()

    p, q = torch.nn.Parameter(torch.tensor([2.0, 2.0])), torch.nn.Parameter(torch.tensor([2.0, 2.0]))
    whole, first = Adan([p], lr=0.05), Adan([q], lr=0.05)
    walk(p, whole, 300)
    assert (p - torch.tensor([0.0, 1.0])).abs().max() < 0.1
    walk(q, first, 100)
    second = Adan([q], lr=0.05)
    second.load_state_dict(first.state_dict())
    walk(q, second, 200)
    assert torch.equal(p, q)


@pytest.mark.parametrize(("how", "words"), [({"lr": -1.0}, "lr is -1"), ({"betas": (0.9, 1.0, 0.9)}, "betas are")])
def test_what_cannot_run_is_refused(how, words):
    with pytest.raises(ValueError, match=words):
        Adan([torch.nn.Parameter(torch.zeros(1))], **how)
