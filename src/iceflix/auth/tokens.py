"""Tokens as a state machine: issue, check, and say when which revocation is due (V14-V20). Pure.

A token is sealed text that carries its user, its exact expiry, the version of the credential it was
issued for, its issuer and a nonce. So every Authenticator that shares the key can check every
token, and needs to be told of none.

Two clocks count. The issuer goes by the monotonic one alone: stepping the wall clock neither
lengthens nor shortens its tokens. A token of another issuer (a *foreign* one) carries its expiry in
wall time, the only time that two machines share; here it also ends one lifetime after it was first
seen, whatever the wall clock does. An issuer that no longer remembers a token of its own knows
that it is over, even if the wall clock was put back.

A token ends early when its user is removed or the password changes. Every token that was issued
here is revoked exactly once: at that moment or at its expiry.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

NONCE_BYTES = 16
# By how much the clock of another issuer may be ahead of ours. Beyond it, its tokens are refused
# here; the issuer itself still accepts them.
SKEW_SECONDS = 5.0
# The event goes out this long after the expiry: listeners ask all Authenticators before they
# believe it, and by then those whose clocks tick a little later say no as well.
REVOKE_DELAY_SECONDS = 0.1
FOREIGN_LIMIT = 50_000


class Seal(Protocol):
    """Makes text that nobody else can make, and recognises it to the letter."""

    def seal(self, payload: bytes) -> str:
        """Return the payload as text that proves its origin."""

    def open(self, text: str) -> bytes | None:
        """Return the payload, or None unless ``text`` is exactly what ``seal`` returned for it."""


@dataclass(frozen=True)
class Instant:
    """A moment on both clocks, in seconds."""

    wall: float
    monotonic: float


@dataclass(frozen=True)
class Claims:
    """What a token says; ``expires`` is wall time."""

    user: str
    expires: float
    version: str
    issuer: str
    nonce: str

    def encode(self) -> bytes:
        """Return the claims as bytes. Floats keep every bit."""
        fields = [self.user, self.expires, self.version, self.issuer, self.nonce]
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, payload: bytes) -> "Claims":
        """Read what ``encode`` wrote."""
        return cls(*json.loads(payload))


@dataclass(frozen=True)
class _Own:
    user: str
    version: str
    deadline: float


@dataclass(frozen=True)
class _Foreign:
    expires: float
    deadline: float


class Tokens:
    """The tokens of one Authenticator. Not thread-safe: it has one owner."""

    def __init__(self, seal: Seal, issuer: str, lifetime: float) -> None:
        self._seal = seal
        self._issuer = issuer
        self._lifetime = lifetime
        self._versions: dict[str, str] = {}
        self._own: dict[str, _Own] = {}  # oldest first, hence in the order of their deadlines
        self._foreign: dict[str, _Foreign] = {}  # by nonce, oldest first
        self._withdrawn: dict[tuple[str, str], Instant] = {}  # (user, version), oldest first

    def __len__(self) -> int:
        """Return how many records are kept."""
        return len(self._own) + len(self._foreign) + len(self._withdrawn)

    def alive(self, now: Instant) -> int:
        """Return how many tokens issued here are valid."""
        return sum(now.monotonic < own.deadline for own in self._own.values())

    def issue(self, user: str, version: str, now: Instant, nonce: bytes) -> str | None:
        """Return a new token, or None if this is not the version of the user's credential.

        Raises ValueError for a nonce of less than 128 bits.
        """
        if len(nonce) < NONCE_BYTES:
            raise ValueError(f"a nonce has at least {NONCE_BYTES} bytes")
        if self._versions.get(user) != version:
            return None
        text = base64.urlsafe_b64encode(nonce).rstrip(b"=").decode()
        claims = Claims(user, now.wall + self._lifetime, version, self._issuer, text)
        token = self._seal.seal(claims.encode())
        self._own[token] = _Own(user, version, now.monotonic + self._lifetime)
        return token

    def check(self, token: str, now: Instant) -> bool:
        """Return whether the token is valid at this moment. Asking never extends it."""
        own = self._own.get(token)
        if own is not None:
            return now.monotonic < own.deadline
        payload = self._seal.open(token)
        return payload is not None and self._check_foreign(Claims.decode(payload), now)

    def adopt(self, versions: Mapping[str, str], now: Instant) -> list[str]:
        """Take the versions of all users' credentials; return the tokens to revoke at once.

        A version that returns within a lifetime (a user removed and added again) does not revive
        the tokens that ended with it.
        """
        self._forget(now)
        for user, version in self._versions.items():
            if versions.get(user) != version:
                self._withdrawn.pop((user, version), None)
                self._withdrawn[user, version] = now
        self._versions = dict(versions)
        ended = [t for t, own in self._own.items() if versions.get(own.user) != own.version]
        for token in ended:
            del self._own[token]
        return ended

    def due(self, now: Instant) -> list[str]:
        """Return the expired tokens to revoke now, each once, and forget what is over."""
        expired = list(self._expired(now))
        for token in expired:
            del self._own[token]
        self._forget(now)
        return expired

    def next_due(self) -> float | None:
        """Return the monotonic time at which ``due`` has something to say, None without tokens."""
        for own in self._own.values():
            return own.deadline + REVOKE_DELAY_SECONDS
        return None

    def _expired(self, now: Instant) -> Iterator[str]:
        for token, own in self._own.items():
            if now.monotonic < own.deadline + REVOKE_DELAY_SECONDS:
                return
            yield token

    def _check_foreign(self, claims: Claims, now: Instant) -> bool:
        if claims.issuer == self._issuer or self._versions.get(claims.user) != claims.version:
            return False
        remaining = claims.expires - now.wall
        if not 0.0 < remaining <= self._lifetime + SKEW_SECONDS:
            return False
        withdrawn = self._withdrawn.get((claims.user, claims.version))
        if withdrawn is not None and claims.expires <= withdrawn.wall + self._lifetime:
            return False
        seen = self._foreign.get(claims.nonce)
        if seen is None:
            self._forget(now)
            if len(self._foreign) >= FOREIGN_LIMIT:
                del self._foreign[next(iter(self._foreign))]
            seen = _Foreign(claims.expires, now.monotonic + self._lifetime)
            self._foreign[claims.nonce] = seen
        return now.monotonic < seen.deadline

    def _forget(self, now: Instant) -> None:
        """Drop foreign tokens that are over on both clocks, and withdrawals of no more effect."""
        while self._foreign:
            nonce, seen = next(iter(self._foreign.items()))
            if now.monotonic < seen.deadline or now.wall < seen.expires:
                break
            del self._foreign[nonce]
        while self._withdrawn:
            key, since = next(iter(self._withdrawn.items()))
            if now.monotonic < since.monotonic + self._lifetime + SKEW_SECONDS:
                break
            del self._withdrawn[key]
