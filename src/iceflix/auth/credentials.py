"""The credentials store: who may sign in, re-read when the file changes (V12, V13, V72).

The service only ever reads the file; ``auth.admin`` writes it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iceflix.auth import passwords, userfile
from iceflix.runtime.errors import SetupError

_NOBODY: passwords.StoredHash = passwords.PlainHash("0" * 64)
_Stamp = tuple[int, ...] | None


@dataclass(frozen=True)
class Account:
    """A user who can sign in: what the file says of the password, and what that means."""

    text: str
    stored: passwords.StoredHash


@dataclass(frozen=True)
class Credentials:
    """One reading of the file: who can sign in, who stands there but cannot.

    ``costliest`` is the hash that takes longest to compare.
    """

    accounts: Mapping[str, Account]
    closed: Sequence[str]
    costliest: passwords.StoredHash

    @classmethod
    def of(cls, entries: userfile.Entries) -> "Credentials":
        """Take what is usable; an entry without a usable hash is a user who cannot sign in."""
        found = {user: _account(user, entry) for user, entry in entries.items()}
        accounts = {user: account for user, account in found.items() if account is not None}
        hashes = (account.stored for account in accounts.values())
        costliest = max(hashes, key=lambda stored: stored.cost, default=_NOBODY)
        return cls(accounts, [user for user in found if user not in accounts], costliest)

    def verify(self, user: str, candidate: str) -> bool:
        """Return whether the digest is this user's (V15).

        An unknown user costs what the costliest known one costs, and so does a known one whose
        hash is cheaper: the time taken tells nobody who exists.
        """
        if not passwords.is_digest(candidate):
            return False
        account = self.accounts.get(user)
        stored = self.costliest if account is None else account.stored
        right = stored.matches(candidate)
        if stored.cost < self.costliest.cost:
            self.costliest.matches(candidate)
        return right and account is not None


def _account(user: str, entry: userfile.Entry) -> Account | None:
    text = entry.get(userfile.HASH_KEY)
    stored = passwords.parse(text)
    return None if stored is None or userfile.name_problem(user) else Account(str(text), stored)


class CredentialStore:
    """Reads the file at once, when told, and when its stamp (time, size, inode) has changed.

    ``adopt`` gets every new list before anybody is told that it is fresh. After a failed reading
    the old list stays. Thread-safe. The constructor raises SetupError.
    """

    def __init__(self, path: Path, adopt: Callable[[Credentials], None]) -> None:
        self.path = path
        self._adopt = adopt
        self._lock = threading.Lock()
        self._read_at: _Stamp = None
        self.credentials = Credentials.of({})
        self.reload()

    def reload(self) -> None:
        """Read the file now. Raises SetupError; the old list stays then."""
        with self._lock:
            self._read()

    def freshen(self) -> bool:
        """Read the file if it has changed; cheap when not. Raises SetupError, once per change."""
        if self._stamp() == self._read_at:
            return False
        with self._lock:
            if self._stamp() == self._read_at:
                return False
            self._read()
        return True

    def adopt(self, credentials: Credentials) -> None:
        """Take a list that is about to be written to the file: memory first, then file (F18)."""
        with self._lock:
            self._adopt(credentials)
            self.credentials = credentials

    def _read(self) -> None:
        stamp = self._stamp()
        try:
            credentials = Credentials.of(userfile.decode(self.path.read_bytes(), self.path))
            self._adopt(credentials)
            self.credentials = credentials
        except FileNotFoundError as error:
            raise SetupError(
                f"there is no credentials file {self.path}; create it with: add_user NAME "
                f"--Auth.File={self.path}, or set Auth.File to another one"
            ) from error
        except OSError as error:
            raise SetupError(
                f"cannot read the credentials file {self.path}: {error.strerror}; "
                "set Auth.File to a file that this service may read"
            ) from error
        finally:
            self._read_at = stamp

    def _stamp(self) -> _Stamp:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
