"""What a credentials file keeps of a password, and whether a login matches it. Pure.

Clients send the lower-case hexadecimal SHA-256 of the password: the *digest*. A file keeps that
digest itself, or ``scrypt$n$r$p$<salt hex>$<hash hex>`` of it (RFC 7914), which is of no use to
whoever steals the file.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Protocol

SCRYPT_N = 2**15
SCRYPT_R = 8
SCRYPT_P = 1
SALT_BYTES = 16
KEY_BYTES = 32
# Bounds on what a file may ask for: 128 MiB and about a second.
_MEMORY_BYTES = 128 * 2**20
_WORK = 2**22
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SCRYPT = re.compile(
    r"scrypt\$(?P<n>[0-9]{1,7})\$(?P<r>[0-9]{1,3})\$(?P<p>[0-9]{1,3})"
    r"\$(?P<salt>(?:[0-9a-f]{2}){8,64})\$(?P<key>(?:[0-9a-f]{2}){16,64})",
    re.ASCII | re.IGNORECASE,
)


def digest(password: bytes) -> str:
    """Return what clients send for this password: the SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(password).hexdigest()


def is_digest(text: str) -> bool:
    """Return whether this could be what a client sends for a password."""
    return _DIGEST.fullmatch(text) is not None


class StoredHash(Protocol):
    """What a file keeps of a password; ``cost`` grows with the time that ``matches`` takes."""

    @property
    def cost(self) -> int:
        """Return the work of one comparison, 0 for next to nothing."""

    def matches(self, candidate: str) -> bool:
        """Return whether the digest is the right one; takes the same time either way."""


@dataclass(frozen=True)
class PlainHash:
    """The digest itself."""

    text: str
    cost: int = 0

    def matches(self, candidate: str) -> bool:
        """Compare without saying by the time taken how much was right."""
        return hmac.compare_digest(self.text, candidate)


@dataclass(frozen=True)
class ScryptHash:
    """scrypt of the digest."""

    shape: tuple[int, int, int]
    salt: bytes
    key: bytes

    @classmethod
    def make(cls, of_digest: str, salt: bytes) -> "ScryptHash":
        """Hash a digest with this salt and the parameters that we recommend."""
        shape = (SCRYPT_N, SCRYPT_R, SCRYPT_P)
        return cls(shape, salt, _scrypt(of_digest, salt, shape, KEY_BYTES))

    @property
    def cost(self) -> int:
        """Return n * r * p."""
        n, r, p = self.shape
        return n * r * p

    def matches(self, candidate: str) -> bool:
        """Hash the candidate the same way and compare."""
        return hmac.compare_digest(
            self.key, _scrypt(candidate, self.salt, self.shape, len(self.key))
        )

    def encode(self) -> str:
        """Return the text for the file."""
        n, r, p = self.shape
        return f"scrypt${n}${r}${p}${self.salt.hex()}${self.key.hex()}"


def parse(text: object) -> StoredHash | None:
    """Read what a file keeps; None if it is nothing that a login could match."""
    if not isinstance(text, str):
        return None
    if is_digest(text.lower()):
        return PlainHash(text.lower())
    found = _SCRYPT.fullmatch(text)
    if found is None:
        return None
    n, r, p = (int(found[name]) for name in ("n", "r", "p"))
    lawful = 1 < n < 2 ** (16 * r) and n & (n - 1) == 0 and p > 0  # RFC 7914, section 2
    if not lawful or 128 * n * r > _MEMORY_BYTES or n * r * p > _WORK:
        return None
    return ScryptHash((n, r, p), bytes.fromhex(found["salt"]), bytes.fromhex(found["key"]))


def _scrypt(candidate: str, salt: bytes, shape: tuple[int, int, int], length: int) -> bytes:
    n, r, p = shape
    return hashlib.scrypt(
        candidate.encode("ascii"), salt=salt, n=n, r=r, p=p, maxmem=2 * _MEMORY_BYTES, dklen=length
    )
