"""Pictures: PSNR and SSIM against the truth, and how sharp they are."""

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn.functional import avg_pool2d


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


def sharpness(images: Tensor) -> float:
    """Share of the contrast of pictures (N, H, W, 3) that halving their size takes: 1 - E(half the size) / E(whole).

    E: sum over neighbours in both axes of their squared difference. About 0 for pictures that are smooth over many
    pixels, 0.5 to 0.75 for edges of one pixel, 15/16 for noise; 0 where nothing differs. It does not depend on how
    strong the contrasts are. Blur lowers it; noise raises it, so beside the truth's the best is equal, not most.
    """
    x = images.permute(0, 3, 1, 2)  # (N, 3, H, W)
    whole, half = gradient_energy(x), gradient_energy(avg_pool2d(x, 2))
    return max(1 - half / whole, 0.0) if whole > 0 else 0.0


def gradient_energy(x: Tensor) -> float:
    """Sum of the squared differences of neighbours in pictures (N, C, H, W)."""
    return float(x.diff(dim=-1).square().sum() + x.diff(dim=-2).square().sum())
