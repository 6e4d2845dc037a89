"""Things to do later: one thread, callbacks that are short."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from iceflix.runtime.log import get_logger

Callback = Callable[[], object]
_log = get_logger(__name__)


@dataclass
class Handle:
    """A planned call, which can be called off."""

    callback: Callback | None
    interval: float | None

    def cancel(self) -> None:
        """Call it off; one that is running now is not interrupted."""
        self.callback = None


class Scheduler:
    """Calls back after, or every, so many seconds. A callback that raises is logged."""

    def __init__(
        self, name: str = "scheduler", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Handle]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def after(self, seconds: float, callback: Callback) -> Handle:
        """Call once, this many seconds from now."""
        return self._plan(seconds, Handle(callback, None))

    def every(self, seconds: float, callback: Callback) -> Handle:
        """Call again and again, with this pause between the end of one and the next."""
        return self._plan(seconds, Handle(callback, seconds))

    def stop(self) -> None:
        """Forget everything; waits for a callback that is running (unless called from it)."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(2)

    def _plan(self, seconds: float, handle: Handle) -> Handle:
        with self._changed:
            if not self._stopped:
                due = self._clock() + max(0.0, seconds)
                entry = (due, next(self._order), handle)
                heapq.heappush(self._queue, entry)
                if self._queue[0] is entry:  # else it wakes up in time anyway
                    self._changed.notify()
        return handle

    def _next(self) -> Handle | None:
        with self._changed:
            while not self._stopped:
                pause = None
                if self._queue:
                    pause = self._queue[0][0] - self._clock()
                    if pause <= 0:
                        return heapq.heappop(self._queue)[2]
                self._changed.wait(pause)
        return None

    def _run(self) -> None:
        while (handle := self._next()) is not None:
            callback = handle.callback
            if callback is None:
                continue
            try:
                callback()
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("a planned task failed")
            if handle.interval is not None and handle.callback is not None:
                self._plan(handle.interval, handle)
