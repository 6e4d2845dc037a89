"""The library as a thread-safe object that speaks: new titles are announced, bad files reported."""

import os
import threading
from collections.abc import Callable, Container

from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Change, Entry, Library, Medium
from iceflix.streaming.walk import Listing, Scope

_log = get_logger(__name__)


class Shelf:
    """Listens to the scanner. Thread-safe."""

    def __init__(self, announce: Callable[[Medium], object]) -> None:
        """``announce`` is called for every medium that becomes known, from several threads."""
        self._announce = announce
        self._library = Library()
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}  # path -> the problem that was reported

    def ready(self, path: str, entry: Entry) -> None:
        """Take a video into the library."""
        with self._lock:
            self._told.pop(path, None)
            change = self._library.put(path, entry)
            media = self._library.places(change.new) if change.new is not None else []
        _log_change(path, change)
        for medium in media:
            self._announce(medium)

    def skipped(self, path: str, reason: str) -> None:
        """Report a file that is of no use, once."""
        with self._lock:
            change = self._library.drop(path)
            known = self._told.get(path) == reason
            self._told[path] = reason
        _log_change(path, change)
        if not known:
            _log.warning("file skipped", path=printable(path), reason=reason)

    def drop_vanished(
        self, listing: Listing, scope: Scope | None = None, renamed: Container[str] = ()
    ) -> None:
        """Forget files that a listing does not hold; those that it is about, else all.

        What has only got another name is announced again, under that.
        """
        found, problems = listing.found, listing.problems

        def is_gone(path: str) -> bool:
            return path not in found and (scope is None or scope.covers(path))

        with self._lock:
            gone = [path for path in self._library.paths() if is_gone(path)]
            changes = {path: self._library.drop(path) for path in gone}
            kept = dict.fromkeys(change.kept for change in changes.values() if change.kept)
            media = [self._library.places(media_id) for media_id in kept]
            self._told = {
                path: said
                for path, said in self._told.items()
                if path in problems or not is_gone(path)
            }
        for path, change in changes.items():
            _log_change(path, change)
        for places in media:
            if places and all(medium.path in renamed for medium in places):
                _log.info("title renamed", media=places[0].id, path=printable(places[0].path))
                self._announce(places[0])

    def places(self, media_id: str) -> list[Medium]:
        """The medium at each of its places."""
        with self._lock:
            return self._library.places(media_id)

    def count(self) -> int:
        """How many media there are."""
        with self._lock:
            return len(self._library.ids())

    def media(self) -> list[Medium]:
        """Every medium, at the first of its places."""
        with self._lock:
            return [self._library.places(media_id)[0] for media_id in self._library.ids()]


def printable(path: str) -> str:
    """A path that any terminal and any log can take."""
    return os.fsencode(path).decode("utf-8", "replace")


def _log_change(path: str, change: Change) -> None:
    if change.new is not None:
        _log.info("new title", media=change.new, path=printable(path))
    if change.gone is not None:
        _log.info("title gone", media=change.gone, path=printable(path))
