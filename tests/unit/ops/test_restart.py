"""When to start again, and when to give up."""

from hypothesis import given
from hypothesis import strategies as st

from iceflix.ops.restart import (
    EXIT_SETUP,
    FIRST_SECONDS,
    LONGEST_SECONDS,
    STABLE_SECONDS,
    GiveUp,
    Lifeline,
    Restart,
    State,
)


def _up(now: float = 0.0) -> Lifeline:
    life = Lifeline()
    life.started(now)
    life.heard(answers=True)
    return life


def test_pauses_double_up_to_a_bound() -> None:
    """0.5, 1, 2 ... 30, 30."""
    life = Lifeline()
    pauses = []
    for _ in range(9):
        life.started(0.0)
        decision = life.ended(1, 0.1)
        assert isinstance(decision, Restart)
        pauses.append(decision.seconds)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert life.restarts == 9
    assert life.state is State.WAITING


def test_a_stable_while_clears_the_record() -> None:
    """What crashed long ago is forgiven."""
    life = _up()
    assert life.ended(-9, 1.0) == Restart(FIRST_SECONDS)
    life.started(2.0)
    assert life.ended(-9, 3.0) == Restart(2 * FIRST_SECONDS)
    life.started(4.0)
    assert life.ended(-9, 4.0 + STABLE_SECONDS) == Restart(FIRST_SECONDS)


def test_one_that_refuses_to_start_is_not_asked_again() -> None:
    """Until it was ready once: then the same code may be a matter of the moment."""
    life = Lifeline()
    life.started(0.0)
    assert life.ended(EXIT_SETUP, 0.1) == GiveUp(EXIT_SETUP)
    assert life.state is State.STOPPED
    assert isinstance(_up().ended(EXIT_SETUP, 0.1), Restart)


def test_states_and_news() -> None:
    """Only changes are news; silence while starting is none."""
    life = Lifeline()
    seen = []
    for answers in (True, None, False, True, True, False, False, True):
        if answers is None:
            life.started(0.0)
        else:
            seen.append((life.heard(answers=answers), life.state))
    assert seen == [
        (False, State.STOPPED),
        (False, State.STARTING),
        (True, State.READY),
        (False, State.READY),
        (True, State.SILENT),
        (False, State.SILENT),
        (True, State.READY),
    ]
    life.stopped()
    assert not life.heard(answers=True)


@given(st.lists(st.tuples(st.integers(-15, 255), st.floats(0, 100), st.booleans()), max_size=50))
def test_pauses_are_always_bounded(history: list[tuple[int, float, bool]]) -> None:
    """Whatever happens."""
    life, now = Lifeline(), 0.0
    for code, uptime, ready in history:
        life.started(now)
        if ready:
            life.heard(answers=True)
        now += uptime
        decision = life.ended(code, now)
        if isinstance(decision, Restart):
            assert FIRST_SECONDS <= decision.seconds <= LONGEST_SECONDS
        else:
            assert code == EXIT_SETUP


def test_how_long_a_start_takes() -> None:
    """Nothing else counts as starting."""
    life = Lifeline()
    assert life.starting_for(9.0) == 0
    life.started(10.0)
    assert life.starting_for(13.0) == 3
    life.heard(answers=True)
    assert life.starting_for(14.0) == 0
