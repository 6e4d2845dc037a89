"""A failover race run with Ice: asynchronous calls out, answers in by a queue."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from iceflix.contract import Ice
from iceflix.runtime.channels import PrxT
from iceflix.runtime.errors import NotAvailable
from iceflix.runtime.failover import Ask, Race
from iceflix.runtime.membership import Rumour
from iceflix.runtime.request import onward

T = TypeVar("T")


@dataclass(frozen=True)
class Known(Generic[PrxT]):
    """A live service: its announced id and its proxy, which carries the call deadline."""

    id: str
    proxy: PrxT
    rumour: Rumour


@dataclass(frozen=True)
class Question(Generic[PrxT, T]):
    """What to call, and which answers end the race."""

    call: Callable[[PrxT], "Ice.Future[T]"]
    accept: Callable[[T], bool] = lambda _answer: True


@dataclass(frozen=True)
class Outcome(Generic[PrxT, T]):
    """Who answered, and what."""

    proxy: PrxT
    answer: T


@dataclass(frozen=True)
class Reports:
    """Where to say how the candidates did."""

    answered: Callable[[Known[Any]], object]
    failed: Callable[[Known[Any], BaseException], object]


def run(
    candidates: list[Known[PrxT]], question: Question[PrxT, T], hedge: float, reports: Reports
) -> Outcome[PrxT, T]:
    """Ask the candidates until one gives an accepted answer; the last answer if none was accepted.

    A Slice user exception is an answer too, and is raised. ``hedge`` is in seconds. Raises
    NotAvailable if nobody answered.
    """
    race = Race(candidates, hedge)
    outcomes: queue.SimpleQueue[tuple[Known[PrxT], Any, BaseException | None]]
    outcomes = queue.SimpleQueue()
    best: Outcome[PrxT, T] | None = None
    effects = race.begin(time.monotonic())
    while True:
        for effect in effects:
            if isinstance(effect, Ask):
                _start(effect.candidate, question, reports, outcomes)
            elif best is not None:
                return best
            else:
                raise NotAvailable("nobody answers")
        try:
            pause = min(race.wakes - time.monotonic(), 3600.0)
            known, answer, error = outcomes.get(timeout=max(0.0, pause))
        except queue.Empty:
            effects = race.tick(time.monotonic())
            continue
        if isinstance(error, Ice.UserException):
            raise error
        if error is not None:
            effects = race.failed(time.monotonic())
            continue
        best = Outcome(known.proxy, answer)
        accepted = question.accept(answer)
        effects = race.answered() if accepted else race.declined(time.monotonic())


def _start(
    known: Known[PrxT],
    question: Question[PrxT, T],
    reports: Reports,
    outcomes: "queue.SimpleQueue[tuple[Known[PrxT], Any, BaseException | None]]",
) -> None:
    def ended(answer: Any, error: BaseException | None) -> None:
        # Reported here, not by who waits: a hung service is found out even when a rival has won.
        if error is None or isinstance(error, Ice.UserException):
            reports.answered(known)
        else:
            reports.failed(known, error)
        outcomes.put((known, answer, error))

    def done(future: "Ice.Future[T]") -> None:
        error = future.exception()
        ended(None if error else future.result(), error)

    try:
        question.call(onward(known.proxy)).add_done_callback(done)
    except Ice.LocalException as error:
        ended(None, error)
