"""The one thread that sends: every stream at its time, many at one waking."""

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol

from iceflix.runtime.log import get_logger

# It does not wake more often than this, however many streams there are: a packet is at most so much
# late, a sixth of the jitter buffer of 50 ms that any player has, and what is due by then shares
# one waking.
_TICK_SECONDS = 0.008
_log = get_logger(__name__)
_STEP_SECONDS = 0.001  # between two calls of one stream, whatever it says
NEVER = float("inf")
_AWAKE = -NEVER
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
                self.add(stream, max(due, now + _STEP_SECONDS))


class _Bell:
    """Ends a wait. Cheaper at each of them than a queue, an event or a condition."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self.wait(0.0)

    def ring(self) -> None:
        """End the wait, or the next one."""
        with contextlib.suppress(RuntimeError):  # it has been rung already
            self._silent.release()

    def wait(self, seconds: float | None) -> None:
        """Wait, for ever if None, until it rings."""
        # pylint: disable-next=consider-using-with  # not a region: whoever rings releases it
        self._silent.acquire(timeout=-1 if seconds is None else seconds)


class Pacer:
    """Runs an agenda."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._agenda = Agenda()
        self._bell = _Bell()
        self._sleeps_until = _AWAKE
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
        self._thread.start()

    def wake(self, stream: Paced, due: float) -> None:
        """Call this stream then, instead of what was agreed before."""
        stream.ticket += 1
        self._agenda.add(stream, due)
        if due < self._sleeps_until:
            self._bell.ring()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._bell.ring()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._closed:
            now = self.clock()
            self._agenda.run(now)
            self._sleeps_until = NEVER  # who comes from now on rings
            first = self._agenda.first
            pause = None
            if first is not None:
                self._sleeps_until = max(first, now + _TICK_SECONDS)
                pause = max(0.0, self._sleeps_until - self.clock())
            self._bell.wait(pause)
            self._sleeps_until = _AWAKE
