"""Pictures against the truth: PSNR and SSIM."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio of pictures (H, W, 3) in 0..1, dB: -10 log10 of the mean squared error."""
    if image.shape != truth.shape:
        raise ValueError(f"pictures of one shape are compared, not {tuple(image.shape)} and {tuple(truth.shape)}")
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth.double().numpy(), image.double().numpy(), data_range=1.0))


def ssim(image: Tensor, truth: Tensor) -> float:
    """Structural similarity of pictures (H, W, 3) in 0..1, at most 1 (Wang et al. 2004; Gaussian window)."""
    if image.shape != truth.shape or min(image.shape[:2]) < 11:
        raise ValueError(
            f"pictures of one shape, of 11 pixels a side or more, are compared, not {tuple(image.shape)} and "
            f"{tuple(truth.shape)}"
        )
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(
        structural_similarity(truth.double().numpy(), image.double().numpy(), channel_axis=2, data_range=1.0, **options)
    )
