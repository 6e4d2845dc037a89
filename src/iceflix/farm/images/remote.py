"""Any other file system that fsspec speaks: memory://, sftp://, s3:// ..."""

import contextlib
import datetime
import math
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec

from iceflix.farm.images import naming
from iceflix.farm.images.naming import InvalidPath
from iceflix.farm.images.store import ImageStore, is_internal
from iceflix.runtime.errors import SetupError

_WORK = PurePosixPath(naming.WORK).parts


def _changed(facts: dict[str, Any]) -> float:
    """When a file was changed, in seconds since 1970, as this file system tells it; else never."""
    for key in ("mtime", "last_modified", "LastModified", "modified", "created"):
        told = facts.get(key)
        if isinstance(told, datetime.datetime):
            if told.tzinfo is None:
                told = told.replace(tzinfo=datetime.UTC)
            return told.timestamp()
        if isinstance(told, int | float):
            return float(told)
    return math.inf


class RemoteStore(ImageStore):
    """Links, where the far side has any, are the far side's to forbid."""

    def __init__(self, url: str, password: str = "") -> None:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        self.label = f"{parts.scheme}://{place}{parts.path}"
        options = {"password": password} if password else {}
        try:
            system, root = fsspec.core.url_to_fs(url, **options)
        except (ValueError, ImportError, OSError) as error:
            raise SetupError(f"images cannot be kept at {self.label}: {error}") from error
        self._system: Any = system
        self._root = str(root).rstrip("/")

    def _is_file(self, path: PurePosixPath) -> bool:
        with self._trouble(path):
            return bool(self._system.isfile(self._place(path)))

    def _read(self, path: PurePosixPath, size: int) -> bytes:
        with self._trouble(path):
            if not self._system.isfile(self._place(path)):
                raise InvalidPath(str(path), "it does not exist")
            with self._system.open(self._place(path), "rb") as stream:
                return bytes(stream.read(size))

    def _write(self, path: PurePosixPath, data: bytes | memoryview, temporary: str) -> None:
        with self._trouble(path):
            folder, passing = self._place(path.parent), self._place(path.with_name(temporary))
            if is_internal(path):
                self._system.makedirs(folder, exist_ok=True)
            try:
                self._system.pipe_file(passing, bytes(data))
                self._rename(passing, self._place(path))
            except BaseException:
                with contextlib.suppress(Exception):
                    self._system.rm_file(passing)
                raise

    def _rename(self, old: str, new: str) -> None:
        try:
            self._system.mv(old, new)
        except FileExistsError:
            self._system.rm_file(new)
            self._system.mv(old, new)

    def _sweep(self, oldest: float) -> int:
        """Of files whose age is not told nothing is known, so they stay."""
        removed = 0
        with self._trouble(PurePosixPath()):
            found: dict[str, dict[str, Any]] = self._system.find(self._root, detail=True)
        newest: dict[PurePosixPath, float] = {}
        for place, facts in found.items():
            path, age = self._path(place), _changed(facts)
            if path.parts[: len(_WORK)] == _WORK and len(path.parts) > len(_WORK):
                job = PurePosixPath(*path.parts[: len(_WORK) + 1])
                newest[job] = max(newest.get(job, 0.0), age)
            elif age < oldest and naming.is_temporary(path.name):
                removed += self._removed(lambda p=place: self._system.rm_file(p))  # type: ignore[misc]
        for job, age in newest.items():
            if age < oldest:
                removed += self._removed(lambda j=job: self._remove_tree(j))  # type: ignore[misc]
        return removed

    def _removed(self, remove: Callable[[], object]) -> bool:
        """Whether it could be removed; somebody else may have done it."""
        with contextlib.suppress(Exception):
            remove()
            return True
        return False

    def _path(self, place: str) -> PurePosixPath:
        """A path as ``find`` tells it, relative to the share."""
        return PurePosixPath(place.removeprefix(self._root).lstrip("/"))

    def _remove_tree(self, path: PurePosixPath) -> None:
        with self._trouble(path), contextlib.suppress(FileNotFoundError):
            self._system.rm(self._place(path), recursive=True)

    def _place(self, path: PurePosixPath) -> str:
        return self._root if path == PurePosixPath() else f"{self._root}/{path}"

    @contextlib.contextmanager
    def _trouble(self, path: PurePosixPath) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InvalidPath(str(path), "it does not exist") from error
        except InvalidPath:
            raise
        except Exception as error:  # whatever the library below raises
            raise self.error(error) from error
