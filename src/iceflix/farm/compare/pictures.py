"""The images of a comparison, the same ones every time: soft shapes with noise on them."""

# pylint: disable=no-member  # the functions of cv2 live in its binary

from pathlib import Path

import cv2
import numpy as np

from iceflix.farm.compare.plan import Load, Workload


def draw(folder: Path, workload: Workload) -> None:
    """Write all images that are not there yet. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for load in (workload.large, workload.small, workload.tiny):
        base = _base(load)
        for number, name in enumerate(load.images):
            file = folder / name
            if not file.exists():
                # Turned round by some columns each: different files, of the same difficulty.
                shifted = np.roll(base, 16 * number, axis=1)
                _, data = cv2.imencode(".jpg", shifted, [cv2.IMWRITE_JPEG_QUALITY, 92])
                file.write_bytes(data.tobytes())


def _base(load: Load) -> "np.ndarray":
    noise = np.random.default_rng(load.width)
    coarse = noise.integers(0, 255, (18, 24, 3), dtype=np.uint8)
    size = (load.width, load.height)
    shapes = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = noise.integers(-12, 13, (load.height, load.width, 1), dtype=np.int16)
    return np.asarray(np.clip(shapes + grain, 0, 255).astype(np.uint8))
