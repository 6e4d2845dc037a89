"""The one thread that sends: every stream at its time, many at one waking."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol

from iceflix.runtime.log import get_logger

_TICK_SECONDS = 0.004  # it does not wake more often than this, however many streams there are
_log = get_logger(__name__)
NEVER = float("inf")
Clock = Callable[[], float]


class Paced(Protocol):
    """What the pacer moves on."""

    ticket: int  # an appointment counts only under the number that the stream has now

    def advance(self, now: float) -> float | None:
        """Send what is due; returns when it wants to be called again, None for never."""

    def fail(self, reason: str) -> None:
        """It has gone wrong: end."""


class Agenda:
    """Who is due when. ``add`` may be called from any thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Paced]] = []
        self._order = itertools.count()

    def add(self, stream: Paced, due: float) -> None:
        """Make an appointment."""
        heapq.heappush(self._heap, (due, next(self._order), stream.ticket, stream))

    @property
    def first(self) -> float | None:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Call all who are due, and make their next appointments."""
        while self._heap and self._heap[0][0] <= now:
            _, _, ticket, stream = heapq.heappop(self._heap)
            if ticket != stream.ticket:
                continue
            try:
                due = stream.advance(now)
            except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("a stream went wrong")
                stream.fail(f"its sender failed: {error}")
                continue
            if due is not None and ticket == stream.ticket:
                self.add(stream, max(due, now + _TICK_SECONDS / 4))


class Pacer:
    """Runs an agenda."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._agenda = Agenda()
        self._bell = threading.Event()
        self._sleeps_until = NEVER
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
        self._thread.start()

    def wake(self, stream: Paced, due: float) -> None:
        """Call this stream then, instead of what was agreed before."""
        stream.ticket += 1
        self._agenda.add(stream, due)
        if due < self._sleeps_until:
            self._bell.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._bell.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._closed:
            self._bell.clear()
            self._sleeps_until = NEVER  # who comes from now on rings
            now = self.clock()
            self._agenda.run(now)
            first = self._agenda.first
            if first is None:
                self._bell.wait()
                continue
            self._sleeps_until = first = max(first, now + _TICK_SECONDS)
            pause = first - self.clock()
            if pause > 0:
                self._bell.wait(pause)
