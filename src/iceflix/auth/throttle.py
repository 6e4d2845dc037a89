"""How long a failed login is kept waiting for its refusal. Pure.

The wire carries the SHA-256 of the password, so guessing is cheap: after some failures of one user
from one address, further failures are answered later and later. A right password is never delayed,
and one success forgives all failures before it. Nothing is said about whether the user exists.
"""

import heapq
from dataclasses import dataclass

FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0
FORGET_SECONDS = 600.0
COUNTS_LIMIT = 10_000
WAITING_LIMIT = 1_000
# A name longer than any real one is cut: what a stranger sends must not fill the memory.
USER_CHARACTERS = 256
_DOUBLINGS = 16


@dataclass(frozen=True)
class _Count:
    failures: int
    last: float


class Throttle:
    """Counts the failures of each (user, address). Times are monotonic seconds.

    Memory is bounded: the pair whose last failure is oldest makes room, and at most
    ``WAITING_LIMIT`` refusals wait at a time; beyond that they are answered at once.
    """

    def __init__(self, free_failures: int) -> None:
        self._free = free_failures
        self._counts: dict[tuple[str, str], _Count] = {}  # oldest last failure first
        self._releases: list[float] = []  # a heap: when each waiting refusal goes out

    def __len__(self) -> int:
        """Return how many pairs are counted."""
        return len(self._counts)

    def failed(self, user: str, address: str, now: float) -> float:
        """Count a failure; return for how many seconds to hold its refusal back."""
        key = (user[:USER_CHARACTERS], address)
        self._forget(now)
        earlier = self._counts.pop(key, None)
        failures = earlier.failures + 1 if earlier is not None else 1
        self._counts[key] = _Count(failures, now)
        return self._hold(failures - self._free, now)

    def succeeded(self, user: str, address: str) -> None:
        """Forgive the failures of this user from this address."""
        self._counts.pop((user[:USER_CHARACTERS], address), None)

    def waiting(self, now: float) -> int:
        """Return how many refusals are being held back."""
        while self._releases and self._releases[0] <= now:
            heapq.heappop(self._releases)
        return len(self._releases)

    def _hold(self, excess: int, now: float) -> float:
        if excess <= 0 or self.waiting(now) >= WAITING_LIMIT:
            return 0.0
        doublings = min(excess - 1, _DOUBLINGS)
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0**doublings)
        heapq.heappush(self._releases, now + delay)
        return delay

    def _forget(self, now: float) -> None:
        while self._counts:
            key, count = next(iter(self._counts.items()))
            if now < count.last + FORGET_SECONDS and len(self._counts) < COUNTS_LIMIT:
                break
            del self._counts[key]
