"""The shipped filters: each against its golden image, on every kind of picture."""
# pylint: disable=no-member  # the functions of cv2 live in its binary

import ast

import cv2
import numpy as np
import pytest

from iceflix.farm.filters import library
from iceflix.farm.filters.parse import Step, parse_chain
from iceflix.farm.filters.spec import read_spec
from iceflix.runtime.errors import InvalidRequest
from tests.golden.make import apply_here, expected, source, step_of
from tests.golden.ssim import ssim

GEOMETRIC = {"crop", "resize", "rotate90"}


def test_fifteen_are_shipped() -> None:
    """Fifteen are shipped."""
    assert len(library.names()) == 15
    assert {"gray", "blur", "rotate90", "crop"} < set(library.names())
    with pytest.raises(InvalidRequest, match="no filter 'nothing' is shipped; there are blur"):
        library.code("nothing")


def test_similarity_knows_equal_and_different() -> None:
    """Similarity knows equal and different."""
    image = source()
    assert ssim(image, image) == pytest.approx(1)
    assert ssim(image, apply_here(Step("blur", {}), image)) < 0.8
    assert ssim(image, apply_here(Step("invert", {}), image)) < 0.2


@pytest.mark.parametrize("name", library.names())
def test_golden_image(name: str) -> None:
    """Golden image."""
    golden = cv2.imread(str(expected(name)), cv2.IMREAD_UNCHANGED)
    assert golden is not None
    assert ssim(apply_here(step_of(name), source()), np.asarray(golden)) > 0.99


@pytest.mark.parametrize("name", library.names())
def test_every_kind_of_picture(name: str) -> None:
    """Every kind of picture."""
    colour = source()
    gray = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))
    for image in (colour, gray, colour.astype(np.uint16) * 257, gray.astype(np.uint16) * 257):
        before = image.copy()
        result = apply_here(Step(name, {}), image)
        assert np.array_equal(image, before), "a filter is a pure function"
        assert result.dtype in (np.uint8, image.dtype)
        assert result.ndim in (2, 3)
        if name not in GEOMETRIC:
            assert result.shape[:2] == image.shape[:2]


@pytest.mark.parametrize("name", library.names())
def test_documented_and_pure(name: str) -> None:
    """Documented and pure."""
    spec = read_spec(name, library.code(name))
    assert spec.summary.endswith((".", "."))
    assert spec.whole is (name in GEOMETRIC)
    imported = {
        alias.name
        for node in ast.walk(ast.parse(library.code(name)))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported <= {"cv2", "numpy"}


def test_turning_and_cutting_do_not_commute() -> None:
    """F35's pair."""
    image = source()
    turn, cut = parse_chain("rotate90,crop:left=0.5")
    one = apply_here(cut, apply_here(turn, image))
    other = apply_here(turn, apply_here(cut, image))
    assert one.shape == (120, 40, 3)
    assert other.shape == (60, 80, 3)


def test_parameters_do_something() -> None:
    """Parameters do something."""
    image = source()
    for text in (
        "blur:radius=9",
        "brightness:amount=-40",
        "contrast:factor=0.2",
        "denoise:strength=2",
        "edges:low=5:high=20",
        "emboss:strength=3",
        "equalize:limit=9",
        "rotate90:turns=3",
        "sepia:strength=0.3",
        "sharpen:amount=4",
        "threshold:invert=yes",
        "resize:scale=0.5",
        "resize:height=20",
        "resize:width=10:height=70",
        "crop:top=0.3:right=0.1",
    ):
        step = parse_chain(text)[0]
        plain = apply_here(Step(step.name, {}), image)
        changed = apply_here(step, image)
        assert plain.shape != changed.shape or not np.array_equal(plain, changed), text


def test_sepia_of_nothing_changes_nothing() -> None:
    """Sepia of nothing changes nothing."""
    assert ssim(apply_here(Step("sepia", {"strength": "0"}), source()), source()) > 0.999


def test_cutting_everything_away_is_refused() -> None:
    """Cutting everything away is refused."""
    with pytest.raises(ValueError, match="nothing would be left"):
        apply_here(Step("crop", {"left": "0.6", "right": "0.6"}), source())
