"""Tones spread out."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(
    image: np.ndarray,
    limit: Annotated[float, (1, 40)] = 2.0,
    tiles: Annotated[int, (1, 64)] = 8,
) -> np.ndarray:
    """Bring out what is hidden in shadows and lights (CLAHE).

    limit: how much the contrast may rise. tiles: the picture is looked at in tiles x tiles parts.
    """
    method = cv2.createCLAHE(clipLimit=limit, tileGridSize=(tiles, tiles))
    if image.ndim == 2:
        return method.apply(image)
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
    return cv2.cvtColor(cv2.merge((method.apply(luma), red, blue)), cv2.COLOR_YCrCb2BGR)
