"""Reading the files of the media folder: recognise, digest.

Files that are known by size, mtime and inode are not opened, also under another name. The rest is
read in parallel threads; the digest is taken by hashlib, which leaves the other threads running.
One bad file is reported and never ends a scan.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from iceflix.streaming.cache import Cache
from iceflix.streaming.library import Entry, Format, Settling, Stamp
from iceflix.streaming.prober import BadFile
from iceflix.streaming.walk import Listing, words_of

_SAVE_SECONDS = 5.0
_BLOCK = 1 << 18  # fits the processors' caches
_AHEAD = 4  # files per thread that are begun with: enough that no thread waits
_POLL_SECONDS = 0.2
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


@dataclass(frozen=True)
class Outcome:
    """A scan's end: files that were there, files not yet at rest; cancelled when interrupted."""

    listing: Listing
    unsettled: tuple[str, ...]
    cancelled: bool


@dataclass(frozen=True)
class Recognised:
    """What becomes of a listing: files that are to be read; known ones with another name."""

    unread: list[str]
    renamed: frozenset[str]


class Cancelled(Exception):
    """The scan is to end now."""


class _Unsettled(Exception):
    """Somebody is writing the file."""


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


@dataclass(frozen=True)
class _Ears:
    """Who hears what a scan finds, who shows how far it is, and who has more to read."""

    listener: Listener
    progress: Progress
    more: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class _Looked:
    """What became of a file: the entry; whether it is to be kept; who takes its digest."""

    entry: Entry
    lasting: bool = True
    digest: Future[str] | None = None

    def complete(self) -> "_Looked":
        """The same with the digest. Raises what taking it raised."""
        if self.digest is None:
            return self
        entry = Entry(self.entry.stamp, self.digest.result(), self.entry.format)
        return _Looked(entry, self.lasting)


_Done = tuple[str, Callable[[], _Looked]]  # a file, and what gives the result or raises


class _Queue:
    """The files that are being read, a few at a time, and those that wait for their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[str] = deque()
        self._taken: set[str] = set()
        self._running = 0
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()

    def __bool__(self) -> bool:
        return bool(self._running or self._waiting)

    def add(self, paths: Sequence[str], *, first: bool = False) -> None:
        """Take files in, before all others or after them; each once."""
        new = [path for path in paths if path not in self._taken]
        self._taken.update(new)
        if first:
            self._waiting.extendleft(reversed(new))
        else:
            self._waiting.extend(new)

    def begin(self) -> Iterator[str]:
        """The files to begin with now."""
        while self._waiting and self._running < self._most:
            self._running += 1
            yield self._waiting.popleft()

    def expect(self, path: str, future: Future[Any], result: Callable[[], _Looked]) -> None:
        """A thread is at work on a file; when it has done, there is this result."""
        future.add_done_callback(lambda _future: self._done.put((path, result)))

    def next(self) -> _Done | None:
        """Wait for a thread, but not for long."""
        with contextlib.suppress(queue.Empty):
            return self._done.get(timeout=_POLL_SECONDS)
        return None

    def finish(self, path: str) -> None:
        """A file has been read, or not."""
        self._running -= 1
        self._taken.discard(path)


class Scanner:
    """Reads a folder. One scan at a time.

    Files are looked into and digested by as many threads each, so that neither waits for the
    other: a digest is begun before it is known whether the file is a video at all, and given up
    when it is none.
    """

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
        """Tell what is known of a listing, and read the rest."""
        return self.read(listing, self.recognise(listing, listener).unread, listener, progress)

    def recognise(self, listing: Listing, listener: Listener) -> Recognised:
        """Tell what is known of a listing. Opens no file."""
        known, renamed = self._cache.recognise(listing.found)
        for path, said in listing.problems.items():
            listener.skipped(path, said)
        for path, entry in known.items():
            _tell(listener, path, entry)
        unread = [path for path in listing.found if path not in known]
        return Recognised(unread, frozenset(renamed))

    def read(
        self,
        listing: Listing,
        unread: Sequence[str],
        listener: Listener,
        progress: Progress,
        more: Callable[[], Sequence[str]] = tuple,
    ) -> Outcome:
        """Read these files of a listing, and tell what they are.

        Meanwhile ``more`` is asked again and again for files that are to be read before the rest.
        """
        progress.begin(len(unread), sum(listing.found[path].size for path in unread))
        unsettled: list[str] = []
        try:
            self._read_all(unread, unsettled, _Ears(listener, progress, more))
        finally:
            progress.end()
            self._cache.save()
        return Outcome(listing, tuple(unsettled), self._stop.is_set())

    def forget_others(self, listing: Listing) -> None:
        """Have the cache know which files a listing of the whole folder does not hold."""
        self._cache.keep_only(listing.found, time.time())
        self._cache.save()

    def _read_all(self, paths: Sequence[str], unsettled: list[str], ears: _Ears) -> None:
        saved = time.monotonic()
        with (
            ThreadPoolExecutor(self._threads, thread_name_prefix="look") as looking,
            ThreadPoolExecutor(self._threads, thread_name_prefix="hash") as hashing,
        ):
            files = _Queue(_AHEAD * self._threads)
            files.add(paths)
            while files:
                for path in files.begin():
                    future = looking.submit(self._look, path, hashing, ears.progress)
                    files.expect(path, future, future.result)
                made = files.next()
                files.add(ears.more(), first=True)
                if made is None:
                    continue
                path, looked = made[0], _result(*made, unsettled, ears.listener)
                if looked is not None and looked.digest is not None:
                    files.expect(path, looked.digest, looked.complete)
                    continue
                files.finish(path)
                ears.progress.done()
                if looked is not None:
                    self._keep(path, looked, ears.listener)
                if time.monotonic() - saved > _SAVE_SECONDS:
                    self._cache.save()
                    saved = time.monotonic()

    def _keep(self, path: str, looked: _Looked, listener: Listener) -> None:
        if looked.lasting:
            self._cache.put(path, looked.entry)
        _tell(listener, path, looked.entry)

    def _look(self, path: str, hashing: ThreadPoolExecutor, progress: Progress) -> _Looked:
        """Recognise one file, while its digest is taken. Raises OSError, _Unsettled, Cancelled."""
        with self._opened(path) as (handle, status):
            with self._lock:
                rests = self._settling.rests(path, status, time.time(), time.monotonic())
            if not rests or being_written(handle):
                raise _Unsettled
            stamp, useless = Stamp.of(status), threading.Event()
            known = self._cache.digest(path, stamp)
            taken = None
            if stamp.size and not known:
                taken = hashing.submit(self._hash, path, stamp, useless, progress)
            try:
                looked = self._recognise(path, stamp, known, taken)
                self._require_unchanged(path, handle, stamp)
            except BaseException:
                useless.set()
                raise
            if looked.entry.format is None:
                useless.set()
        return looked

    def _hash(self, path: str, stamp: Stamp, useless: threading.Event, progress: Progress) -> str:
        """Take the digest of one file. Raises OSError, _Unsettled, Cancelled."""
        with self._opened(path) as (handle, _status):
            self._require_unchanged(path, handle, stamp)
            digest = self._digest(handle, useless, progress)
            self._require_unchanged(path, handle, stamp)
        return digest

    def _digest(self, handle: int, useless: threading.Event, progress: Progress) -> str:
        hasher = hashlib.sha256()
        buffer = bytearray(_BLOCK)
        view = memoryview(buffer)
        while not useless.is_set() and (size := os.readv(handle, [buffer])):
            if self._stop.is_set():
                raise Cancelled
            hasher.update(view[:size])
            progress.advance(size)
        return hasher.hexdigest()

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        if self._stop.is_set():
            raise Cancelled
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            yield handle, os.fstat(handle)
        finally:
            os.close(handle)

    def _require_unchanged(self, path: str, handle: int, stamp: Stamp) -> None:
        """Raise _Unsettled unless it is still the file that was looked at, and at rest."""
        there = Stamp.of(os.stat(path)), Stamp.of(os.fstat(handle))  # noqa: PTH116
        if there != (stamp, stamp) or being_written(handle):
            with self._lock:
                self._settling.forget(path)
            raise _Unsettled

    def _recognise(
        self, path: str, stamp: Stamp, digest: str, taken: Future[str] | None
    ) -> _Looked:
        """What the file holds, with its digest, or who takes it."""
        if stamp.size == 0:
            return _Looked(Entry(stamp, problem="empty"))
        try:
            form = self._examine(path)
        except BadFile as error:
            if self._stop.is_set():
                raise Cancelled from None
            return _Looked(Entry(stamp, problem=str(error)), error.lasting)
        return _Looked(Entry(stamp, digest, form), digest=taken)


def _result(
    path: str, result: Callable[[], _Looked], unsettled: list[str], listener: Listener
) -> _Looked | None:
    """What a thread found out; None when there is nothing, which has been told."""
    try:
        return result()
    except (Cancelled, FileNotFoundError):
        return None
    except _Unsettled:
        unsettled.append(path)
    except OSError as error:
        listener.skipped(path, words_of(error))
    return None


def _tell(listener: Listener, path: str, entry: Entry) -> None:
    if entry.format is None:
        listener.skipped(path, entry.problem)
    else:
        listener.ready(path, entry)
