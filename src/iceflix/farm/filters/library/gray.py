"""Shades of gray."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import cv2
import numpy as np


def apply(image: np.ndarray) -> np.ndarray:
    """Turn colours into shades of gray.

    The weights are those of ITU-R BT.601, as every JPEG decoder has them.
    """
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
