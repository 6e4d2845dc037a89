"""A folder of this machine, or one that the operating system has mounted."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from iceflix.farm.images import naming
from iceflix.farm.images.naming import InvalidPath
from iceflix.farm.images.store import ImageStore, StoreError, is_internal

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe does not hold us up


class FolderStore(ImageStore):
    """Links are followed while they stay in the share.

    The way that a path really takes is found first, and then walked without following links, so
    that nobody can put one there in between.
    """

    def __init__(self, url: str, _password: str = "") -> None:
        place = unquote(urlsplit(url).path) if url.lower().startswith("file://") else url
        self._root = Path(place).expanduser().absolute()
        self.label = str(self._root)

    def _sweep(self, oldest: float) -> int:
        removed = 0
        work = self._root / naming.WORK
        for folder, folders, files, handle in os.fwalk(self._root):
            for name in filter(naming.is_temporary, files):
                removed += _remove_old(handle, name, oldest)
            if Path(folder) == work:
                removed += sum(_remove_old_tree(handle, name, oldest) for name in folders)
        return removed

    def _is_file(self, path: PurePosixPath) -> bool:
        with self._trouble(path):
            try:
                os.close(self._open(path))
            except InvalidPath:
                return False
        return True

    def _read(self, path: PurePosixPath, size: int) -> bytes:
        with self._trouble(path), os.fdopen(self._open(path), "rb") as stream:
            return stream.read(size)

    def _write(self, path: PurePosixPath, data: bytes | memoryview, temporary: str) -> None:
        with self._trouble(path):
            if is_internal(path):
                self._present()
                self._root.joinpath(path.parent).mkdir(parents=True, exist_ok=True)
            with self._folder(path.parent, path) as folder:
                _put(folder, path.name, data, temporary)

    def _remove_tree(self, path: PurePosixPath) -> None:
        with (
            self._trouble(path),
            contextlib.suppress(FileNotFoundError, InvalidPath),
            self._folder(path.parent, path) as folder,
        ):
            shutil.rmtree(path.name, dir_fd=folder)

    def _open(self, path: PurePosixPath) -> int:
        """Open an ordinary file for reading. Raises InvalidPath; OSError."""
        real = self._real(path, path)
        with self._walk(real.parent) as folder:
            # Devices are not even opened: for some that is enough to do something.
            if not stat.S_ISREG(os.stat(real.name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise InvalidPath(str(path), "it is not a file")
            return os.open(real.name, _FILE, dir_fd=folder)

    @contextlib.contextmanager
    def _folder(self, folder: PurePosixPath, path: PurePosixPath) -> Iterator[int]:
        with self._walk(self._real(folder, path)) as handle:
            yield handle

    def _real(self, place: PurePosixPath, path: PurePosixPath) -> PurePosixPath:
        """Where a path really leads, relative to the share. Raises InvalidPath if out of it."""
        root = os.path.realpath(self._root)
        real = Path(os.path.realpath(os.path.join(root, place)))  # noqa: PTH118
        if not real.is_relative_to(root):
            raise InvalidPath(str(path), "it leads out of the shared folder")
        return PurePosixPath(real.relative_to(root))

    @contextlib.contextmanager
    def _walk(self, folder: PurePosixPath) -> Iterator[int]:
        handle = os.open(os.path.realpath(self._root), _FOLDER & ~os.O_NOFOLLOW)
        try:
            for part in folder.parts:
                inner = os.open(part, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _present(self) -> None:
        if not self._root.is_dir():
            raise StoreError(f"the image folder {self.label} is not there; is it mounted?")

    @contextlib.contextmanager
    def _trouble(self, path: PurePosixPath) -> Iterator[None]:
        """Tell a file that is not there from a share that is not there."""
        try:
            yield
        except OSError as error:
            self._present()
            if error.errno in _ABSENT:
                raise InvalidPath(str(path), "it does not exist") from error
            raise self.error(error) from error


def _remove_old(folder: int, name: str, oldest: float) -> bool:
    with contextlib.suppress(OSError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_mtime < oldest:
            os.unlink(name, dir_fd=folder)
            return True
    return False


def _remove_old_tree(folder: int, name: str, oldest: float) -> bool:
    with contextlib.suppress(OSError):
        if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < oldest:
            shutil.rmtree(name, dir_fd=folder)
            return True
    return False


def _put(folder: int, name: str, data: bytes | memoryview, temporary: str) -> None:
    """Write a temporary neighbour and rename it. Raises OSError; leaves nothing behind then."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb", buffering=0) as stream:
            rest = memoryview(data)
            while rest:
                rest = rest[stream.write(rest) :]
            if not name.endswith(".ifx"):
                os.fdatasync(stream.fileno())  # a power cut must not leave an empty result
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
