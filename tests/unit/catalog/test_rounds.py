"""Questions that calls share: never an answer that is older than the call (V27)."""

import queue
import threading
from collections.abc import Iterator

import pytest

from iceflix.catalog.rounds import Rounds

_SECONDS = 20


class Provider:
    """Answers when it is told to; knows how often it was asked, and what."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def question(self, whom: str) -> str | None:
        """Wait for the answer, unless it is one that answers at once."""
        if whom == "quick":
            return "quick"
        self.asked.put(whom)
        return self.answers.get(timeout=_SECONDS)

    def wait(self) -> None:
        """Wait until it is asked."""
        self.asked.get(timeout=_SECONDS)


class Call:
    """A call on a thread of its own, and what it was told."""

    def __init__(self, rounds: Rounds[str], whom: str) -> None:
        self.told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=rounds.ask, args=(whom, self.told.put), daemon=True)
        self.thread.start()

    def answer(self) -> str | None:
        """What it is told in the end."""
        return self.told.get(timeout=_SECONDS)

    def returns(self) -> bool:
        """Whether its thread is free again, told or not."""
        self.thread.join(_SECONDS)
        return not self.thread.is_alive()


@pytest.fixture(name="provider")
def _provider() -> Provider:
    return Provider()


@pytest.fixture(name="rounds")
def _rounds(provider: Provider) -> Iterator[Rounds[str]]:
    rounds = Rounds(provider.question)
    yield rounds
    rounds.stop()


def _later(rounds: Rounds[str], number: int) -> list[Call]:
    """Calls that come while "one" is asked; none of them waits on its thread."""
    calls = [Call(rounds, "one") for _ in range(number)]
    assert all(call.returns() for call in calls)
    return calls


def test_who_comes_alone_is_told_at_once(rounds: Rounds[str]) -> None:
    """A question for each, on the caller's thread."""
    told: list[str | None] = []
    rounds.ask("quick", told.append)
    rounds.ask("quick", told.append)
    assert told == ["quick", "quick"]


def test_calls_that_come_while_one_is_asked_share_the_next_question(
    rounds: Rounds[str], provider: Provider
) -> None:
    """They do not go by the answer to a question that was asked before they came."""
    first = Call(rounds, "one")
    provider.wait()
    later = _later(rounds, 5)
    provider.answers.put("old")
    assert first.answer() == "old"
    provider.wait()
    assert all(call.told.empty() for call in later)
    latest = _later(rounds, 2)
    provider.answers.put("new")
    assert [call.answer() for call in later] == ["new"] * 5
    provider.wait()
    provider.answers.put("newest")
    assert [call.answer() for call in latest] == ["newest"] * 2
    assert provider.asked.empty()


def test_one_that_dies_between_two_calls(rounds: Rounds[str], provider: Provider) -> None:
    """Whoever came before the death may get it, whoever came after it does not."""
    first = Call(rounds, "one")
    provider.wait()
    (second,) = _later(rounds, 1)
    provider.answers.put("alive")
    assert first.answer() == "alive"
    provider.wait()
    provider.answers.put(None)
    assert second.answer() is None
    third = Call(rounds, "one")
    provider.wait()
    provider.answers.put(None)
    assert third.answer() is None


def test_one_that_hangs_holds_up_nobody_else(rounds: Rounds[str], provider: Provider) -> None:
    """Neither those who want another one, nor the threads of those who want it."""
    hanging = Call(rounds, "one")
    provider.wait()
    later = _later(rounds, 50)
    assert Call(rounds, "quick").answer() == "quick"
    provider.answers.put(None)
    assert hanging.answer() is None
    provider.wait()
    assert Call(rounds, "quick").answer() == "quick"
    provider.answers.put(None)
    assert [call.answer() for call in later] == [None] * 50


def test_those_who_are_told_nothing_may_ask_for_another(
    rounds: Rounds[str], provider: Provider
) -> None:
    """As a title's next provider is asked for when the newest is dead."""
    first = Call(rounds, "one")
    provider.wait()
    told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for _ in range(3):
        rounds.ask("one", lambda _nothing: rounds.ask("quick", told.put))
    provider.answers.put(None)
    assert first.answer() is None
    provider.wait()
    provider.answers.put(None)
    assert [told.get(timeout=_SECONDS) for _ in range(3)] == ["quick"] * 3


def test_a_question_that_fails_is_no_answer() -> None:
    """And the next call asks again."""

    def fail(_whom: str) -> str:
        raise ZeroDivisionError

    rounds = Rounds(fail)
    told: list[str | None] = []
    rounds.ask("one", told.append)
    rounds.ask("one", told.append)
    assert told == [None, None]
    rounds.stop()


def test_the_end(rounds: Rounds[str], provider: Provider) -> None:
    """Whoever waits is told, and so is whoever comes too late."""
    first = Call(rounds, "one")
    provider.wait()
    later = _later(rounds, 2)
    rounds.stop()
    assert [call.answer() for call in later] == [None, None]
    assert Call(rounds, "quick").answer() is None
    provider.answers.put("alive")
    assert first.answer() == "alive"
