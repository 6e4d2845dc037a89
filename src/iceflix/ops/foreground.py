"""What the programs that run in the foreground share: signals, a log of their own, their end."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from iceflix.contract import Ice
from iceflix.ops.console import Console
from iceflix.ops.fleet import Fleet
from iceflix.runtime import log
from iceflix.runtime.communicator import initialize
from iceflix.runtime.settings import Settings

Body = Callable[[Ice.Communicator, Fleet], Awaitable[int]]


def run(name: str, settings: Settings, console: Console, body: Body) -> int:
    """Run ``body`` with a communicator and a fleet that our signals stop. Raises SetupError."""

    async def inside(communicator: Ice.Communicator) -> int:
        fleet = Fleet(console)
        _take_signals(fleet)
        return await body(communicator, fleet)

    _log_to_file(name, settings)
    try:
        with initialize(settings) as communicator:
            return asyncio.run(inside(communicator))
    finally:
        console.close()


def leave(code: int) -> NoReturn:
    """End the process. A console thread may hang in a stopped terminal: nobody waits for it."""
    sys.stderr.flush()
    os._exit(code)


def _take_signals(fleet: Fleet) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, _told_to_stop, fleet)


def _told_to_stop(fleet: Fleet) -> None:
    if fleet.stopping.is_set():  # a second time: somebody is in a hurry
        fleet.kill()
    fleet.stopping.set()


def _log_to_file(name: str, settings: Settings) -> None:
    """What Ice says to us goes to a file; on the screen it would tear the table."""
    log.configure("warning", settings.path("Log.Folder") / f"{name}.log", name)
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if isinstance(one, logging.FileHandler)]
