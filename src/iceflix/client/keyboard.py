"""Single keys from a terminal, while a command plays."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator

_SEQUENCES = {
    b"\x1b[C": "right",
    b"\x1bOC": "right",
    b"\x1b[D": "left",
    b"\x1bOD": "left",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b" ": "space",
    b"q": "q",
    b"s": "q",
}


@contextlib.contextmanager
def keyboard(*, wanted: bool) -> Iterator[Callable[[float], str]]:
    """Give a function that waits so many seconds for a key and returns its name, or nothing.

    Without a terminal, or when it is not ``wanted``, there are no keys and it only waits.
    """
    if not wanted or not sys.stdin.isatty() or os.tcgetpgrp(0) != os.getpgrp():
        yield _sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def read(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        return _SEQUENCES.get(os.read(descriptor, 16), "")

    try:
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return ""
