"""What processes cost: processor time to the nanosecond, memory that is theirs alone, threads."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_SCHEDULED = 2  # the clock of what the scheduler gave, of the process's threads past and present


def family(pids: Iterable[int]) -> list[int]:
    """These processes and all below them."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            found += [root.pid, *(child.pid for child in root.children(recursive=True))]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time, user and system, that these processes have used; those that ended count 0."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime(~pid << 3 | _SCHEDULED)
    return total


def megabytes(pids: Iterable[int]) -> float:
    """Memory (PSS: what is shared is divided among those who share it), MiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def threads(pids: Iterable[int]) -> int:
    """How many threads they have."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += len(list(Path(f"/proc/{pid}/task").iterdir()))
    return total


def machine_seconds() -> float:
    """Processor time that the whole machine has used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
