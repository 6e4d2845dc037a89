"""Quarter turns."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np

WHOLE = True  # the transparency turns with the colours


def apply(image: np.ndarray, turns: Annotated[int, (1, 3)] = 1) -> np.ndarray:
    """Turn by 90 degrees, clockwise.

    turns: how often; 3 is once the other way round.
    """
    codes = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return cv2.rotate(image, codes[turns - 1])
