"""Where the client writes what only its makers want to know: never the terminal, never a secret."""

import contextlib
import logging
import logging.handlers
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from iceflix.runtime import log
from iceflix.runtime.settings import Settings


def open_journal(settings: Settings) -> Path:
    """Send logs, those of Ice too, to ``client.log``; the file appears when there is something."""
    file = settings.path("Log.Folder") / "client.log"
    try:
        log.configure("warning", file, "client")
    except OSError:
        logging.getLogger().handlers = [logging.NullHandler()]
        return file
    root = logging.getLogger()
    root.handlers = [
        handler
        for handler in root.handlers
        if isinstance(handler, logging.handlers.RotatingFileHandler)
    ]
    return file


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what libraries write to file descriptor 2 off the terminal.

    Sound and graphics drivers complain there past Python and its loggers, into the middle of a
    screen that somebody is looking at. What Python itself writes to standard error still arrives.
    """
    kept = os.dup(2)
    own = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    before = sys.stderr, sys.__stderr__
    os.dup2(nowhere, 2)
    os.close(nowhere)
    # Textual writes the screen to the latter.
    sys.stderr = vars(sys)["__stderr__"] = own
    try:
        yield
    finally:
        sys.stderr, vars(sys)["__stderr__"] = before
        with contextlib.suppress(OSError):  # the terminal has gone
            own.close()
        os.dup2(kept, 2)
        os.close(kept)
