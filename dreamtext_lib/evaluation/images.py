"""Pictures against the truth: PSNR and SSIM."""

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor


def psnr(image: Tensor, truth: Tensor, counts: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio of pictures (H, W, 3) in 0..1, dB: -10 log10 of the mean squared error.

    counts (H, W): which pixels are judged; all, if not given. Raises ValueError if the shapes differ.
    """
    if image.shape != truth.shape:
        raise ValueError(f"pictures of one shape are compared, not {tuple(image.shape)} and {tuple(truth.shape)}")
    if counts is not None:
        image, truth = image[counts], truth[counts]
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth.double().numpy(), image.double().numpy(), data_range=1.0))


def ssim(image: Tensor, truth: Tensor, counts: Tensor | None = None) -> float:
    """Structural similarity of pictures (H, W, 3) in 0..1, at most 1 (Wang et al. 2004; Gaussian window).

    counts (H, W): which pixels are judged; all, if not given. Others have the truth's colour, and no say in the mean,
    which leaves out the rim of half a window. Raises ValueError if the shapes differ or a side is below 11.
    """
    if image.shape != truth.shape or min(image.shape[:2]) < 11:
        raise ValueError(
            f"pictures of one shape, of 11 pixels a side or more, are compared, not {tuple(image.shape)} and "
            f"{tuple(truth.shape)}"
        )
    if counts is not None:
        image = torch.where(counts[..., None], image, truth)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    a, b = truth.double().numpy(), image.double().numpy()
    mean, each = structural_similarity(a, b, channel_axis=2, data_range=1.0, **options)
    return float(mean if counts is None else each[5:-5, 5:-5][counts[5:-5, 5:-5].numpy()].mean())
