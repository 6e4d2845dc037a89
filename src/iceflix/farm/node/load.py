"""What a node measures of itself, away from the token's path (F32)."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROC = Path("/proc")
_CHILDREN_SECONDS = 5.0
_TICKS = float(os.sysconf("SC_CLK_TCK"))  # a second


@dataclass
class _Last:
    """The previous sample."""

    at: float = 0.0
    idle: float = 0.0
    own: dict[int, float] = field(default_factory=dict)
    family: list[psutil.Process] = field(default_factory=list)
    family_at: float = float("-inf")


class LoadMeter:
    """Processors and memory that this node could use.

    The processors are those that the process may run on. What the node itself and its workers use
    counts as free: it is the others' load that matters for the speed of a further task, and how
    many tasks the node has is told apart. ``proc``: where the kernel tells of the processors.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._last = _Last()
        self._own = psutil.Process()
        self._sample(working=False)

    @property
    def processors(self) -> list[int]:
        """The processors that this process may run on."""
        return sorted(os.sched_getaffinity(0))

    def free(self, *, working: bool) -> tuple[float, int]:
        """Processors' worth free since the last call, and available bytes.

        working: whether workers may be busy, so that their use has to be looked up.
        """
        before = self._last
        self._sample(working=working)
        now = self._last
        seconds = max(1e-3, now.at - before.at)
        own = sum(used - before.own[pid] for pid, used in now.own.items() if pid in before.own)
        free = (now.idle - before.idle + own) / seconds
        return min(max(free, 0.0), float(len(self.processors))), psutil.virtual_memory().available

    def _sample(self, *, working: bool) -> None:
        idle = _idle(self._proc / "stat")
        last, now = self._last, time.monotonic()
        family, family_at = last.family, last.family_at
        if working and now - family_at > _CHILDREN_SECONDS:
            with contextlib.suppress(psutil.Error):
                family = self._own.children(recursive=True)
            family_at = now
        own = {os.getpid(): time.process_time()}
        for process in family if working else ():
            with contextlib.suppress(psutil.Error):
                used = process.cpu_times()
                own[process.pid] = used.user + used.system
        seconds = sum(idle.get(number, 0.0) for number in self.processors)
        self._last = _Last(now, seconds, own, family, family_at)


def _idle(file: Path) -> dict[int, float]:
    """Seconds for which each processor has had nothing to do, or waited for a disk."""
    found = {}
    for line in file.read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            counts = rest.split()
            found[int(name.removeprefix("cpu"))] = (int(counts[3]) + int(counts[4])) / _TICKS
    return found
