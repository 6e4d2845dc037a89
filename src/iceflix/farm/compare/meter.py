"""What an engine costs: processor time, bytes through files and pipes, bytes over TCP.

Of this process and all its descendants. What a process spent that died in between is lost.
"""

import contextlib
import re
import subprocess
from dataclasses import dataclass

import psutil

_SENT = re.compile(r"bytes_sent:(\d+)")
_PID = re.compile(r"pid=(\d+)")


@dataclass(frozen=True)
class Reading:
    """Totals since the processes began; ``sent`` is -1 where it cannot be told."""

    cpu: float
    read: int
    written: int
    sent: int


def measure() -> Reading:
    """Read all meters now."""
    own = psutil.Process()
    family = [own, *own.children(recursive=True)]
    cpu, read, written = 0.0, 0, 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            cpu += times.user + times.system
        with contextlib.suppress(psutil.Error):
            counters = process.io_counters()
            read += counters.read_chars
            written += counters.write_chars
    return Reading(cpu, read, written, _sent({process.pid for process in family}))


def _sent(pids: set[int]) -> int:
    """Bytes that their open TCP connections have sent, as ``ss`` tells them."""
    try:
        shown = subprocess.run(
            ["/usr/bin/env", "ss", "-tniHOp"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return -1
    total = 0
    for line in shown.splitlines():
        sent = _SENT.search(line)
        if sent and pids & {int(pid) for pid in _PID.findall(line)}:
            total += int(sent[1])
    return total
