"""Who a member is, how long it waits, and what makes System A differ from System B."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class System:
    """The difference between the two systems, as far as a ring is concerned.

    A (F30): a ring serves the multiserver of its name and runs every filter. B (F38, F39): it
    serves all of them and runs the one filter that the filter administrator assigns.
    """

    name: str
    one_filter: bool
    every_multiserver: bool

    def serves(self, ring: str, multiserver_name: str) -> bool:
        """Whether a ring works for the multiserver of this name."""
        return self.every_multiserver or ring == multiserver_name


SYSTEM_A = System("A", one_filter=False, every_multiserver=False)
SYSTEM_B = System("B", one_filter=True, every_multiserver=True)
SYSTEMS = {system.name: system for system in (SYSTEM_A, SYSTEM_B)}


@dataclass(frozen=True)
class Timing:
    """Seconds.

    The master parks the token for ``hold_least``, doubled after every turn without work up to
    ``hold_most``, or for ``hold_busy`` while tasks run; ``gap`` is the least time between turns
    that completions ask for, and grows up to ``gap_ahead`` while the nodes have tasks waiting, for
    then nobody is idle meanwhile. A master that misses its token for ``loss`` makes it anew; the
    others elect a new one after ``silence`` beyond the time for which it may be parked. A
    multiserver hears from a busy ring every ``renew``, from an idle one every ``heartbeat``. A node
    that could not be reached is left out for ``leave_out`` unless it is found to answer before.
    """

    # pylint: disable=too-many-instance-attributes  # a table

    hold_least: float = 0.001
    hold_busy: float = 0.25
    hold_most: float = 2.0
    gap: float = 0.003
    gap_ahead: float = 0.04
    loss: float = 1.2
    silence: float = 2.0
    election: float = 1.0
    renew: float = 0.5
    heartbeat: float = 2.0
    retry: float = 0.5
    filter_poll: float = 1.0
    join: float = 1.5
    leave_out: float = 3.0

    def hold_idle(self, idle_turns: int) -> float:
        """How long the token is parked after so many turns without work."""
        return min(self.hold_most, self.hold_least * 2.0 ** min(30, max(0, idle_turns - 2)))


@dataclass(frozen=True)
class Me:
    """A member of a ring. Of the candidates for master the one with the greatest rank wins."""

    ring: str
    id: str
    priority: int = 100
    system: System = SYSTEM_A
    timing: Timing = field(default_factory=Timing)

    @property
    def rank(self) -> str:
        """Sorts by priority, then by id."""
        return f"{self.priority:06d}/{self.id}"
