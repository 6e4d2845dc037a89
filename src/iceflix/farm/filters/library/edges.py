"""Outlines."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(
    image: np.ndarray,
    low: Annotated[float, (0, 1000)] = 60.0,
    high: Annotated[float, (0, 1000)] = 160.0,
) -> np.ndarray:
    """Draw white outlines on black (Canny's method).

    A slope steeper than high begins an outline, one steeper than low goes on with it.
    """
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if gray.dtype != np.uint8:
        gray = cv2.convertScaleAbs(gray, alpha=1 / 257)
    return cv2.Canny(gray, low, high)
