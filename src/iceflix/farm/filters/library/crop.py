"""A part of the picture."""

from typing import Annotated

import numpy as np

WHOLE = True  # the transparency is cut as well


def apply(
    image: np.ndarray,
    left: Annotated[float, (0, 0.99)] = 0.0,
    top: Annotated[float, (0, 0.99)] = 0.0,
    right: Annotated[float, (0, 0.99)] = 0.0,
    bottom: Annotated[float, (0, 0.99)] = 0.0,
) -> np.ndarray:
    """Cut away at the sides: crop:left=0.5 keeps the right half.

    Each is a share of the width or height.
    """
    height, width = image.shape[:2]
    rows = slice(round(height * top), height - round(height * bottom))
    columns = slice(round(width * left), width - round(width * right))
    part = image[rows, columns]
    if not part.size:
        raise ValueError("nothing would be left of the picture; cut away less")
    return part
