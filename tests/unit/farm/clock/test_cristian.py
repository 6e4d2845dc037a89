"""Cristian's algorithm with clocks and delays of our making (F20, F21)."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.runtime.cristian import EXCHANGES, Correction, Reference, Sample, estimate

_delays = st.floats(0.0, 2.0)
_offsets = st.floats(-1e6, 1e6)


def _sample(offset: float, there: float, back: float, start: float = 1000.0) -> Sample:
    """An exchange with a clock that is ahead by ``offset``."""
    received = start + there + back
    return Sample(start, received, received, start + there + offset)


def test_three_seconds_are_found() -> None:
    """F20: +3.000 s, found within half a round trip."""
    samples = [_sample(3.0, 0.001 * n, 0.002 * n) for n in range(1, EXCHANGES + 1)]
    found = estimate(samples, Reference())
    assert found.exchanges == 10
    assert found.error_bound == pytest.approx(0.0015)
    assert abs(found.seconds - 3.0) <= found.error_bound + 1e-9


def test_the_quickest_exchange_counts_not_the_mean() -> None:
    """The quickest exchange counts not the mean."""
    samples = [_sample(3.0, 1.0, 0.0) for _ in range(9)] + [_sample(3.0, 0.001, 0.001)]
    assert estimate(samples, Reference()).seconds == pytest.approx(3.0, abs=1e-9)


@given(_offsets, st.lists(st.tuples(_delays, _delays), min_size=1, max_size=12))
def test_the_error_is_within_the_bound(offset: float, delays: list[tuple[float, float]]) -> None:
    """The error is within the bound, however unequal the ways are."""
    samples = [_sample(offset, there, back) for there, back in delays]
    found = estimate(samples, Reference())
    assert abs(found.seconds - offset) <= found.error_bound + 1e-6
    assert found.error_bound == pytest.approx(min(map(sum, delays)) / 2, abs=1e-9)


@given(st.lists(st.tuples(_offsets, _delays, _delays), min_size=1, max_size=4))
def test_corrections_accumulate_along_a_chain(links: list[tuple[float, float, float]]) -> None:
    """F21: each follows the one before; the last one's correction is the sum of the links."""
    reference = Reference()
    total = 0.0
    for offset, there, back in links:
        total += offset
        # This clock is behind the one before by ``offset``, and that one tells its corrected time.
        found = estimate([_sample(total, there, back)], reference)
        assert abs(found.link - offset) <= found.error_bound + 1e-5
        reference = Reference(found.seconds, found.error_bound)
    assert abs(reference.correction - total) <= reference.error_bound + 1e-5


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=5),
    st.floats(1e-4, 0.5),
)
def test_no_effect_precedes_its_cause(skews: list[float], way: float) -> None:
    """F22: messages on equal ways, stamped with corrected time, are in order on every machine."""
    corrections = [estimate([_sample(-skew, way, way)], Reference()) for skew in skews]
    true_times = [5000.0 + hop * (way + 0.001) for hop in range(len(skews))]
    stamps = [
        now + skew + correction.seconds
        for now, skew, correction in zip(true_times, skews, corrections, strict=True)
    ]
    assert all(cause < effect for cause, effect in pairwise(stamps))


def test_without_a_reference_nothing_is_promised() -> None:
    """Without a reference nothing is promised."""
    assert not Correction().synchronised
    found = estimate([_sample(3.0, 0.1, 0.1)], Reference(0.0, math.inf))
    assert not found.synchronised
    with pytest.raises(ValueError, match="no exchange"):
        estimate([], Reference())
