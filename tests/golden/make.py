"""Makes the golden images: python -m tests.golden.make (from the project's folder).

The source is drawn here; each shipped filter's result lies beside as <name>.png. Look at every
picture that changes before you commit it: the tests take these for the truth.
"""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import importlib
from pathlib import Path

import cv2
import numpy as np

from iceflix.farm.filters import library
from iceflix.farm.filters.parse import Step, parse_chain
from iceflix.farm.filters.spec import read_spec

FOLDER = Path(__file__).parent
# What is applied for each golden image; filters that are not here are taken with their defaults.
CHAINS = {"crop": "crop:left=0.5:bottom=0.25", "resize": "resize:width=60"}


def source() -> np.ndarray:
    """A picture of 120 x 80 with slopes, edges, fine detail and noise; BGR."""
    rows, columns = np.mgrid[0:80, 0:120]
    image = np.dstack((columns * 2, rows * 3, 255 - columns - rows)).astype(np.uint8)
    cv2.circle(image, (36, 40), 24, (40, 90, 230), -1, cv2.LINE_AA)
    cv2.rectangle(image, (70, 16), (104, 60), (200, 210, 60), 3)
    cv2.putText(image, "ice", (66, 48), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2)
    noise = np.random.default_rng(2004).integers(0, 12, image.shape, dtype=np.uint8)
    return np.asarray(cv2.add(image, noise))


def apply_here(step: Step, image: np.ndarray) -> np.ndarray:
    """Apply a shipped filter in this process."""
    module = importlib.import_module(f"iceflix.farm.filters.library.{step.name}")
    values = read_spec(step.name, library.code(step.name)).values(step.parameters)
    return np.asarray(module.apply(image, **values))


def expected(name: str) -> Path:
    """The golden image of a filter."""
    return FOLDER / f"{name}.png"


def step_of(name: str) -> Step:
    """The step whose result is golden."""
    return parse_chain(CHAINS.get(name, name))[0]


if __name__ == "__main__":
    cv2.imwrite(str(FOLDER / "source.png"), source())
    for filter_name in library.names():
        made = apply_here(step_of(filter_name), source())
        cv2.imwrite(str(expected(filter_name)), made)
