"""The Authenticators that run on this machine, and how to tell them that the file has changed."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil


def tell_authenticators(home: Path) -> list[int]:
    """Have every Authenticator of this ``ICEFLIX_HOME`` re-read its users; return their pids.

    One that belongs to somebody else cannot be signalled; it counts, since it looks at the file
    by itself.
    """
    told = []
    for pid in _authenticators(home):
        with contextlib.suppress(ProcessLookupError):
            with contextlib.suppress(PermissionError):
                os.kill(pid, signal.SIGUSR1)
            told.append(pid)
    return told


def _authenticators(home: Path) -> Iterator[int]:
    for file in sorted((home / "run").glob("auth-*.pid")):
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            pid = int(file.read_text(encoding="ascii"))
            if pid > 1 and _is_authenticator(pid):
                yield pid


def _is_authenticator(pid: int) -> bool:
    """Whether this is one of ours. SIGUSR1 would kill a stranger that has got the number since."""
    command = psutil.Process(pid).cmdline()
    serves = any(word.endswith("serve") for word in command) and "auth" in command
    return serves and any("iceflix" in word for word in command)
