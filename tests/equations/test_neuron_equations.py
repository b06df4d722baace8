"""Neurons, losses and descent: against torch, symbols, and by trying all cases."""

import math
from itertools import product

import pytest
import sympy as sp
import torch
from torch.nn import functional as F

from dreamtext_lib.lessons import neurons

F64 = torch.float64
INPUTS = torch.tensor(list(product((0.0, 1.0), repeat=2)), dtype=F64)  # (4, 2): 00, 01, 10, 11


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def slope(f, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


@pytest.mark.equation("2.1")
def test_sigmoid_and_its_slope():
    x = torch.cat([draw(50) * 5, torch.tensor([-900.0, 0.0, 900.0], dtype=F64)])
    torch.testing.assert_close(neurons.sigmoid(x), x.sigmoid())
    torch.testing.assert_close(neurons.sigmoid(torch.tensor([0, 1])), torch.tensor([0.0, 1.0]).sigmoid())
    z = sp.symbols("z", real=True)
    s = 1 / (1 + sp.exp(-z))
    assert sp.simplify(sp.diff(s, z) - s * (1 - s)) == 0
    y = neurons.sigmoid(x[:50])
    torch.testing.assert_close(slope(neurons.sigmoid, x[:50]), y * (1 - y))
    far = torch.tensor([-100.0, -1e30, 100.0])  # exp(-x) is infinite in single precision
    torch.testing.assert_close(slope(neurons.sigmoid, far), torch.zeros(3))
    assert slope(neurons.sigmoid, far.double())[0] == pytest.approx(math.exp(-100))


@pytest.mark.equation("2.2")
def test_relu_is_torchs_own_also_at_its_corner():
    x = torch.cat([draw(50), torch.zeros(1, dtype=F64)])
    torch.testing.assert_close(neurons.relu(x), F.relu(x))
    torch.testing.assert_close(slope(neurons.relu, x), slope(F.relu, x))
    assert slope(neurons.relu, x)[-1] == 0  # the subgradient that autograd takes


@pytest.mark.equation("2.3")
def test_leaky_relu_is_torchs_own():
    x = torch.cat([draw(50), torch.zeros(1, dtype=F64)])
    for alpha in (0.01, 0.3):
        torch.testing.assert_close(neurons.leaky_relu(x, alpha), F.leaky_relu(x, alpha))
    for alpha in (0.0, 1.0, 2.0):
        with pytest.raises(ValueError, match=str(alpha)):
            neurons.leaky_relu(x, alpha)


@pytest.mark.equation("2.4")
def test_a_neuron_is_linear_and_activation():
    layer = torch.nn.Linear(5, 3).double()
    x, (weight, bias) = draw(7, 5), (p.detach() for p in layer.parameters())
    torch.testing.assert_close(neurons.neuron(x, weight, bias), layer(x).sigmoid())
    torch.testing.assert_close(neurons.neuron(x, weight[0], bias[0], neurons.relu), layer(x)[:, 0].relu())
    flat = lambda x: x  # noqa: E731
    assert not torch.allclose(neurons.neuron(2 * x, weight, bias, flat), 2 * neurons.neuron(x, weight, bias, flat))


@pytest.mark.equation("2.5")
def test_a_perceptron_is_and_or_but_never_xor():
    ones = torch.ones(2, dtype=F64)
    assert neurons.perceptron(INPUTS, ones, 2.0).tolist() == [0, 0, 0, 1]  # AND; on the threshold it fires
    assert neurons.perceptron(INPUTS, ones, 1.0).tolist() == [0, 1, 1, 1]  # OR
    grid = torch.arange(-3, 3.01, 0.5, dtype=F64)
    found = {
        tuple(neurons.perceptron(INPUTS, torch.stack([a, b]), t.item()).tolist())
        for a in grid
        for b in grid
        for t in grid
    }
    xor = (0, 1, 1, 0)
    assert set(product((0, 1), repeat=4)) - found == {xor, (1, 0, 0, 1)}  # 14 of 16 are separable by a line


@pytest.mark.equation("2.6")
def test_layers_compose_in_order_collapse_without_activation_and_solve_xor_with_one():
    a, b = (draw(4, 2), draw(4, seed=1)), (draw(3, 4, seed=2), draw(3, seed=3))
    x, flat = draw(9, 2, seed=4), lambda x: x
    deep = neurons.mlp([lambda v, p=p: neurons.neuron(v, *p, flat) for p in (a, b)])
    torch.testing.assert_close(deep(x), F.linear(F.linear(x, *a), *b))
    torch.testing.assert_close(deep(x), F.linear(x, b[0] @ a[0], b[0] @ a[1] + b[1]))  # one affine map
    xor = neurons.mlp(
        [
            lambda v: neurons.neuron(v, torch.ones(2, 2, dtype=F64), torch.tensor([0.0, -1.0]), neurons.relu),
            lambda v: neurons.neuron(v, torch.tensor([1.0, -2.0], dtype=F64), 0.0, flat),
        ]
    )
    assert xor(INPUTS).tolist() == [0, 1, 1, 0]


@pytest.mark.equation("2.7")
def test_mse_and_its_gradient():
    y, y_true = draw(12), draw(12, seed=1)
    torch.testing.assert_close(neurons.mse(y, y_true), F.mse_loss(y, y_true))
    torch.testing.assert_close(slope(lambda v: neurons.mse(v, y_true), y), 2 * (y - y_true) / 12)


@pytest.mark.equation("2.8")
def test_binary_cross_entropy_is_torchs_own():
    y, y_true = draw(20).sigmoid(), (draw(20, seed=1) > 0).double()
    torch.testing.assert_close(neurons.binary_cross_entropy(y, y_true), F.binary_cross_entropy(y, y_true))


@pytest.mark.equation("2.9")
def test_categorical_cross_entropy_is_kl_and_entropy():
    y, y_true = draw(8, 5).softmax(1), draw(8, 5, seed=1).softmax(1)
    found = neurons.categorical_cross_entropy(y, y_true)
    torch.testing.assert_close(found, F.cross_entropy(y.log(), y_true))
    p, q = (torch.distributions.Categorical(probs=v) for v in (y_true, y))
    torch.testing.assert_close(found, (torch.distributions.kl_divergence(p, q) + p.entropy()).mean())
    answers = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])  # the first is right, the second half so
    right = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    assert neurons.categorical_cross_entropy(answers, right).item() == pytest.approx(math.log(2) / 2)
    found = slope(lambda v: neurons.categorical_cross_entropy(v, right), answers)
    torch.testing.assert_close(found, torch.tensor([[-0.5, 0.0, 0.0], [-1.0, 0.0, 0.0]]))


@pytest.mark.equation("2.10")
def test_a_small_step_against_the_gradient_lowers_the_loss():
    x, y_true = draw(30, 3), (draw(30, seed=1) > 0).double()
    loss = lambda w, b: neurons.binary_cross_entropy(neurons.neuron(x, w, b), y_true)  # noqa: E731
    start = [draw(3, seed=2), draw(1, seed=3)[0]]
    moved, before = neurons.descend(loss, start, 1e-3)
    torch.testing.assert_close(before, loss(*start))
    square = sum(((a - b) / 1e-3).square().sum() for a, b in zip(start, moved))  # |gradient|^2
    assert (before - loss(*moved)).item() == pytest.approx(1e-3 * square.item(), rel=1e-2)  # first order
    for i in range(3):  # the gradient that was used, by differences
        shift = torch.zeros(3, dtype=F64)
        shift[i] = 1e-6
        difference = (loss(start[0] + shift, start[1]) - loss(start[0] - shift, start[1])) / 2e-6
        assert ((start[0] - moved[0])[i] / 1e-3).item() == pytest.approx(difference.item(), rel=1e-5)
