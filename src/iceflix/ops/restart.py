"""When to start a service again, and when to give up. Pure: the clock is an argument.

A service is *starting* until it says that it is ready, then *ready*. When it ends by itself it is
*waiting* for its next start: half a second at first, twice as long each time, 30 s at most. Having
been up for half a minute clears its record. One that refuses to start (exit code 2) before it was
ever ready will refuse again: that ends the whole run.
"""

from dataclasses import dataclass
from enum import Enum

EXIT_SETUP = 2
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
STABLE_SECONDS = 30.0


class State(Enum):
    """What a supervised service is doing."""

    STARTING = "starting"
    READY = "ready"
    SILENT = "not answering"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Restart:
    """Start it again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """It cannot start; so does the whole run not."""

    code: int


class Lifeline:
    """The record of one service. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.state = State.STOPPED
        self.restarts = 0
        self._failures = 0
        self._began = 0.0
        self._was_ready = False

    def started(self, now: float) -> None:
        """Its process runs."""
        self._began = now
        self.state = State.STARTING

    def starting_for(self, now: float) -> float:
        """For how many seconds it has been starting; 0 when it is not."""
        return now - self._began if self.state is State.STARTING else 0.0

    def heard(self, *, answers: bool) -> bool:
        """It was found ready, or silent; returns whether that is news."""
        if self.state not in {State.STARTING, State.READY, State.SILENT}:
            return False
        if self.state is State.STARTING and not answers:
            return False
        before, self.state = self.state, State.READY if answers else State.SILENT
        self._was_ready |= answers
        return self.state is not before

    def ended(self, code: int, now: float) -> Restart | GiveUp:
        """Its process ended by itself, with this exit code (negative: by that signal)."""
        if code == EXIT_SETUP and not self._was_ready:
            self.state = State.STOPPED
            return GiveUp(code)
        if now - self._began >= STABLE_SECONDS:
            self._failures = 0
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 30))
        self._failures += 1
        self.restarts += 1
        self.state = State.WAITING
        return Restart(pause)

    def stopped(self) -> None:
        """It was ended on purpose."""
        self.state = State.STOPPED
