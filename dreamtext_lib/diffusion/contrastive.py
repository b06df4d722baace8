"""The contrastive loss: pictures and texts, each asked which of the others is its own."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """The loss of CLIP: L = (CE(S, 1..N) + CE(S^T, 1..N)) / 2, where S_ij = scale <image_i, text_j>, cosines.

    images, texts (N, d) of any length, row i of one belonging to row i of the other; scale is 1 / temperature, above
    0 -> (). log N for answers that know nothing, and at least 0. Other rows count as wrong answers even if they would
    fit. Source: Radford et al. 2021, figure 3. ValueError for shapes that are not the same (N, d).
    """
    if images.ndim != 2 or images.shape != texts.shape:
        raise ValueError(f"one text for each image is wanted, (N, d), not {tuple(images.shape)}, {tuple(texts.shape)}")
    similarity = scale * normalize(images, dim=1) @ normalize(texts, dim=1).T  # (N, N): rows images, columns texts
    own = torch.arange(len(images), device=images.device)
    return (cross_entropy(similarity, own) + cross_entropy(similarity.T, own)) / 2
