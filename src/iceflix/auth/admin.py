"""Changing the credentials file: add, replace, remove, list. The services only ever read it (V13).

One writer at a time, across processes; the file is replaced whole, so that a reader, or whoever
comes after a writer that was killed, finds valid JSON (V71). Entries and keys that are none of our
business survive, and so do the file's owner and mode.
"""

import contextlib
import glob
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iceflix.auth import passwords, userfile
from iceflix.runtime.errors import InvalidRequest, SetupError
from iceflix.runtime.files import atomic_write, exclusive_lock

Adopt = Callable[[userfile.Entries], None]


@dataclass(frozen=True)
class Listed:
    """A user as the list shows it; ``keeps`` is sha256, scrypt or nothing (cannot sign in)."""

    name: str
    keeps: str


def put_user(path: Path, user: str, stored: str, adopt: Adopt | None = None) -> bool:
    """Add a user or replace the password; return whether the user was there before.

    ``adopt`` gets the entries before they are written (F18). ``stored`` is what
    ``passwords.parse`` reads. The file is made if there is none. Raises
    InvalidRequest for a name that cannot be, SetupError for a file that cannot be used.
    """
    problem = userfile.name_problem(user)
    if problem:
        raise InvalidRequest(problem)
    with _edited(path, adopt) as entries:
        known = user in entries
        entries[user] = {**entries.get(user, {}), userfile.HASH_KEY: stored}
    return known


def remove_user(path: Path, user: str) -> bool:
    """Remove a user; return whether there was one. Raises SetupError."""
    with _edited(path) as entries:
        return entries.pop(user, None) is not None


def register(path: Path, user: str, stored: str, adopt: Adopt) -> None:
    """Add a user that must be new; ``adopt`` gets the entries before they are written (F18).

    Raises InvalidRequest for a duplicate or a name that cannot be, SetupError.
    """
    problem = userfile.name_problem(user)
    if problem:
        raise InvalidRequest(problem)
    with _edited(path, adopt) as entries:
        if user in entries:
            raise InvalidRequest(f"there is a user {user} already")
        entries[user] = {userfile.HASH_KEY: stored}


def deregister(path: Path, user: str, adopt: Adopt) -> None:
    """Remove a user that must be there, memory first. Raises InvalidRequest, SetupError."""
    with _edited(path, adopt) as entries:
        if entries.pop(user, None) is None:
            raise InvalidRequest(f"there is no user {user[:80]}")


def list_users(path: Path) -> list[Listed]:
    """Return the users in the order of the file; none if there is no file. Raises SetupError."""
    return [Listed(user, _keeps(user, entry)) for user, entry in _read(path).items()]


def _keeps(user: str, entry: userfile.Entry) -> str:
    stored = passwords.parse(entry.get(userfile.HASH_KEY))
    if stored is None or userfile.name_problem(user):
        return "nothing"
    return "scrypt" if isinstance(stored, passwords.ScryptHash) else "sha256"


@contextlib.contextmanager
def _edited(path: Path, adopt: Adopt | None = None) -> Iterator[userfile.Entries]:
    """Yield the entries, and write them back if they have changed; ``adopt`` gets them first."""
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(path):
            _sweep(path)
            before = _read(path)
            entries = dict(before)
            yield entries
            if entries != before:
                if adopt is not None:
                    adopt(entries)
                _write(path, userfile.encode(entries, path))
    except OSError as error:
        raise SetupError(
            f"cannot write the credentials file {path}: {error.strerror}; "
            "set Auth.File to a file in a folder that you may write to"
        ) from error


def _read(path: Path) -> userfile.Entries:
    try:
        return userfile.decode(path.read_bytes(), path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SetupError(
            f"cannot read the credentials file {path}: {error.strerror}; "
            "set Auth.File to a file that you may read"
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Replace the file; as root, leave it to the one it (or its folder) belongs to."""
    there = path.exists()
    owner = (path if there else path.parent).stat()
    atomic_write(path, data, stat.S_IMODE(owner.st_mode) if there else 0o600)
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
        os.chown(path, owner.st_uid, owner.st_gid)


def _sweep(path: Path) -> None:
    """Remove what killed writers left behind. The lock is held, so no other writer is at work."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)
