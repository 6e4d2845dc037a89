"""Cristian's algorithm (1989): what to add to one's clock to have another's. Pure.

Ask what time it is, and take the answer to have been given half-way through the round trip. The
quicker the exchange, the less can be wrong: of several exchanges the one with the smallest round
trip counts, not the mean, and half of it bounds the error (F20). Round trips are measured on the
monotonic clock, which nobody steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

EXCHANGES = 10  # F20


@dataclass(frozen=True)
class Sample:
    """One exchange, in seconds: monotonic clock before and after, own clock and other's answer."""

    sent: float
    received: float
    local: float
    remote: float

    @property
    def round_trip(self) -> float:
        """How long the answer took, seconds."""
        return max(0.0, self.received - self.sent)


@dataclass(frozen=True)
class Correction:
    """What to add to a clock, in seconds, and by how much that may be wrong.

    ``link`` is the part between this clock and the next one of the chain, ``seconds`` the whole
    chain up to the user administrator (F21). An infinite bound: not synchronised.
    """

    seconds: float = 0.0
    error_bound: float = math.inf
    link: float = 0.0
    exchanges: int = 0

    @property
    def synchronised(self) -> bool:
        """Whether the whole chain up to the user administrator is."""
        return math.isfinite(self.error_bound)


@dataclass(frozen=True)
class Reference:
    """What the next clock of the chain says of itself: accumulated correction, error bound."""

    correction: float = 0.0
    error_bound: float = 0.0


def estimate(samples: Sequence[Sample], reference: Reference) -> Correction:
    """Return the accumulated correction that these exchanges show.

    The other clock answers with its corrected time, so the whole offset is measured at once; what
    its own correction leaves is the link. Raises ValueError without samples.
    """
    if not samples:
        raise ValueError("no exchange succeeded")
    best = min(samples, key=lambda sample: sample.round_trip)
    half = best.round_trip / 2
    offset = best.remote + half - best.local
    return Correction(
        offset, half + reference.error_bound, offset - reference.correction, len(samples)
    )
