"""How close one set of images is to another: mean squared error, PSNR, SSIM. Shapes: n images [n, C, H, W]."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

WINDOW = 7
"""Side of the square window of SSIM, in pixels; of a smaller image the largest odd side that fits."""


def psnr(mse: float, value_range: float) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(L^2 / MSE) with L the range of values; infinite for equal images."""
    return 10 * math.log10(value_range**2 / mse) if mse > 0 else math.inf


def ssim(images: Tensor, others: Tensor, value_range: float) -> Tensor:
    """Structural similarity of each pair [n]: 1 for equal images (Wang, Bovik, Sheikh, Simoncelli, 2004).

        SSIM = mean over windows of (2 m_x m_y + c_1) (2 s_xy + c_2) / ((m_x^2 + m_y^2 + c_1) (s_x^2 + s_y^2 + c_2))

    with means m, unbiased variances s^2 and covariance s_xy of each square window that lies within the image, c_1 = (0.01 L)^2,
    c_2 = (0.03 L)^2; then the mean over channels. All pixels of a window weigh the same.

    Args:
        images: [n, C, H, W].
        others: [n, C, H, W].
        value_range: L, the range of values.
    """
    x, y = images.double(), others.double()
    side = min(WINDOW, *x.shape[-2:])
    side -= 1 - side % 2
    unbiased = side**2 / max(1, side**2 - 1)

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, side, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = unbiased * (mean(x * x) - mean_x**2), unbiased * (mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    c_1, c_2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    above = (2 * mean_x * mean_y + c_1) * (2 * covariance + c_2)
    below = (mean_x**2 + mean_y**2 + c_1) * (variance_x + variance_y + c_2)
    similarity: Tensor = (above / below).mean(dim=(1, 2, 3))
    return similarity
