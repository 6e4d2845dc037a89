"""Who is there: the membership of one channel as a state machine. Events in, effects out.

A failure detector with verification first. An announcement is only a rumour: anybody may publish
one. So a newcomer is *verified* (does it answer, and is it what it says?) before anyone uses it, a
known member is *probed* when it has not answered for a while, and one that fails is dropped until
it is heard of again. Silence alone drops nobody: while the broker is away everybody is silent, and
calls on known proxies must go on working (V05).

Kinds whose users find out by themselves who hangs (``trusted``) cost less: an announcement counts
as a sign of life, and a probe is due only after a longer silence.

    rumour --Verify--> verified --> member --Probe--> answered (stays) | failed (dropped)

Verification has a bound, and the newest rumour goes first, so that ten thousand bogus
announcements do not keep a good one waiting (V10). Times are seconds on a monotonic clock.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice


@dataclass(frozen=True)
class Rumour:
    """An announcement as heard: ``address`` is the stringified proxy."""

    kind: str
    id: str
    address: str


@dataclass
class Member:
    """A verified service; times are those of its last announcement and of its last answer."""

    rumour: Rumour
    heard: float
    confirmed: float
    probing: bool = False


@dataclass(frozen=True)
class Verify:
    """Effect: find out whether it answers and has the right type, then say ``verified``."""

    rumour: Rumour


@dataclass(frozen=True)
class Probe:
    """Effect: ping it, then say ``answered`` or ``failed``."""

    rumour: Rumour


@dataclass(frozen=True)
class Added:
    """Effect: it may be used from now on (or: under a new address from now on)."""

    rumour: Rumour


@dataclass(frozen=True)
class Removed:
    """Effect: it must not be used any more."""

    rumour: Rumour
    reason: str


Effect = Verify | Probe | Added | Removed


@dataclass(frozen=True)
class Limits:
    """Bounds: ``probe_after`` seconds without an answer, and what is kept or done at once."""

    probe_after: float = 2.0
    verifications: int = 32
    backlog: int = 1000
    members: int = 1000
    id_length: int = 256
    address_length: int = 4096


@dataclass
class Membership:
    """The members of one channel, by kind and id."""

    limits: Limits = field(default_factory=Limits)
    own_id: str = ""
    trusted: dict[str, float] = field(default_factory=dict)
    _members: dict[tuple[str, str], Member] = field(default_factory=dict)
    _verifying: dict[tuple[str, str], Rumour] = field(default_factory=dict)
    _backlog: OrderedDict[tuple[str, str], Rumour] = field(default_factory=OrderedDict)

    def announced(self, rumour: Rumour, now: float) -> list[Effect]:
        """Somebody announced itself, or was announced."""
        if not self._plausible(rumour):
            return []
        key = (rumour.kind, rumour.id)
        member = self._members.get(key)
        if member is not None and member.rumour == rumour:
            member.heard = now
            return []
        if self._verifying.get(key) == rumour:
            return []
        self._backlog.pop(key, None)
        self._backlog[key] = rumour
        while len(self._backlog) > self.limits.backlog:
            self._backlog.popitem(last=False)
        return list(self._verify_next())

    def verified(self, rumour: Rumour, *, good: bool, now: float) -> list[Effect]:
        """A verification ended."""
        key = (rumour.kind, rumour.id)
        self._verifying.pop(key, None)
        effects: list[Effect] = []
        room = key in self._members or len(self._members) < self.limits.members
        if good and room:
            self._members[key] = Member(rumour, heard=now, confirmed=now)
            effects.append(Added(rumour))
        effects.extend(self._verify_next())
        return effects

    def answered(self, rumour: Rumour, now: float) -> None:
        """A member answered a call or a probe."""
        member = self._current(rumour)
        if member is not None:
            member.confirmed = now
            member.probing = False

    def doubted(self, rumour: Rumour) -> list[Effect]:
        """Something looks wrong (its connection closed): ask at once, trust nothing till then."""
        member = self._current(rumour)
        if member is None or member.probing:
            return []
        member.confirmed = float("-inf")
        member.probing = True
        return [Probe(rumour)]

    def failed(self, rumour: Rumour, reason: str) -> list[Effect]:
        """A call or a probe found it dead, hung or something else than it says."""
        if self._current(rumour) is None:
            return []
        del self._members[(rumour.kind, rumour.id)]
        return [Removed(rumour, reason)]

    def tick(self, now: float) -> list[Effect]:
        """Time passed: probe whoever has not answered for ``probe_after``."""
        effects: list[Effect] = []
        for member in self._members.values():
            if not member.probing and now >= self._due(member):
                member.probing = True
                effects.append(Probe(member.rumour))
        return effects

    def due(self) -> float:
        """When ``tick`` has something to do; infinity while there is nobody to probe."""
        quiet = (member for member in self._members.values() if not member.probing)
        return min(map(self._due, quiet), default=float("inf"))

    def patience(self, kind: str) -> float:
        """How long a member of this kind may be silent before it is probed, in seconds."""
        return self.trusted.get(kind, self.limits.probe_after)

    def members(self, kind: str | None = None) -> list[Member]:
        """Copies of the members (of one kind), in the order in which they were added."""
        return [
            replace(member)
            for member in self._members.values()
            if kind is None or member.rumour.kind == kind
        ]

    def member(self, kind: str, service_id: str) -> Member | None:
        """A copy of the member with this id."""
        member = self._members.get((kind, service_id))
        return None if member is None else replace(member)

    def _due(self, member: Member) -> float:
        kind = member.rumour.kind
        trusted = kind in self.trusted and member.confirmed > float("-inf")
        last = max(member.confirmed, member.heard) if trusted else member.confirmed
        return last + self.patience(kind)

    def _plausible(self, rumour: Rumour) -> bool:
        return (
            0 < len(rumour.id) <= self.limits.id_length
            and 0 < len(rumour.address) <= self.limits.address_length
            and rumour.id != self.own_id
        )

    def _current(self, rumour: Rumour) -> Member | None:
        """The member, unless another address has taken its place meanwhile."""
        member = self._members.get((rumour.kind, rumour.id))
        return member if member is not None and member.rumour == rumour else None

    def _verify_next(self) -> Iterator[Verify]:
        free = self.limits.verifications - len(self._verifying)
        if free <= 0 or not self._backlog:
            return
        ready = (key for key in reversed(self._backlog) if key not in self._verifying)
        for key in list(islice(ready, free)):
            rumour = self._backlog.pop(key)
            self._verifying[key] = rumour
            yield Verify(rumour)
