"""Keeps the library true while the service runs.

One thread reads the folder: at the start, when asked to, and again shortly after it has met files
that somebody was still writing. Questions are answered at once, from what is known by then.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Scheduler
from iceflix.streaming.library import Medium, Stamp
from iceflix.streaming.scan import Listing, Outcome, Progress, Scanner, walk
from iceflix.streaming.shelf import Shelf

_RETRY_LIMIT_SECONDS = 5.0
_RETRY_GROWTH = 1.5
_log = get_logger(__name__)


@dataclass(frozen=True)
class Desk:
    """What a librarian works with; ``close_readers`` ends the processes that look into files."""

    folder: Path
    scanner: Scanner
    close_readers: Callable[[], None]
    scheduler: Scheduler
    progress: Progress
    settle_seconds: float


@dataclass
class _Todo:
    """What the next pass is to read: the whole folder, or these files."""

    whole: bool = True
    files: set[str] = field(default_factory=set)
    pause: float = 0.0  # before it looks again at a file that is being written


class Librarian:
    """Owner of the thread that reads. Thread-safe."""

    def __init__(self, desk: Desk, shelf: Shelf) -> None:
        self._desk = desk
        self._shelf = shelf
        self._lock = threading.Lock()
        self._todo = _Todo()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="librarian", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """End, also in the middle of a file."""
        self._stopping.set()
        self._desk.scanner.stop()
        self._desk.close_readers()
        self._wanted.set()
        self._thread.join(2)

    def rescan(self) -> None:
        """Read the folder again: new files are announced, missing ones are gone (V73)."""
        with self._lock:
            self._todo.whole = True
        self._wanted.set()

    def find(self, media_id: str) -> Medium | None:
        """The medium at a place where its file is, unchanged; None when there is none (V41)."""
        for medium in self._shelf.places(media_id):
            with contextlib.suppress(OSError):
                if Stamp.of(os.stat(medium.path)) == medium.stamp:  # noqa: PTH116
                    return medium
            self._look_again([medium.path])
        return None

    def media(self) -> list[Medium]:
        """Every medium that is known, at the first of its places. Touches no file."""
        return self._shelf.media()

    # -- inside

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping.is_set():
                return
            try:
                self._pass()
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("reading the media folder failed")

    def _pass(self) -> None:
        with self._lock:
            todo, self._todo = self._todo, _Todo(whole=False, pause=self._todo.pause)
        folder = str(self._desk.folder)
        listing = walk(folder) if todo.whole else _listing_of(todo.files)
        self._shelf.drop_vanished(listing, None if todo.whole else todo.files)
        try:
            outcome = self._desk.scanner.scan(listing, self._shelf, self._desk.progress)
        finally:
            self._desk.close_readers()
        if outcome.cancelled:
            return
        if todo.whole:
            if folder not in listing.problems:  # an unmounted disk is no reason to forget it
                self._desk.scanner.forget_others(listing)
            _log.info(
                "media folder read",
                folder=folder,
                files=len(listing.found),
                titles=len(self.media()),
                being_written=len(outcome.unsettled),
            )
        self._plan_retry(outcome)

    def _plan_retry(self, outcome: Outcome) -> None:
        """Look again at files being written, less often the longer it takes."""
        with self._lock:
            if not outcome.unsettled:
                self._todo.pause = 0.0
                return
            longer = max(self._desk.settle_seconds, self._todo.pause * _RETRY_GROWTH)
            pause = self._todo.pause = min(_RETRY_LIMIT_SECONDS, longer)
        self._desk.scheduler.after(pause, lambda: self._look_again(list(outcome.unsettled)))

    def _look_again(self, paths: list[str]) -> None:
        with self._lock:
            self._todo.files.update(paths)
        self._wanted.set()


def _listing_of(paths: set[str]) -> Listing:
    """A listing of single files; those that are gone are left out."""
    listing = Listing()
    for path in sorted(paths):
        try:
            listing.found[path] = Stamp.of(os.stat(path))  # noqa: PTH116
        except FileNotFoundError:
            continue
        except OSError as error:
            listing.problems[path] = error.strerror or type(error).__name__
    return listing
