"""The StreamProviders that run on this machine, and how to make them read their folder again."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil


def tell_providers(home: Path) -> list[int]:
    """Have every StreamProvider of this ``ICEFLIX_HOME`` rescan; returns their process ids.

    Raises PermissionError when one belongs to somebody else.
    """
    told = []
    for pid in _providers(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
            told.append(pid)
    return told


def _providers(home: Path) -> Iterator[int]:
    for file in sorted((home / "run").glob("streaming-*.pid")):
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            pid = int(file.read_text(encoding="ascii"))
            if pid > 1 and _is_provider(pid):
                yield pid


def _is_provider(pid: int) -> bool:
    """Whether this is one of ours. SIGUSR1 would kill a stranger that has got the number since."""
    command = psutil.Process(pid).cmdline()
    serves = any(word.endswith("serve") for word in command) and "streaming" in command
    return serves and any("iceflix" in word for word in command)
