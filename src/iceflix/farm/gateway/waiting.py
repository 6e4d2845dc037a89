"""Waiting for peers that come and go: for how long, and for whom no longer."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from iceflix.runtime.calls import Known
from iceflix.runtime.channels import Kind
from iceflix.runtime.directory import Directory
from iceflix.runtime.membership import Rumour

# A peer that dies may be started again by whoever looks after it.
COME_BACK_SECONDS = 4.0
LOOK_SECONDS = 0.25
_ANNOUNCED = 1.1  # announcements are varied by a tenth
_HEARD_SECONDS = 1.0
# Whoever hears of a newcomer announces itself within a second or two, however seldom it does so
# otherwise; an Authenticator, which does not hear of gateways, does so every five seconds.
_MOST_SECONDS = 6.0
Stop = Callable[[], None]


def until_heard(announce_seconds: float) -> float:
    """For so many seconds somebody who has just begun may not have heard of a peer that lives."""
    return min(_MOST_SECONDS, _ANNOUNCED * announce_seconds + _HEARD_SECONDS)


class Turn:  # pylint: disable=too-few-public-methods  # one question
    """Something that can be ended once, by whoever comes first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False

    def end(self) -> bool:
        """End it; returns whether it had not ended yet."""
        with self._lock:
            first, self._over = not self._over, True
            return first


class Patience:
    """Whether to wait while no peer of a kind is known.

    A young gateway may not have heard of it yet; one that was dropped may be on its way back.
    """

    def __init__(
        self,
        directory: Directory,
        kind: Kind[Any],
        young: float,
        again: float = COME_BACK_SECONDS,
    ) -> None:
        """Seconds from now on, and from when one was dropped."""
        self._again = again
        self._young = young
        self._until = time.monotonic() + young
        directory.on_removed(kind, self._removed)

    @property
    def lasts(self) -> bool:
        """Whether there is hope."""
        return time.monotonic() < self._until

    def renew(self) -> None:
        """Only from now on can anybody be heard: the broker is there (again)."""
        self._until = max(self._until, time.monotonic() + self._young)

    def _removed(self, _known: Known[Any]) -> None:
        self._until = max(self._until, time.monotonic() + self._again)


class Departures:  # pylint: disable=too-few-public-methods  # one question
    """Tells who waits for an answer that the directory has dropped the one that was asked.

    Whoever hangs does not answer its probes either, but keeps its connections open.
    """

    def __init__(self, directory: Directory, kind: Kind[Any]) -> None:
        self._directory = directory
        self._kind = kind
        self._lock = threading.Lock()
        self._waiting: defaultdict[Rumour, dict[object, Callable[[], None]]] = defaultdict(dict)
        directory.on_removed(kind, self._removed)

    def watch(self, known: Known[Any], gone: Callable[[], None]) -> Stop:
        """Call back, once, when it is dropped; what is returned stops that."""
        ticket = object()
        with self._lock:
            self._waiting[known.rumour][ticket] = gone

        def stop() -> None:
            with self._lock:
                waiting = self._waiting.get(known.rumour, {})
                waiting.pop(ticket, None)
                if not waiting:
                    self._waiting.pop(known.rumour, None)

        there = self._directory.find(self._kind, known.id)
        if there is None or there.rumour != known.rumour:
            self._removed(known)  # before we began to watch
        return stop

    def _removed(self, known: Known[Any]) -> None:
        with self._lock:
            waiting = self._waiting.pop(known.rumour, {})
        for gone in waiting.values():
            gone()
