"""Which node gets the next task: the one that is expected to finish it first (F33, F44).

A node's speed is the number of processors that others leave it, at most one per slot. What it has
been given counts whether or not it has said so yet. The time of a pass to it decides between nodes
that are equally free: the original assignment asks for availability *and* latency. Whoever has been
at a task for long is expected to be so for as long again, so that no short task waits behind a long
one while another node has nothing to do (F16).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from iceflix.farm.model import NodeLoad

QUEUED_AHEAD = 2  # tasks that a node has waiting beside those that it works on
_LEAST_SPEED = 0.1  # what is measured below this is mostly noise, and what neighbours do
_SCARCE_BYTES = 200 << 20
_FREE_STEP = 0.05  # differences below this are noise


@dataclass(frozen=True)
class Seat:
    """A node of a ring, as a place for a task.

    ``given``: tasks that it has and did not end; seconds for which it has had the oldest of them.
    """

    ring: str
    load: NodeLoad
    given: int
    oldest_seconds: float = 0.0

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
        stay = self.oldest_seconds if waiting else 0.0
        return scarce * pace * (1.0 + waiting) + stay + self.load.hop_seconds


def seats(
    rings: Mapping[str, Iterable[NodeLoad]], held: Mapping[tuple[str, str], Sequence[float]]
) -> list[Seat]:
    """The nodes of these rings; ``held``: by ring and node, the ages of its tasks in seconds."""
    return [
        Seat(ring, load, max(len(ages), load.running), max(ages, default=0.0))
        for ring, loads in rings.items()
        for load in loads
        for ages in [held.get((ring, load.node), ())]
        if load.slots > 0
    ]


def place(candidates: Iterable[Seat], task_seconds: float) -> Seat | None:
    """The best place. None: the best ones are full, and waiting for them is better."""
    ordered = sorted(
        candidates, key=lambda seat: (seat.cost(task_seconds), seat.given, seat.load.node)
    )
    return ordered[0] if ordered and not ordered[0].full else None
