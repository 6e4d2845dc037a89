"""Black and white."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(
    image: np.ndarray, level: Annotated[float, (0, 100)] = 50.0, invert: bool = False
) -> np.ndarray:
    """Make every pixel black or white.

    level: lighter ones become white; in hundredths of the way from black to white.
    invert: swaps black and white.
    """
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    white = np.iinfo(gray.dtype).max
    kind = cv2.THRESH_BINARY_INV if invert else cv2.THRESH_BINARY
    return cv2.threshold(gray, level / 100 * white, white, kind)[1]
