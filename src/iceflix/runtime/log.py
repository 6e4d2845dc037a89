"""Structured logs: plain lines on standard error, JSON lines in a file per process.

Every line carries the service, its short id and the correlation id of the request, so that one
request can be followed through all processes.
"""

import logging
import logging.handlers
import sys
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from iceflix.runtime.request import add_request

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
LEVELS["error"] = logging.ERROR
_FILE_BYTES = 10_000_000
_FILES_KEPT = 3
_clock: list[Callable[[], float]] = [time.time]


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: ``log.info("words for the event", key=value)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def use_clock(now: Callable[[], float]) -> None:
    """Stamp the lines with this time, seconds since 1970.

    Of a corrected clock: an effect never precedes its cause, whatever machine it is on (F22).
    """
    _clock[0] = now


def _stamp(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
    moment = datetime.fromtimestamp(_clock[0](), UTC)
    event["timestamp"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event


def _shared_processors(service: str) -> list[Any]:
    def add_service(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
        event["service"] = service
        return event

    return [
        add_service,
        add_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        _stamp,
    ]


def _formatter(service: str, *processors: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(service),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
    )


def _without_traceback(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
    if event.pop("exc_info", None):
        event["error"] = repr(sys.exc_info()[1])[:500]
    return event


def configure(level: str, file: Path | None, service: str) -> None:
    """Send logs to standard error (no tracebacks) and, with them, to a rotating file.

    Raises OSError when the folder of the file cannot be made.
    """
    console = logging.StreamHandler(sys.stderr)
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    console.setFormatter(_formatter(service, _without_traceback, plain))
    handlers: list[logging.Handler] = [console]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        journal = logging.handlers.RotatingFileHandler(
            file, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8", delay=True
        )
        json = structlog.processors.JSONRenderer(ensure_ascii=False, default=repr)
        journal.setFormatter(_formatter(service, structlog.processors.format_exc_info, json))
        handlers.insert(0, journal)
    root = logging.getLogger()
    for old in root.handlers:
        old.close()
    root.handlers = handlers
    root.setLevel(LEVELS[level])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk must not flood the terminal
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(service),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class IceLogger:
    """What Ice itself has to say, as log lines."""

    def __init__(self, prefix: str = "ice") -> None:
        self._prefix = prefix
        self._log = get_logger("ice")

    def print(self, message: str) -> None:
        """Take an informative line."""
        self._log.info(message)

    def trace(self, category: str, message: str) -> None:
        """Take a trace line."""
        self._log.debug(message, category=category)

    def warning(self, message: str) -> None:
        """Take a warning; some span lines."""
        self._log.warning(" ".join(message.split()))

    def error(self, message: str) -> None:
        """Take an error."""
        self._log.error(" ".join(message.split()))

    def getPrefix(self) -> str:  # pylint: disable=invalid-name  # Ice.Logger's name
        """Return the prefix that Ice gave."""
        return self._prefix

    def cloneWithPrefix(self, prefix: str) -> "IceLogger":  # pylint: disable=invalid-name
        """Return a logger for another communicator."""
        return IceLogger(prefix)
