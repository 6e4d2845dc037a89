"""Lighter or darker."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(image: np.ndarray, amount: Annotated[float, (-100, 100)] = 15.0) -> np.ndarray:
    """Make lighter, or darker by a negative amount.

    amount: in hundredths of the way from black to white.
    """
    step = amount / 100 * np.iinfo(image.dtype).max
    return cv2.addWeighted(image, 1, image, 0, step)
