"""Announcements on their way into the catalogue: queued, bounded, written in batches.

Whoever hears an announcement must neither wait nor raise; and ten thousand of them in a row must
not be ten thousand transactions.
"""

import queue
import threading
from collections.abc import Callable

from iceflix.catalog.catalogue import Announcement
from iceflix.catalog.database import StoreError
from iceflix.catalog.text import usable_id, usable_name, usable_provider
from iceflix.runtime.log import get_logger

_BATCH = 1000
_CAPACITY = 50_000
_RETRY_SECONDS = 1.0
_STOP_SECONDS = 2.0
_log = get_logger(__name__)


class Intake:
    """One thread that registers what is offered. ``overflowed`` is called after a loss."""

    def __init__(
        self,
        register: Callable[[list[Announcement]], None],
        overflowed: Callable[[], None],
        capacity: int = _CAPACITY,
    ) -> None:
        self._register = register
        self._overflowed = overflowed
        self._capacity = capacity
        self._queue: queue.SimpleQueue[Announcement | None] = queue.SimpleQueue()
        self._lost = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin to register."""
        self._thread.start()

    def stop(self) -> None:
        """Register what is waiting, if the database plays, and end."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join(_STOP_SECONDS)

    def offer(self, media_id: str, name: str, provider: str) -> None:
        """Take an announcement; it may be anything (V10). Never blocks."""
        if not usable_id(media_id):
            _log.warning("announcement ignored, unusable id", length=len(media_id))
        elif self._queue.qsize() >= self._capacity:
            if not self._lost:
                self._lost = True
                _log.warning("too many announcements; the providers will be asked again")
        else:
            self._queue.put(
                Announcement(
                    media_id,
                    name if usable_name(name) else "",
                    provider if usable_provider(provider) else "",
                )
            )

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._batch(first)
            self._register_somehow(batch)
            if last:
                return
            if self._lost and self._queue.empty():
                self._lost = False
                self._overflowed()

    def _batch(self, first: Announcement) -> tuple[list[Announcement], bool]:
        """What is waiting already, and whether the end was among it."""
        batch = [first]
        while len(batch) < _BATCH:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _register_somehow(self, batch: list[Announcement]) -> None:
        """Try until the database plays; a full disk or a foreign lock loses nothing."""
        while True:
            try:
                self._register(batch)
            except StoreError as error:
                _log.error("announcements not stored; trying again", error=str(error))
                if self._stopping.wait(_RETRY_SECONDS):
                    return
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("announcements lost", number=len(batch))
                return
            else:
                return
