"""Attention: every query takes a mean of the values, weighted by how well the keys answer it."""

from torch import Tensor


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Eq. 3.9: softmax(Q K^T / sqrt(d_k)) V, with the scale inside the softmax.

    queries (..., N, d_k), keys (..., M, d_k), values (..., M, d_v) -> (..., N, d_v). Self-attention takes all three
    from one sequence, cross-attention keys and values from another. Source: Vaswani et al. 2017, eq. 1.
    """
    scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5  # (..., N, M)
    return scores.softmax(-1) @ values
