"""The brown of old photographs."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np

# Rows give blue, green and red from blue, green and red.
TONES = np.array([[0.131, 0.534, 0.272], [0.168, 0.686, 0.349], [0.189, 0.769, 0.393]])


def apply(image: np.ndarray, strength: Annotated[float, (0, 1)] = 1.0) -> np.ndarray:
    """Tint brown, as old photographs are.

    strength: 0 changes nothing, 1 leaves no other colour.
    """
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
    return cv2.transform(colour, TONES * strength + np.eye(3) * (1 - strength))
