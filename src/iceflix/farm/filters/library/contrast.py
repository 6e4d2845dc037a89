"""More or less contrast."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

from typing import Annotated

import cv2
import numpy as np


def apply(image: np.ndarray, factor: Annotated[float, (0, 10)] = 1.3) -> np.ndarray:
    """Spread the tones around the middle gray; a factor below 1 brings them together."""
    middle = (np.iinfo(image.dtype).max + 1) / 2
    return cv2.addWeighted(image, factor, image, 0, middle * (1 - factor))
