"""A Samba share, spoken to directly: the specification's common image directory (F05).

A share needs no mount and no root. Files are opened so that others may read them at the same time;
``replace`` is refused while anybody reads the target, so it is tried for a while.
"""

import contextlib
import hashlib
import ntpath
import stat
import threading
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import smbclient
from smbprotocol.exceptions import SMBException, SMBLinkRedirectionError, SMBOSError
from smbprotocol.header import NtStatus

from iceflix.farm.images import naming
from iceflix.farm.images.naming import InvalidPath
from iceflix.farm.images.store import ImageStore, StoreError, is_internal
from iceflix.runtime.errors import SetupError

CONNECT_SECONDS = 5
REPLACE_SECONDS = 3.0
_PAUSE = 0.1
_MOST_FOLDERS = 10_000  # a server may follow links for us, in circles
_FORBIDDEN = ':*?"<>|'  # by the protocol; a colon would name a stream of another file
_ABSENT = {
    NtStatus.STATUS_OBJECT_NAME_NOT_FOUND,
    NtStatus.STATUS_OBJECT_PATH_NOT_FOUND,
    NtStatus.STATUS_OBJECT_NAME_INVALID,
    NtStatus.STATUS_OBJECT_PATH_INVALID,
    NtStatus.STATUS_OBJECT_PATH_SYNTAX_BAD,
    NtStatus.STATUS_NO_SUCH_FILE,
    NtStatus.STATUS_FILE_IS_A_DIRECTORY,
    NtStatus.STATUS_NOT_A_DIRECTORY,
    NtStatus.STATUS_STOPPED_ON_SYMLINK,
}
_REASONS = {
    NtStatus.STATUS_NOT_FOUND: "is not there: the server has no such share",
    NtStatus.STATUS_BAD_NETWORK_NAME: "is not there: the server has no such share",
    NtStatus.STATUS_DISK_FULL: "is full",
    NtStatus.STATUS_ACCESS_DENIED: "does not allow it",
    0xC00000A2: "is read-only",  # STATUS_MEDIA_WRITE_PROTECTED
    NtStatus.STATUS_SHARING_VIOLATION: "does not allow it: another program has the file open",
}
# The connection, session or share has gone; a new one may do.
_GONE = {
    NtStatus.STATUS_USER_SESSION_DELETED,
    NtStatus.STATUS_NETWORK_NAME_DELETED,
    NtStatus.STATUS_FILE_CLOSED,
    NtStatus.STATUS_INVALID_HANDLE,
}
T = TypeVar("T")


class SambaStore(ImageStore):
    """``smb://user@host:port/share/folder``; the password may stand in it, after the user."""

    def __init__(self, url: str, password: str = "") -> None:
        parts = urlsplit(url)
        share = [piece for piece in unquote(parts.path).split("/") if piece]
        try:
            host, port = parts.hostname or "", parts.port or 445
        except ValueError as error:
            raise SetupError("the port of Farm.Images is not a number") from error
        if not host or not share:
            raise SetupError("Farm.Images must name a server and a share: smb://server/share")
        self.label = f"smb://{host}:{port}/{'/'.join(share)}"
        self._root = ntpath.join(rf"\\{host}", *share)
        self._lock = threading.Lock()
        self._connections: dict[str, Any] = {}
        self._options: dict[str, Any] = {
            "username": unquote(parts.username or "guest"),
            "password": unquote(parts.password or "") or password,
            "port": port,
            "connection_timeout": CONNECT_SECONDS,
        }
        self._host = host

    def _is_file(self, path: PurePosixPath) -> bool:
        def look(options: dict[str, Any]) -> bool:
            return stat.S_ISREG(smbclient.stat(self._place(path), **options).st_mode)

        with contextlib.suppress(InvalidPath):
            return self._do(path, look)
        return False

    def _read(self, path: PurePosixPath, size: int) -> bytes:
        def read(options: dict[str, Any]) -> bytes:
            place = self._place(path)
            with smbclient.open_file(place, "rb", share_access="r", **options) as stream:
                return bytes(stream.read(size))

        return self._do(path, read)

    def _write(self, path: PurePosixPath, data: bytes | memoryview, temporary: str) -> None:
        def write(options: dict[str, Any]) -> None:
            passing = self._place(path.with_name(temporary))
            if is_internal(path):
                smbclient.makedirs(self._place(path.parent), exist_ok=True, **options)
            try:
                with smbclient.open_file(passing, "wb", **options) as stream:
                    stream.write(data)
                self._replace(passing, path, data, options)
            except BaseException:
                with contextlib.suppress(OSError, SMBException, ValueError):
                    smbclient.remove(passing, **options)
                raise

        self._do(path, write)

    def _replace(
        self,
        passing: str,
        path: PurePosixPath,
        data: bytes | memoryview,
        options: dict[str, Any],
    ) -> None:
        """Rename over an older result; one that is being read and is the same may stay."""
        deadline = time.monotonic() + REPLACE_SECONDS
        while True:
            try:
                smbclient.replace(passing, self._place(path), **options)
            except SMBOSError as error:
                refused = (NtStatus.STATUS_SHARING_VIOLATION, NtStatus.STATUS_ACCESS_DENIED)
                if error.ntstatus not in refused or not self._is_file(path):
                    raise
                if self._same(path, data):
                    smbclient.remove(passing, **options)
                    return
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _same(self, path: PurePosixPath, data: bytes | memoryview) -> bool:
        with contextlib.suppress(InvalidPath, StoreError):
            there = self._read(path, len(data) + 1)
            return hashlib.sha256(there).digest() == hashlib.sha256(data).digest()
        return False

    def _remove_tree(self, path: PurePosixPath) -> None:
        def remove(options: dict[str, Any]) -> None:
            for entry in smbclient.listdir(self._place(path), **options):
                smbclient.remove(self._place(path / entry), **options)
            smbclient.rmdir(self._place(path), **options)

        with contextlib.suppress(InvalidPath):
            self._do(path, remove)

    def _sweep(self, oldest: float) -> int:
        removed, seen = 0, 0
        folders = [PurePosixPath()]
        while folders and seen < _MOST_FOLDERS:
            folder, seen = folders.pop(), seen + 1
            for name, is_folder, changed in self._listed(folder):
                path = folder / name
                if is_folder and folder == PurePosixPath(naming.WORK):
                    removed += changed < oldest and self._removed(path, self._remove_tree)
                elif is_folder:
                    folders.append(path)
                elif naming.is_temporary(name) and changed < oldest:
                    removed += self._removed(path, self._remove_file)
        return removed

    def _listed(self, folder: PurePosixPath) -> list[tuple[str, bool, float]]:
        """What is in a folder: names, whether they are folders (not links), when changed."""

        def look(options: dict[str, Any]) -> list[tuple[str, bool, float]]:
            found = []
            for entry in smbclient.scandir(self._place(folder), **options):
                is_folder = entry.is_dir(follow_symlinks=False)
                changed = entry.smb_info.last_write_time.timestamp()
                found.append((entry.name, is_folder, changed))
            return found

        with contextlib.suppress(InvalidPath):  # it has gone meanwhile
            return self._do(folder, look)
        return []

    def _remove_file(self, path: PurePosixPath) -> None:
        self._do(path, lambda options: smbclient.remove(self._place(path), **options))

    def _removed(self, path: PurePosixPath, remove: Callable[[PurePosixPath], object]) -> bool:
        """Whether it could be removed; somebody may have it open."""
        with contextlib.suppress(InvalidPath, StoreError):
            remove(path)
            return True
        return False

    def _place(self, path: PurePosixPath) -> str:
        if any(letter in _FORBIDDEN for letter in str(path)):
            raise InvalidPath(str(path), f"a Samba share has no names with {_FORBIDDEN}")
        return ntpath.join(self._root, *path.parts)

    def _do(self, path: PurePosixPath, operation: Callable[[dict[str, Any]], T]) -> T:
        """Run an operation; once more, on a new connection, if the old one turns out dead."""
        for again in (True, False):
            options = {**self._options, "connection_cache": self._connections}
            try:
                with self._lock:  # two at once would make two connections
                    smbclient.register_session(self._host, **options)
                return operation(options)
            except SMBLinkRedirectionError as error:
                raise InvalidPath(str(path), "it leads out of the shared folder") from error
            except SMBOSError as error:
                if error.ntstatus in _ABSENT:
                    raise InvalidPath(str(path), "it does not exist") from error
                if not again or error.ntstatus not in _GONE:
                    raise self._refusal(error.ntstatus) from error
            except (SMBException, OSError, ValueError) as error:
                # Also while it connects: a server that has just been started again is not far.
                if not again:
                    raise self.error(ConnectionError()) from error
            self._forget()
        raise AssertionError("the second attempt returns or raises")

    def _refusal(self, status: int) -> StoreError:
        reason = _REASONS.get(status, f"fails: SMB status {status:#010x}")
        return StoreError(f"the image folder {self.label} {reason}")

    def _forget(self) -> None:
        """Drop the connection; the next operation makes a new one."""
        with self._lock:
            dead, self._connections = self._connections, {}
        for connection in dead.values():
            with contextlib.suppress(SMBException, OSError, ValueError):
                connection.disconnect(close=False)
