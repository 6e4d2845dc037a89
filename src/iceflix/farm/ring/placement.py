"""Which node gets the next task: the one that is expected to finish it first (F33, F44).

A node's speed is the number of processors that others leave it, at most one per slot. What it has
been given counts whether or not it has said so yet. The time of a pass to it decides between nodes
that are equally free: the original assignment asks for availability *and* latency.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from iceflix.farm.model import NodeLoad

QUEUED_AHEAD = 2  # tasks that a node has waiting beside those that it works on
_LEAST_SPEED = 0.02
_SCARCE_BYTES = 200 << 20
_FREE_STEP = 0.05  # differences below this are noise


@dataclass(frozen=True)
class Seat:
    """A node of a ring, as a place for a task. ``given``: tasks that it has and did not end."""

    ring: str
    load: NodeLoad
    given: int

    @property
    def speed(self) -> float:
        """Tasks' worth of processor that it has."""
        free = round(self.load.cpu_free / _FREE_STEP) * _FREE_STEP
        return max(_LEAST_SPEED, min(free, float(self.load.slots)))

    @property
    def full(self) -> bool:
        """Whether it has all that it may have."""
        return self.given >= self.load.slots + QUEUED_AHEAD

    def cost(self, task_seconds: float) -> float:
        """Expected seconds until it has done one more task."""
        waiting = max(0, self.given + 1 - self.load.slots) / self.load.slots
        scarce = 4.0 if self.load.free_bytes < _SCARCE_BYTES else 1.0
        pace = task_seconds * self.load.slots / self.speed
        return scarce * pace * (1.0 + waiting) + self.load.hop_seconds


def seats(
    rings: Mapping[str, Iterable[NodeLoad]], given: Mapping[tuple[str, str], int]
) -> list[Seat]:
    """The nodes of these rings; ``given`` counts tasks by ring and node."""
    return [
        Seat(ring, load, max(given.get((ring, load.node), 0), load.running))
        for ring, loads in rings.items()
        for load in loads
        if load.slots > 0
    ]


def place(candidates: Iterable[Seat], task_seconds: float) -> Seat | None:
    """The best place. None: the best ones are full, and waiting for them is better."""
    ordered = sorted(
        candidates, key=lambda seat: (seat.cost(task_seconds), seat.given, seat.load.node)
    )
    return ordered[0] if ordered and not ordered[0].full else None
