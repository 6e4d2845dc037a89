"""How a scan is shown: a bar on a terminal, a line in the log elsewhere, or not at all."""

import sys
import threading
import time

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from iceflix.runtime.log import get_logger
from iceflix.streaming.scan import Progress as ScanProgress

_LINE_SECONDS = 5.0
_log = get_logger(__name__)


class Silent:
    """Shows nothing."""

    def begin(self, files: int, size: int) -> None:
        """Take the total."""

    def advance(self, size: int) -> None:
        """Take bytes."""

    def done(self) -> None:
        """Take a file."""

    def end(self) -> None:
        """Take the end."""


class Lines(Silent):
    """A log line now and then, for scans that take their time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = self._size = self._done = self._read = 0
        self._next = 0.0

    def begin(self, files: int, size: int) -> None:
        """Take the total."""
        self._files, self._size, self._done, self._read = files, size, 0, 0
        self._next = time.monotonic() + _LINE_SECONDS

    def advance(self, size: int) -> None:
        """Take bytes; log a line when it is time."""
        with self._lock:
            self._read += size
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _LINE_SECONDS
        percent = round(100 * self._read / max(1, self._size))
        _log.info("reading media", files=self._files, done=self._done, percent=percent)

    def done(self) -> None:
        """Take a file."""
        with self._lock:
            self._done += 1


class Bar:
    """A bar on the terminal, gone when the scan is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._tasks: tuple[TaskID, TaskID] | None = None  # bytes, files

    def begin(self, files: int, size: int) -> None:
        """Show the bar, if there is anything to do."""
        if not files:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._tasks = (
            self._bar.add_task("Reading media", total=max(1, size), amount=""),
            self._bar.add_task("files", total=files, amount=f"of {files}"),
        )
        self._bar.start()

    def advance(self, size: int) -> None:
        """Take bytes."""
        if self._bar is not None and self._tasks is not None:
            task = self._tasks[0]
            read = decimal(int(self._bar.tasks[task].completed) + size)
            self._bar.update(task, advance=size, amount=read)

    def done(self) -> None:
        """Take a file."""
        if self._bar is not None and self._tasks is not None:
            self._bar.advance(self._tasks[1])

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def progress_for_terminal() -> ScanProgress:
    """A bar when standard error is a terminal, else log lines."""
    if sys.stderr.isatty():
        return Bar(Console(stderr=True))
    return Lines()
