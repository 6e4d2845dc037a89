"""Where the client writes what only its makers want to know: never the terminal, never a secret."""

import logging
import logging.handlers
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
