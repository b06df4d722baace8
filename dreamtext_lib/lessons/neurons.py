"""From a neuron to a network that learns: activations, layers, losses, and one step of gradient descent."""

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

Layer = Callable[[Tensor], Tensor]


def sigmoid(x: Tensor) -> Tensor:
    """Eq. 2.1: 1 / (1 + exp(-x)), elementwise, into (0, 1); its slope is sigmoid (1 - sigmoid)."""
    x = x if x.is_floating_point() else x.float()
    x = x.clamp(min=1 - math.log(torch.finfo(x.dtype).max))  # below, exp(-x) is infinite and the slope no number
    return 1 / (1 + (-x).exp())


def relu(x: Tensor) -> Tensor:
    """Eq. 2.2: max(0, x), elementwise. It has no slope at 0; autograd takes 0 there."""
    return torch.where(x > 0, x, 0.0)


def leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    """Eq. 2.3: alpha x below 0, else x, elementwise.

    ValueError unless 0 < alpha < 1: the thesis allows any alpha above 0, but 1 is a line and more turns the corner.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; the slope below 0 lies between 0 and 1, commonly 0.01")
    return torch.where(x < 0, alpha * x, x)


def neuron(x: Tensor, weight: Tensor, bias: Tensor | float, activation: Layer = sigmoid) -> Tensor:
    """Eq. 2.4: h(sum_i w_i x_i + b): x (..., n), weight (n,), bias () -> (...).

    An affine map with an activation; 'linear', as the thesis says, it is only without both. A weight (m, n) with a
    bias (m,) is a layer of m neurons: (..., m).
    """
    return activation(x @ weight.movedim(-1, 0) + bias)


def perceptron(x: Tensor, weight: Tensor, threshold: float) -> Tensor:
    """Eq. 2.5: 0 if sum_i w_i x_i < T, else 1: x (..., n), weight (n,) -> (...). Source: Rosenblatt 1958."""
    return (x @ weight >= threshold).to(x.dtype)


def mlp(layers: Sequence[Layer]) -> Layer:
    """Eq. 2.6: f_n o ... o f_1, the first layer applied first."""
    return lambda x: reduce(lambda value, layer: layer(value), layers, x)


def mse(y: Tensor, y_true: Tensor) -> Tensor:
    """Eq. 2.7: 1/N sum_i (y_i - y_true_i)^2 over all N elements. Its gradient for y is 2 (y - y_true) / N."""
    return (y - y_true).square().mean()


def binary_cross_entropy(y: Tensor, y_true: Tensor) -> Tensor:
    """Eq. 2.8: -1/N sum_i [y_true_i log y_i + (1 - y_true_i) log(1 - y_i)], in nats; y in (0, 1).

    The sum spans both terms, which the thesis' brackets leave open.
    """
    return -(y_true * y.log() + (1 - y_true) * (1 - y).log()).mean()


def categorical_cross_entropy(y: Tensor, y_true: Tensor) -> Tensor:
    """Eq. 2.9: -1/N sum_i sum_j y_true_ij log y_ij, in nats.

    y, y_true (N, K), each row a distribution over K classes. It is KL(y_true || y) plus the entropy of y_true. A term
    whose y_true is 0 is 0, whatever y: a right answer of one class costs 0.
    """
    y = torch.where(y_true == 0, 1.0, y)  # for 0 log 0 = 0
    return -(y_true * y.log()).sum(-1).mean()


def descend(loss: Callable[..., Tensor], parameters: Sequence[Tensor], rate: float) -> tuple[list[Tensor], Tensor]:
    """One step of gradient descent on eq. 2.10, the loss as a function of the weights: p <- p - rate dL/dp.

    The gradient is the direction of steepest ascent. loss(*parameters) -> (); returns the moved parameters, and the
    loss before the step. A small enough rate lowers the loss unless the gradient is 0.
    """
    free = [p.detach().requires_grad_() for p in parameters]
    value = loss(*free)
    gradients = torch.autograd.grad(value, free)
    return [(p - rate * g).detach() for p, g in zip(free, gradients)], value.detach()
