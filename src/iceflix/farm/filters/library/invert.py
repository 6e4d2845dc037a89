"""The negative."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import cv2
import numpy as np


def apply(image: np.ndarray) -> np.ndarray:
    """Turn light into dark and colours into their opposites."""
    return cv2.bitwise_not(image)
