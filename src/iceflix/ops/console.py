"""What a run shows: plain lines, or a live table on a terminal.

Neither ever blocks the caller: somebody may have stopped the terminal with Ctrl-S, or started us
with a pipe that nobody reads, and services are not to hang for that.
"""

import os
import queue
import re
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from iceflix.ops.restart import State

_LINES_WAITING = 10_000
_CLOSE_SECONDS = 0.5
_REFRESH_SECONDS = 0.25
_LINES_SHOWN = 6
_TITLES = ("service", "state", "process", "id", "endpoint")
_MIN_WIDTH = 7
_ROUTINE = re.compile(r"\S+ \[(?:info|debug) |-[!-] |   ")
_STAMP = re.compile(r"^\S+T(\d\d:\d\d:\d\d)\S* \[(\w+) *\] ")
_COLOURS = {
    State.READY: "green",
    State.STARTING: "yellow",
    State.WAITING: "red",
    State.SILENT: "magenta",
    State.STOPPED: "dim",
}


@dataclass(frozen=True)
class Row:
    """A service, as the table shows it."""

    service: str
    state: State
    note: str = ""
    identifier: str = ""
    pid: int | None = None
    endpoint: str = ""


class Console(Protocol):
    """Where a run speaks. No method raises or waits."""

    def say(self, text: str) -> None:
        """A line of ours."""

    def tell(self, text: str) -> None:
        """A line of ours about what the table shows anyway."""

    def heard(self, service: str, line: str) -> None:
        """A line that a service wrote."""

    def ending(self) -> None:
        """From now on services go, and complain of each other's absence."""

    def show(self, rows: Sequence[Row]) -> None:
        """How the services are now."""

    def close(self) -> None:
        """Show what is still to be shown, within half a second."""


class PlainConsole:
    """Our lines on standard output, the services' on standard error."""

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self._out, self._err = out, err
        self._lines: queue.Queue[tuple[int, str] | None] = queue.Queue(_LINES_WAITING)
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """A line of ours."""
        self._put((self._out, text))

    def tell(self, text: str) -> None:
        """A line of ours; there is no table here."""
        self.say(text)

    def heard(self, service: str, line: str) -> None:
        """A line that a service wrote."""
        self._put((self._err, f"{service} | {line}"))

    def ending(self) -> None:
        """Say so."""
        self.say("stopping")

    def show(self, rows: Sequence[Row]) -> None:
        """Not here: changes are said as lines."""

    def close(self) -> None:
        """Write what waits, within half a second."""
        self._put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _put(self, item: tuple[int, str] | None) -> None:
        with suppress(queue.Full):  # nobody reads
            self._lines.put_nowait(item)

    def _write(self) -> None:
        while (item := self._lines.get()) is not None:
            target, text = item
            rest = f"{text}\n".encode(errors="replace")
            with suppress(OSError):  # the reader is gone; the services are not
                while rest:
                    rest = rest[os.write(target, rest) :]


class LiveConsole:
    """A table that is kept up to date, our lines above it, the services' last errors below."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self._rich = rich or RichConsole(highlight=False, soft_wrap=True)
        self._rows: Sequence[Row] = ()
        self._ours: deque[str] = deque()
        self._theirs: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._ending = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="console", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """A line of ours."""
        self._ours.append(text)

    def tell(self, text: str) -> None:
        """Not here: the table shows it."""

    def heard(self, service: str, line: str) -> None:
        """A line that a service wrote; only trouble is shown here, all of it is in the logs."""
        if is_trouble(line) and not self._ending:
            short = _STAMP.sub(r"\1 \2: ", line)
            self._theirs.append(f"{service} | {short}")

    def ending(self) -> None:
        """Say so; what services complain of now is no trouble."""
        self._ending = True
        self.say("stopping")

    def show(self, rows: Sequence[Row]) -> None:
        """How the services are now."""
        self._rows = tuple(rows)

    def close(self) -> None:
        """Draw a last time, within half a second."""
        self._closing.set()
        self._thread.join(_CLOSE_SECONDS)

    def _draw(self) -> None:
        with (
            suppress(OSError),  # the terminal is gone; the services are not
            Live(console=self._rich, auto_refresh=False, redirect_stderr=False) as live,
        ):
            closing, drawn = False, None
            while not closing:
                closing = self._closing.wait(_REFRESH_SECONDS)
                while self._ours:
                    live.console.print(Text(self._ours.popleft()))
                picture = (self._rows, tuple(self._theirs))
                if picture != drawn:
                    live.update(table(*picture), refresh=True)
                    drawn = picture


def is_trouble(line: str) -> bool:
    """Whether a service's line is a warning or an error rather than the run of things.

    IceStorm warns whenever a subscriber goes; the services say better what happened.
    """
    return not _ROUTINE.match(line)


def table(rows: Sequence[Row], lines: Sequence[str]) -> RenderableType:
    """The table and the lines below it."""
    cells = [
        (
            row.service,
            row.note or row.state.value,
            "" if row.pid is None else str(row.pid),
            row.identifier,
            row.endpoint,
        )
        for row in rows
    ]
    grid = Table()
    for title in _TITLES:  # where there is no room, the id gives way
        grid.add_column(title, no_wrap=title != "id", overflow="ellipsis", min_width=_MIN_WIDTH)
    for row, (service, state, *rest) in zip(rows, cells, strict=True):
        grid.add_row(service, Text(state, _COLOURS[row.state]), *rest)
    below = [Text(line, "yellow", no_wrap=True, overflow="ellipsis") for line in lines]
    return Group(grid, *below)


def choose_console() -> Console:
    """The table on a terminal that can show one, else plain lines."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveConsole()
    return PlainConsole()
