"""Unsharp masking."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(
    image: np.ndarray,
    amount: Annotated[float, (0, 5)] = 1.0,
    radius: Annotated[float, (0.1, 20)] = 1.5,
) -> np.ndarray:
    """Sharpen: add what a blur takes away.

    amount: 1 adds it once. radius: of the blur, in pixels.
    """
    soft = cv2.GaussianBlur(image, (0, 0), radius)
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)
