"""Keeps the library true while the service runs.

One thread reads the folder: at the start, when asked to, when something in it has changed, from
time to time, and again shortly after it has met files that somebody was still writing. Questions
are answered at once, from what is known by then.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Handle, Scheduler
from iceflix.streaming.errands import Errand, Errands, Patience
from iceflix.streaming.library import Medium, Stamp
from iceflix.streaming.scan import Outcome, Progress, Scanner
from iceflix.streaming.shelf import Shelf
from iceflix.streaming.walk import Identity, Listing, Scope, look, walk
from iceflix.streaming.watch import Watcher

_GLANCE_SECONDS = 5.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class Pace:
    """How long a file must rest, and how often the folder is read again, seconds; 0: never.

    With ``watch``, changes are noticed as they happen.
    """

    settle_seconds: float
    rescan_seconds: float = 0.0
    watch: bool = True


@dataclass(frozen=True)
class Desk:
    """What a librarian works with; ``close_readers`` ends the processes that look into files."""

    folder: Path
    scanner: Scanner
    close_readers: Callable[[], None]
    scheduler: Scheduler
    progress: Progress
    pace: Pace


class _Eyes:
    """What is known of the folders: which there are, and which are watched. For one thread."""

    def __init__(self, folder: Path, watcher: Watcher | None) -> None:
        self._folder = str(folder)
        self._watcher = watcher
        self._known: Mapping[str, Identity] = {}

    def read(self, paths: set[str] | None) -> tuple[Listing, Scope | None]:
        """List the whole folder, or what is at these paths."""
        enter = self._watcher.add if self._watcher is not None else None
        if paths is not None and self._folder not in paths:
            listing, scope = look(paths, self._known, enter)
            others = {path: known for path, known in self._known.items() if not scope.covers(path)}
            self._take(others | listing.folders)
            return listing, scope
        listing = walk(self._folder, enter)
        self._take(listing.folders)
        return listing, None

    def same(self) -> bool:
        """Whether the folder is the one that was read: not another disk, and there at all."""
        try:
            status = os.stat(self._folder)  # noqa: PTH116
        except OSError:
            return self._folder not in self._known
        return self._known.get(self._folder) == (status.st_dev, status.st_ino)

    def close(self) -> None:
        """Watch no longer."""
        if self._watcher is not None:
            self._watcher.close()

    def _take(self, folders: Mapping[str, Identity]) -> None:
        self._known = folders
        if self._watcher is not None:
            self._watcher.keep_only(folders)


class Librarian:
    """Owner of the thread that reads. Thread-safe."""

    def __init__(self, desk: Desk, shelf: Shelf) -> None:
        self._desk = desk
        self._shelf = shelf
        self._errands = Errands()
        pace = desk.pace
        self._patience = Patience(desk.scheduler, pace.settle_seconds, self._errands.look)
        self._eyes = _Eyes(desk.folder, Watcher(self._heard) if pace.watch else None)
        self._planned: Handle | None = None
        self._thread = threading.Thread(target=self._run, name="librarian", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._errands.rescan()
        self._thread.start()
        if self._desk.pace.watch:
            self._desk.scheduler.every(_GLANCE_SECONDS, self._errands.glance)

    def stop(self) -> None:
        """End, also in the middle of a file."""
        self._errands.stop()
        self._desk.scanner.stop()
        self._desk.close_readers()
        self._thread.join(2)
        self._eyes.close()

    def rescan(self) -> None:
        """Read the folder again: new files are announced, missing ones are gone (V73)."""
        self._errands.rescan()

    def find(self, media_id: str) -> Medium | None:
        """The medium at a place where its file is, unchanged; None when there is none (V41)."""
        for medium in self._shelf.places(media_id):
            with contextlib.suppress(OSError):
                if Stamp.of(os.stat(medium.path)) == medium.stamp:  # noqa: PTH116
                    return medium
            self._errands.look([medium.path])
        return None

    def media(self) -> list[Medium]:
        """Every medium that is known, at the first of its places. Touches no file."""
        return self._shelf.media()

    # -- inside

    def _heard(self, path: str | None) -> None:
        """Something has changed, says the watcher."""
        self._patience.heard()
        if path is None:
            self._errands.rescan()
        else:
            self._errands.look([path])

    def _run(self) -> None:
        while (errand := self._errands.take()) is not None:
            try:
                self._go(errand)
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("reading the media folder failed")

    def _go(self, errand: Errand) -> None:
        paths = self._paths_of(errand)
        if paths is None or paths:
            self._pass(paths)

    def _paths_of(self, errand: Errand) -> set[str] | None:
        """Where to look; None: everywhere."""
        if errand.whole or (errand.glance and not self._eyes.same()):
            return None
        return errand.paths

    def _pass(self, paths: set[str] | None) -> None:
        listing, unread = self._list(paths)
        try:
            outcome = self._desk.scanner.read(
                listing, unread, self._shelf, self._desk.progress, self._more
            )
        finally:
            self._desk.close_readers()
        if outcome.cancelled:
            return
        if paths is None:
            self._finish(outcome)
        self._patience.wait_for(outcome.unsettled)

    def _more(self) -> list[str]:
        """While files are read, which may take hours: what has changed since."""
        errand = self._errands.take_now()
        paths = self._paths_of(errand) if errand is not None else set()
        return self._list(paths)[1] if paths is None or paths else []

    def _list(self, paths: set[str] | None) -> tuple[Listing, list[str]]:
        """Make the library as true as it can be without reading files; returns those to read."""
        listing, scope = self._eyes.read(paths)
        known = self._desk.scanner.recognise(listing, self._shelf)
        self._shelf.drop_vanished(listing, scope, known.renamed)
        if scope is None and str(self._desk.folder) not in listing.problems:
            self._desk.scanner.forget_others(listing)
        return listing, known.unread

    def _finish(self, outcome: Outcome) -> None:
        """The whole folder has been read."""
        listing = outcome.listing
        _log.info(
            "media folder read",
            folder=str(self._desk.folder),
            files=len(listing.found),
            titles=self._shelf.count(),
            being_written=len(outcome.unsettled),
        )
        if self._planned is not None:
            self._planned.cancel()
        if self._desk.pace.rescan_seconds > 0:
            self._planned = self._desk.scheduler.after(
                self._desk.pace.rescan_seconds, self._errands.rescan
            )
