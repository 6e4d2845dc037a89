"""Reading the media folder: walk, recognise, digest.

Files that are known by path, size, mtime and inode are not opened. The rest is read in parallel
threads; the digest is taken by hashlib, which leaves the other threads running. One bad file is
reported and never ends a scan.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any, Protocol

from iceflix.streaming.cache import Cache
from iceflix.streaming.library import Entry, Format, Settling, Stamp, sort_out
from iceflix.streaming.prober import BadFile

_SAVE_SECONDS = 5.0
_F_SETSIG = 10  # Linux; not in Python's fcntl


class Listener(Protocol):
    """Who wants to know, as soon as it is known. Called from several threads."""

    def ready(self, path: str, entry: Entry) -> None:
        """A video can be played."""

    def skipped(self, path: str, reason: str) -> None:
        """A file or folder is of no use."""


class Progress(Protocol):
    """Who shows how far it is."""

    def begin(self, files: int, size: int) -> None:
        """So many files and bytes are to be read."""

    def advance(self, size: int) -> None:
        """So many bytes more were read. Called from several threads."""

    def done(self) -> None:
        """One file more is done. Called from several threads."""

    def end(self) -> None:
        """That was it."""


@dataclass
class Listing:
    """What a folder holds: regular files with their stamps; what cannot be used and why."""

    found: dict[str, Stamp] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A scan's end: files that were there, files not yet at rest; cancelled when interrupted."""

    listing: Listing
    unsettled: tuple[str, ...]
    cancelled: bool


class Cancelled(Exception):
    """The scan is to end now."""


class _Unsettled(Exception):
    """Somebody is writing the file."""


def walk(folder: str) -> Listing:
    """List the regular files under a folder, links followed, each folder once. Never raises."""
    listing = Listing()
    entered: set[tuple[int, int]] = set()
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            status = Path(current).stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            listing.problems[current] = _reason(error)
            continue
        below = [entry.path for entry in ordered if _take(entry, listing)]
        folders += reversed(below)
    return listing


def _take(entry: "os.DirEntry[str]", listing: Listing) -> bool:
    """Note a folder's entry; returns whether it is a folder itself."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        if entry.is_symlink():
            listing.problems[entry.path] = "a link to nothing"
        return False
    except OSError as error:
        listing.problems[entry.path] = _reason(error)
        return False
    if stat.S_ISREG(status.st_mode):
        listing.found[entry.path] = Stamp.of(status)
    elif not stat.S_ISDIR(status.st_mode):
        listing.problems[entry.path] = "not a regular file"
    return stat.S_ISDIR(status.st_mode)


def being_written(handle: int) -> bool:
    """Whether anybody has the open file open for writing, as far as the kernel tells.

    A read lease is refused while there is a writer. It is given back at once; a writer who comes
    in between makes the kernel send SIGURG, which is ignored, instead of the deadly SIGIO.
    """
    try:
        fcntl.fcntl(handle, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        # Others' files and network disks know no leases (EACCES, EINVAL): the clock must do.
        return error.errno == errno.EAGAIN
    with contextlib.suppress(OSError):
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


class _Watched(RawIOBase):
    """A file that tells how much was read, and can be told to stop."""

    def __init__(self, handle: int, advance: Callable[[int], None], stop: threading.Event) -> None:
        super().__init__()
        self._handle = handle
        self._advance = advance
        self._stop = stop

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on. Raises Cancelled."""
        if self._stop.is_set():
            raise Cancelled
        size = os.readv(self._handle, [buffer])
        self._advance(size)
        return size


class Scanner:
    """Reads a folder. One scan at a time."""

    def __init__(
        self,
        cache: Cache,
        examine: Callable[[str], Format],
        *,
        threads: int,
        settle_seconds: float,
    ) -> None:
        """``examine`` tells what a file holds; it raises BadFile and may be slow."""
        self._cache = cache
        self._examine = examine
        self._threads = threads or os.cpu_count() or 1
        self._settling = Settling(settle_seconds)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the running scan soon, and every later one at once."""
        self._stop.set()

    def scan(self, listing: Listing, listener: Listener, progress: Progress) -> Outcome:
        """Read whatever of a listing is not known yet."""
        known, unread = sort_out(listing.found, self._cache.entries())
        for path, reason in listing.problems.items():
            listener.skipped(path, reason)
        for path, entry in known.items():
            _tell(listener, path, entry)
        progress.begin(len(unread), sum(listing.found[path].size for path in unread))
        unsettled: list[str] = []
        try:
            self._read_all(unread, unsettled, listener, progress)
        finally:
            progress.end()
            self._cache.save()
        return Outcome(listing, tuple(unsettled), self._stop.is_set())

    def forget_others(self, listing: Listing) -> None:
        """Drop from the cache what a listing of the whole folder does not hold."""
        self._cache.keep_only(listing.found)
        self._cache.save()

    def _read_all(
        self,
        paths: Iterable[str],
        unsettled: list[str],
        listener: Listener,
        progress: Progress,
    ) -> None:
        saved = time.monotonic()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="scan") as threads:
            reading = {threads.submit(self._read, path, progress): path for path in paths}
            for future in as_completed(reading):
                path = reading[future]
                try:
                    entry = future.result()
                except (Cancelled, FileNotFoundError):
                    continue
                except _Unsettled:
                    unsettled.append(path)
                    continue
                except OSError as error:
                    listener.skipped(path, _reason(error))
                    continue
                _tell(listener, path, entry)
                if time.monotonic() - saved > _SAVE_SECONDS:
                    self._cache.save()
                    saved = time.monotonic()

    def _read(self, path: str, progress: Progress) -> Entry:
        """Read one file. Raises OSError, _Unsettled, Cancelled."""
        if self._stop.is_set():
            raise Cancelled
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            stamp = Stamp.of(status)
            self._require_rest(path, status, handle)
            entry, lasting = self._recognise(path, stamp)
            if entry.format is not None:
                digest = self._cache.digest(path, stamp)
                entry = Entry(stamp, digest or self._digest(handle, progress), entry.format)
            if Stamp.of(os.stat(path)) != stamp or being_written(handle):  # noqa: PTH116
                self._settling.forget(path)
                raise _Unsettled
        finally:
            os.close(handle)
            progress.done()
        if lasting:
            self._cache.put(path, entry)
        return entry

    def _digest(self, handle: int, progress: Progress) -> str:
        with _Watched(handle, progress.advance, self._stop) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _require_rest(self, path: str, status: os.stat_result, handle: int) -> None:
        with self._lock:
            rests = self._settling.rests(path, status, time.time(), time.monotonic())
        if not rests or being_written(handle):
            raise _Unsettled

    def _recognise(self, path: str, stamp: Stamp) -> tuple[Entry, bool]:
        """What the file holds, and whether that may be kept in the cache."""
        if stamp.size == 0:
            return Entry(stamp, problem="empty"), True
        try:
            return Entry(stamp, format=self._examine(path)), True
        except BadFile as error:
            if self._stop.is_set():
                raise Cancelled from None
            return Entry(stamp, problem=str(error)), error.lasting


def _tell(listener: Listener, path: str, entry: Entry) -> None:
    if entry.format is None:
        listener.skipped(path, entry.problem)
    else:
        listener.ready(path, entry)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
