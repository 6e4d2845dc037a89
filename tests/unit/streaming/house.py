"""A media folder with its librarian, without GStreamer: any file is a video."""

import threading
from pathlib import Path

from iceflix.runtime.scheduler import Scheduler
from iceflix.streaming.cache import Cache
from iceflix.streaming.librarian import Desk, Librarian, Pace
from iceflix.streaming.library import Format, Medium
from iceflix.streaming.progress import Silent
from iceflix.streaming.scan import Scanner
from iceflix.streaming.shelf import Shelf
from tests.conftest import wait_until
from tests.unit.streaming.samples import FORMAT

SETTLE = 0.05
LARGE = 100_000


class _Count(Silent):
    """Counts the bytes that are digested."""

    def __init__(self) -> None:
        self.read = 0
        self.large = threading.Event()  # whoever digests a large file waits for it
        self.large.set()

    def advance(self, size: int) -> None:
        """Take bytes."""
        self.read += size
        if size >= LARGE:
            self.large.wait(10)


class House:
    """A folder, a librarian, and what it announced."""

    def __init__(self, folder: Path, cache: Path, pace: Pace) -> None:
        self.folder = folder
        self.announced: list[Medium] = []
        self.gate = threading.Event()
        self.gate.set()
        self.scheduler = Scheduler()
        self.count = _Count()
        scanner = Scanner(
            Cache(cache, folder, lambda: "test"), self._examine, threads=2, settle_seconds=SETTLE
        )
        desk = Desk(folder, scanner, self.gate.set, self.scheduler, self.count, pace)
        self.librarian = Librarian(desk, Shelf(self.announced.append))

    def ids(self) -> set[str]:
        """What is available."""
        known = self.librarian.media()
        return {medium.id for medium in known if self.librarian.find(medium.id) is not None}

    def titles(self) -> set[str]:
        """The titles of what is available."""
        found = (self.librarian.find(medium_id) for medium_id in self.ids())
        return {medium.title for medium in found if medium is not None}

    def await_titles(self, *titles: str) -> None:
        """Wait until these are available, and nothing else."""
        wait_until(lambda: self.titles() == set(titles), what=f"{titles}, not {self.titles()}")

    def await_announced(self, *titles: str) -> None:
        """Wait until these have been announced, each once, and nothing else."""

        def told() -> list[str]:
            return sorted(medium.title for medium in self.announced)

        wait_until(lambda: told() == sorted(titles), what=f"{titles}, not {told()}")

    def close(self) -> None:
        """Stop everything."""
        self.librarian.stop()
        self.scheduler.stop()

    def _examine(self, path: str) -> Format:
        assert path
        self.gate.wait(10)
        return FORMAT
