"""The rings that a multiserver hears of, and whether there is hope of one for a filter. Pure.

Times are seconds on a monotonic clock that the caller gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from iceflix.farm.model import NodeLoad, RingReport

_STRIDE_SECONDS = 0.5  # whoever was frozen between two ticks did not listen for longer


@dataclass
class RingState:
    """A ring as it last reported. Not ``reachable``: it could not be told something since."""

    report: RingReport
    heard: float
    loads: tuple[NodeLoad, ...]
    reachable: bool = True

    def runs(self, name: str) -> bool:
        """Whether it can do a step with this filter."""
        return self.report.filter in ("", name)


class Rings:
    """Whoever reported within the last ``silence`` seconds.

    given_up: nobody is waited for, until somebody reports.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._states: dict[str, RingState] = {}
        self._ticked = 0.0
        self.given_up = False

    def note(self, report: RingReport, now: float) -> RingState | None:
        """A ring reports; returns how it was before."""
        before = self._states.get(report.ring)
        loads = tuple(load for load in report.nodes if load.node not in report.failed_nodes)
        self._states[report.ring] = RingState(report, now, loads)
        self.given_up = False
        return before

    def get(self, ring: str) -> RingState | None:
        """A ring as it last reported, if that was not long ago."""
        return self._states.get(ring)

    def lost(self, ring: str) -> None:
        """Its master cannot be reached; it may find another one."""
        state = self._states.get(ring)
        if state is not None:
            state.reachable = False

    def tick(self, now: float) -> float:
        """Forget whoever is silent; returns for how long we have listened since the last tick."""
        listened = min(now - self._ticked, _STRIDE_SECONDS)
        self._ticked = now
        heard = {ring: state for ring, state in self._states.items() if self._recent(state, now)}
        self._states = heard
        return listened

    def fresh(self, now: float) -> Iterator[tuple[str, RingState]]:
        """Those that can be given work."""
        for ring, state in self._states.items():
            if state.reachable and self._recent(state, now):
                yield ring, state

    def hoped_for(self, name: str, now: float) -> bool:
        """Whether a ring that runs this filter was there a moment ago, and may be again."""
        return any(s.runs(name) and self._recent(s, now) for s in self._states.values())

    def any_heard(self, now: float) -> bool:
        """Whether any ring was there a moment ago."""
        return any(self._recent(state, now) for state in self._states.values())

    def _recent(self, state: RingState, now: float) -> bool:
        return now - state.heard <= self._silence
