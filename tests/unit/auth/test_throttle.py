"""Slowing guesses down (pure)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.auth import throttle as throttle_module
from iceflix.auth.throttle import FORGET_SECONDS, LONGEST_DELAY_SECONDS, Throttle


def delays(throttle: Throttle, count: int, now: float = 0.0, user: str = "ana") -> list[float]:
    """The delays of so many failures in a row."""
    return [throttle.failed(user, "10.0.0.1", now) for _ in range(count)]


def test_the_first_ten_failures_are_answered_at_once_and_then_ever_later() -> None:
    """Up to a bound."""
    found = delays(Throttle(10), 18)
    assert found[:10] == [0.0] * 10
    assert found[10:16] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert found[16:] == [LONGEST_DELAY_SECONDS] * 2


def test_success_forgives() -> None:
    """It starts from the beginning."""
    throttle = Throttle(10)
    delays(throttle, 15)
    throttle.succeeded("ana", "10.0.0.1")
    assert delays(throttle, 11)[10:] == [0.25]


def test_other_users_and_other_addresses_are_not_slowed() -> None:
    """Each pair is counted for itself."""
    throttle = Throttle(10)
    delays(throttle, 15)
    assert throttle.failed("eva", "10.0.0.1", 0.0) == 0.0
    assert throttle.failed("ana", "10.0.0.2", 0.0) == 0.0
    throttle.succeeded("ana", "10.0.0.2")
    assert throttle.failed("ana", "10.0.0.1", 0.0) > 0.0


def test_time_heals() -> None:
    """A while without failures is enough."""
    throttle = Throttle(10)
    delays(throttle, 15)
    assert throttle.failed("ana", "10.0.0.1", FORGET_SECONDS - 1) > 0.0
    assert throttle.failed("ana", "10.0.0.1", 2 * FORGET_SECONDS) == 0.0


def test_zero_free_failures_slow_the_first() -> None:
    """The property may be 0."""
    assert delays(Throttle(0), 2) == [0.25, 0.5]


def test_a_bounded_number_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, refusals go out at once."""
    monkeypatch.setattr(throttle_module, "WAITING_LIMIT", 20)
    throttle = Throttle(0)
    found = delays(throttle, 100)
    assert sum(delay > 0 for delay in found) == 20
    assert throttle.waiting(0.0) == 20
    assert throttle.waiting(LONGEST_DELAY_SECONDS) == 0
    assert throttle.failed("ana", "10.0.0.1", LONGEST_DELAY_SECONDS) == LONGEST_DELAY_SECONDS


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names are tried."""
    monkeypatch.setattr(throttle_module, "COUNTS_LIMIT", 50)
    throttle = Throttle(1)
    for number in range(1000):
        throttle.failed(f"user{number}" * 10_000, "10.0.0.1", float(number) / 100)
    assert len(throttle) == 50


@given(
    st.integers(0, 20),
    st.lists(
        st.tuples(
            st.sampled_from(["ana", "eva"]), st.booleans(), st.floats(0, 1000, allow_nan=False)
        )
    ),
)
def test_delays_stay_in_bounds_and_only_follow_enough_failures(
    free: int, steps: list[tuple[str, bool, float]]
) -> None:
    """Whatever the order."""
    throttle, now = Throttle(free), 0.0
    failures = {"ana": 0, "eva": 0}
    for user, right, pause in steps:
        now += pause
        if right:
            throttle.succeeded(user, "here")
            failures[user] = 0
            continue
        failures[user] += 1
        delay = throttle.failed(user, "here", now)
        assert 0.0 <= delay <= LONGEST_DELAY_SECONDS
        assert delay == 0.0 or failures[user] > free
