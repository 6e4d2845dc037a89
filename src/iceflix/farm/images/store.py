"""Where images lie: a folder, a Samba share, or whatever else fsspec speaks.

Reading, writing and looking up by paths relative to the share. No path leads out of it (F09); a
result appears whole or not at all, by a temporary name and a rename; sources are never written.
"""

import abc
import errno
import pkgutil
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from iceflix.farm.images import naming
from iceflix.runtime.errors import InvalidRequest, ServiceError

# Imported when used: none of them needs the libraries of the others.
_KINDS = {
    "": "iceflix.farm.images.folder:FolderStore",
    "file": "iceflix.farm.images.folder:FolderStore",
    "smb": "iceflix.farm.images.samba:SambaStore",
}
_OTHERS = "iceflix.farm.images.remote:RemoteStore"
_REASONS = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is full (the quota is used up)",
    errno.EFBIG: "takes no file of this size",
    errno.EROFS: "is read-only",
    errno.EACCES: "does not allow it",
    errno.EPERM: "does not allow it",
}


class StoreError(ServiceError):
    """The store cannot do it now: full, read-only, away. ``str`` is a sentence."""


class ImageStore(abc.ABC):
    """One store. Thread-safe. Every operation may raise StoreError.

    label: where it is, for logs and sentences; without a password.
    """

    label = ""

    @staticmethod
    def from_url(url: str, password: str = "") -> "ImageStore":
        """A path, ``smb://user@host:port/share/folder``, or a URL for fsspec.

        password: for a URL that has none. Connects when it is first used. Raises SetupError for
        a URL that makes no sense.
        """
        scheme = urlsplit(url).scheme.lower() if "://" in url else ""
        made = pkgutil.resolve_name(_KINDS.get(scheme, _OTHERS))(url, password)
        assert isinstance(made, ImageStore)
        return made

    def exists(self, path: str) -> bool:
        """Whether the path names a file of the share; False for hostile paths as well (F09)."""
        try:
            self.resolve(path)
        except naming.InvalidPath:
            return False
        return True

    def resolve(self, path: str) -> str:
        """The path in its plain form. Raises InvalidPath unless it names a file of the share."""
        clean = naming.clean(path, internal=True)
        if not self._is_file(clean):
            raise naming.InvalidPath(path, "it does not exist")
        return str(clean)

    def read(self, path: str, limit: int) -> bytes:
        """A whole file. Raises InvalidPath; InvalidRequest for more bytes than the limit."""
        data = self._read(naming.clean(path, internal=True), limit + 1)
        if len(data) > limit:
            raise InvalidRequest(f"{path} has more than {limit} bytes, the most that is allowed")
        return data

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Put a result in place, whole; an older one of this name is replaced. Raises InvalidPath.

        In the share's own folder, missing folders are made; elsewhere they have to be there.
        """
        clean = naming.clean(path, internal=True)
        self._write(clean, data, naming.temporary_name(secrets.token_hex(8)))

    def remove_tree(self, path: str) -> None:
        """Remove a folder of intermediate results; nothing happens if there is none.

        Raises InvalidPath for any other folder: no image is ever removed.
        """
        clean = naming.clean(path, internal=True)
        if clean.parts[:-1] != PurePosixPath(naming.WORK).parts:
            raise naming.InvalidPath(path, "it is no folder of intermediate results")
        self._remove_tree(clean)

    def sweep(self, seconds: float) -> int:
        """Remove what killed processes left half-done, if it is older; returns how many.

        Temporary files anywhere in the share, and folders of intermediate results. Never raises:
        what cannot be looked at or removed now is left for the next time.
        """
        oldest = time.time() - seconds
        try:
            return self._sweep(oldest)
        except (StoreError, naming.InvalidPath):
            return 0

    def result_path(self, image: str, steps: Iterable[tuple[str, Mapping[str, str]]]) -> str:
        """What the result of a request is called (F12); see naming."""
        return naming.result_path(image, steps)

    def error(self, problem: BaseException) -> StoreError:
        """What to say of a failure of the operating system or a library."""
        reason = None
        if isinstance(problem, OSError) and problem.errno is not None:
            reason = _REASONS.get(problem.errno) or (problem.strerror or "").lower()
        return StoreError(f"the image folder {self.label} {_verbal(reason)}")

    @abc.abstractmethod
    def _is_file(self, path: PurePosixPath) -> bool: ...

    @abc.abstractmethod
    def _read(self, path: PurePosixPath, size: int) -> bytes: ...

    @abc.abstractmethod
    def _write(self, path: PurePosixPath, data: bytes | memoryview, temporary: str) -> None: ...

    @abc.abstractmethod
    def _sweep(self, oldest: float) -> int: ...

    @abc.abstractmethod
    def _remove_tree(self, path: PurePosixPath) -> None: ...


def is_internal(path: PurePosixPath) -> bool:
    """Whether it lies in the share's own folder."""
    return path.parts[0] == naming.OWN


def _verbal(reason: str | None) -> str:
    if not reason:
        return "cannot be reached"
    return reason if reason.startswith(("is ", "takes ", "does ")) else f"fails: {reason}"
