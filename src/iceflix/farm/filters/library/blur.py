"""Soft focus."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(image: np.ndarray, radius: Annotated[float, (0.1, 50)] = 2.0) -> np.ndarray:
    """Blur by a Gaussian.

    radius: its standard deviation, in pixels.
    """
    return cv2.GaussianBlur(image, (0, 0), radius)
