"""Another size."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np

WHOLE = True  # the transparency changes with the colours


def apply(
    image: np.ndarray,
    width: Annotated[int, (0, 20000)] = 0,
    height: Annotated[int, (0, 20000)] = 0,
    scale: Annotated[float, (0.01, 8)] = 1.0,
) -> np.ndarray:
    """Make larger or smaller.

    width, height: in pixels; with only one of them the shape is kept. scale: with neither of them.
    """
    rows, columns = image.shape[:2]
    if width or height:
        factor = width / columns if width else height / rows
        size = (width or round(columns * factor), height or round(rows * factor))
    else:
        size = (round(columns * scale), round(rows * scale))
    size = (max(1, size[0]), max(1, size[1]))
    smaller = size[0] * size[1] < rows * columns
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
