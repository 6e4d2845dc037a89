"""Whom a member knows, what it has seen of the token, and the state of an election."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from iceflix.farm.model import Token


def successor(own: str, members: Collection[str]) -> str | None:
    """The next one in the order of the ring; None when there is nobody else."""
    others = sorted(set(members) - {own})
    return next((member for member in others if member > own), others[0] if others else None)


@dataclass
class Peers:
    """The other nodes of the ring that were found, and those that are not to be used.

    A barred peer comes back when it is found again, or, if it was only slow, after a while.
    """

    own: str
    known: set[str] = field(default_factory=set)
    barred: dict[str, float] = field(default_factory=dict)

    def bar_out(self, peer: str, until: float = math.inf) -> bool:
        """Leave a peer out for a while; False when it is left out already."""
        if peer in self.barred or peer == self.own:
            return False
        self.barred[peer] = until
        return True

    def out(self, now: float) -> set[str]:
        """Those who are left out now."""
        self.barred = {peer: until for peer, until in self.barred.items() if until > now}
        return set(self.barred)

    def present(self, now: float) -> set[str]:
        """Those who can be used, ourselves included."""
        return (self.known - self.out(now)) | {self.own}

    def forget_but(self, members: Collection[str]) -> None:
        """Of those who are gone for good, remember only the members of the token."""
        self.barred = {
            peer: until
            for peer, until in self.barred.items()
            if until != math.inf or peer in members
        }


@dataclass
class Sight:
    """The newest token seen: ``key`` and ``passes`` decide what is stale."""

    at: float
    key: tuple[int, str] = (0, "")
    passes: int = -1
    last: Token | None = None

    def fresh(self, token: Token) -> bool:
        """Whether this token is newer than what was seen: duplicates and relics are not."""
        return (token.key, token.passes) > (self.key, self.passes)

    def note(self, token: Token, now: float) -> None:
        """From now on this is the newest."""
        self.at, self.last = now, token
        self.key, self.passes = token.key, token.passes


@dataclass
class Race:
    """Who is master, and the election that we take part in (Chang and Roberts, 1979)."""

    master: str = ""
    active: bool = False
    since: float = 0.0
    epoch: int = 0

    def begin(self, epoch: int, now: float) -> None:
        """Take part."""
        if not self.active:
            self.since = now
        self.active = True
        self.epoch = max(self.epoch, epoch)

    def end(self) -> None:
        """There is a master."""
        self.active = False
