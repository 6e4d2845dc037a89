"""A world for the Authenticator whose time the test moves."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from iceflix.auth.authenticator import Authenticator, Policy, World
from iceflix.auth.passwords import digest
from iceflix.auth.signing import TokenSeal
from iceflix.auth.tokens import Instant

SECRET = digest(b"secret")
POLICY = Policy(token_seconds=30.0, throttle_after=10)


def write_users(path: Path, **users: str) -> None:
    """Write a credentials file with these users and passwords."""
    entries = {name: {"password_hash": digest(word.encode())} for name, word in users.items()}
    path.write_text(json.dumps(entries), encoding="utf-8")


@dataclass
class Stage:
    """A world whose time the test moves; ``revoked`` is what was published, in order."""

    now: Instant = field(default_factory=lambda: Instant(1_700_000_000.0, 100.0))
    revoked: list[str] = field(default_factory=list)
    _planned: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def world(self) -> World:
        """What an Authenticator is given."""
        return World(
            clock=lambda: self.now,
            nonce=lambda: next(self._numbers).to_bytes(16, "big"),
            later=lambda seconds, call: self._planned.append((self.now.monotonic + seconds, call)),
            revoke=self.revoked.append,
        )

    def authenticator(
        self, users: Path, name: str = "A1", policy: Policy = POLICY
    ) -> Authenticator:
        """An Authenticator in this world; all share one key."""
        return Authenticator(users, TokenSeal(b"k" * 32), name, policy, self.world())

    def wait(self, seconds: float) -> None:
        """Let time pass, and what was planned happen at its time."""
        end = self.now.monotonic + seconds
        while due := sorted((entry for entry in self._planned if entry[0] <= end), key=_when):
            self._planned.remove(due[0])
            self._move(due[0][0])
            due[0][1]()
        self._move(end)

    def _move(self, monotonic: float) -> None:
        passed = max(0.0, monotonic - self.now.monotonic)
        self.now = Instant(self.now.wall + passed, self.now.monotonic + passed)


def _when(entry: tuple[float, Callable[[], object]]) -> float:
    return entry[0]
