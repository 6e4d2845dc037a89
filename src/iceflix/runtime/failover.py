"""Whom to ask next: one call through every candidate until one answers. Events in, effects out.

The candidates are asked one after the other; one that fails makes room for the next at once, and
one that is silent for ``hedge`` seconds gets a rival without being given up, so that a hung service
costs a fraction of its deadline. Only for operations that may be repeated. Times are seconds on a
monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

C = TypeVar("C")


@dataclass(frozen=True)
class Ask(Generic[C]):
    """Effect: call this candidate, then say ``answered``, ``declined`` or ``failed``."""

    candidate: C


@dataclass(frozen=True)
class Finish:
    """Effect: it is over. ``heard`` says whether anybody answered at all."""

    accepted: bool
    heard: bool


@dataclass
class Race(Generic[C]):
    """One call. Start it with ``begin``; call ``tick`` when ``wakes`` says so."""

    candidates: Sequence[C]
    hedge: float
    wakes: float = 0.0
    over: bool = False
    _asked: int = 0
    _open: int = 0
    _heard: bool = field(default=False)

    def begin(self, now: float) -> list[Ask[C] | Finish]:
        """Ask the first candidate."""
        return self._next(now)

    def answered(self) -> list[Ask[C] | Finish]:
        """A candidate gave an answer that is accepted."""
        return self._finish(accepted=True)

    def declined(self, now: float) -> list[Ask[C] | Finish]:
        """A candidate answered, but another may know better."""
        self._heard = True
        return self.failed(now)

    def failed(self, now: float) -> list[Ask[C] | Finish]:
        """A candidate did not answer: dead, hung or broken."""
        self._open -= 1
        return [] if self.over else self._next(now)

    def tick(self, now: float) -> list[Ask[C] | Finish]:
        """Time passed."""
        if self.over or now < self.wakes or self._asked == len(self.candidates):
            return []
        return self._next(now)

    def _next(self, now: float) -> list[Ask[C] | Finish]:
        if self._asked < len(self.candidates):
            candidate = self.candidates[self._asked]
            self._asked += 1
            self._open += 1
            last = self._asked == len(self.candidates)
            self.wakes = float("inf") if last else now + self.hedge
            return [Ask(candidate)]
        return [] if self._open else self._finish(accepted=False)

    def _finish(self, *, accepted: bool) -> list[Ask[C] | Finish]:
        if self.over:
            return []
        self.over = True
        return [Finish(accepted, self._heard or accepted)]
