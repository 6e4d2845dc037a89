"""Stamped in metal."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np

KERNEL = np.array([[-2.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]])


def apply(image: np.ndarray, strength: Annotated[float, (0.1, 5)] = 1.0) -> np.ndarray:
    """Make it look stamped in metal, lit from the upper left."""
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    middle = (np.iinfo(gray.dtype).max + 1) / 2
    return cv2.filter2D(gray, -1, KERNEL * strength, delta=middle)
