"""Structural similarity: Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment".

With the paper's Gaussian window of 11 x 11 (sigma 1.5), K1 = 0.01, K2 = 0.03.
"""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import cv2
import numpy as np


def ssim(one: np.ndarray, two: np.ndarray) -> float:
    """1 for equal pictures, near 0 for unrelated ones; the mean over pixels and channels."""
    assert one.shape == two.shape, (one.shape, two.shape)
    assert one.dtype == two.dtype, (one.dtype, two.dtype)
    white = np.iinfo(one.dtype).max
    small, smaller = (0.01 * white) ** 2, (0.03 * white) ** 2
    a, b = one.astype(np.float64), two.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    mean_a, mean_b = mean(a), mean(b)
    spread_a = mean(a * a) - mean_a**2
    spread_b = mean(b * b) - mean_b**2
    common = mean(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + small) * (2 * common + smaller)
    below = (mean_a**2 + mean_b**2 + small) * (spread_a + spread_b + smaller)
    return float(np.mean(above / below))
