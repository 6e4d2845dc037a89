"""What becomes of one job at central, as a state machine: events in, effects out. Pure.

    choosing -> asking health -> submitted -> ended
                  | ill, full      | lost, full
                  v                v
               choosing again, among those not tried yet; none left: refused

A job may be submitted again because its name makes it the same job (F37). An answer that arrives
late from one that was given up counts as well: it is the same result.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from iceflix.contract.reasons import NO_SERVERS, TOO_LATE
from iceflix.farm.central.rotation import Rotation

R = TypeVar("R")


@dataclass(frozen=True)
class AskHealth:
    """Ask this multiserver whether it is well (F25)."""

    server: str


@dataclass(frozen=True)
class Submit:
    """Give the job to this multiserver; it has so many seconds."""

    server: str
    seconds: float


@dataclass(frozen=True)
class CallOff:
    """Tell this multiserver, should it live, that its result is not wanted any more."""

    server: str


@dataclass(frozen=True)
class Answer(Generic[R]):
    """The job is done."""

    result: R


@dataclass(frozen=True)
class Refuse:
    """The job is not done, for this reason."""

    reason: str
    detail: str


Effect = AskHealth | Submit | CallOff | Answer[R] | Refuse


class Errand(Generic[R]):
    """One job. ``deadline`` and ``now`` are seconds of one clock; ``live`` are multiservers."""

    def __init__(self, rotation: Rotation, deadline: float) -> None:
        self._rotation = rotation
        self._deadline = deadline
        self._tried: list[str] = []
        self._working: str | None = None
        self._full = ""
        self.ended = False

    def begin(self, live: Collection[str]) -> list[Effect[R]]:
        """The job is accepted."""
        return self._choose(live)

    def healthy(self, server: str, now: float) -> list[Effect[R]]:
        """It is well and has room."""
        if self.ended or server != self._tried[-1] or self._working is not None:
            return []
        self._working = server
        return [Submit(server, max(0.0, self._deadline - now))]

    def ill(self, server: str, live: Collection[str], *, full: str = "") -> list[Effect[R]]:
        """It did not answer, or can take no job: when asked, or instead of a result.

        full: why it takes none, in a sentence; empty: it did not answer.
        """
        if self.ended or server != self._tried[-1]:
            return []
        self._full = self._full or full
        called_off: list[Effect[R]] = []
        if self._working is not None and not full:
            called_off.append(CallOff(server))
        self._working = None
        return called_off + self._choose(live)

    def answered(self, server: str, result: R) -> list[Effect[R]]:
        """A multiserver has done the job, be it one that was given up."""
        if self.ended:
            return []
        self.ended = True
        answer: list[Effect[R]] = [Answer(result)]
        if self._working not in (None, server):
            answer.append(CallOff(self._tried[-1]))
        return answer

    def refused(self, server: str, reason: str, detail: str) -> list[Effect[R]]:
        """A multiserver says why it cannot be done."""
        if self.ended or server != self._working:
            return []
        return self._refuse(reason, detail)

    def expired(self) -> list[Effect[R]]:
        """The deadline has passed."""
        if self.ended:
            return []
        called_off: list[Effect[R]] = [CallOff(self._working)] if self._working else []
        return called_off + self._refuse(TOO_LATE, "the result was not there in time")

    def _choose(self, live: Collection[str]) -> list[Effect[R]]:
        server = self._rotation.take(live, self._tried)
        if server is not None:
            self._tried.append(server)
            return [AskHealth(server)]
        if self._full:
            return self._refuse(NO_SERVERS, self._full)
        return self._refuse(NO_SERVERS, "no multiserver answers; try again later")

    def _refuse(self, reason: str, detail: str) -> list[Effect[R]]:
        self.ended = True
        return [Refuse(reason, detail)]
