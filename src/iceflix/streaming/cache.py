"""What is known of the files already read, kept between runs.

A file is known by path, size, mtime and inode; a rescan of unchanged files opens none of them
(V42). One that has got another name is still the same. Files that are not there any more are kept
for a month: their disk may only be away. The cache is a convenience: a damaged one is rebuilt, a
failing disk is a log line.
"""

import contextlib
import functools
import gc
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceflix.runtime.files import atomic_write, exclusive_lock
from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Entry, Format, Stamp, sort_out

_LAYOUT = 2
_LAYOUT_WITHOUT_CHOICES = 1  # its digests are used, its formats are found out anew
_ABSENT_SECONDS = 30 * 86400.0
_log = get_logger(__name__)


@dataclass
class _Content:
    """What is known, and since when (seconds) which files of that are away."""

    entries: dict[str, Entry]
    absent: dict[str, float]


class Cache:
    """Entries by path. Thread-safe. Read from the file when first asked.

    ``maker`` names what recognised the formats: another one's are found out anew, while the
    digests, which take long, stay.
    """

    def __init__(self, file: Path, folder: Path, maker: Callable[[], str]) -> None:
        self._file = file
        self._prefix = f"{folder}/"
        self._maker = maker
        self._lock = threading.RLock()
        self._dirty = False

    def recognise(self, found: Mapping[str, Stamp]) -> tuple[dict[str, Entry], set[str]]:
        """What is known of these files; which of them have got another name since."""
        with self._lock:
            named, renamed = sort_out(found, self._loaded.entries)
            self._loaded.entries.update(renamed)
            self._dirty |= bool(renamed)
            known = {**named, **renamed}.items()
            usable = {path: entry for path, entry in known if entry.format or entry.problem}
            return usable, set(renamed)

    def entries(self) -> dict[str, Entry]:
        """All that is known, by path."""
        with self._lock:
            known = self._loaded.entries.items()
            return {path: entry for path, entry in known if entry.format or entry.problem}

    def digest(self, path: str, stamp: Stamp) -> str:
        """The digest of a file as it is now; empty when it is not known."""
        with self._lock:
            entry = self._loaded.entries.get(path)
            return entry.digest if entry is not None and entry.stamp == stamp else ""

    def put(self, path: str, entry: Entry) -> None:
        """Keep what was found out about a file; not about its own, which would change by that."""
        if path == str(self._file):
            return
        with self._lock:
            self._loaded.entries[path] = entry
            self._dirty = True

    def keep_only(self, paths: Mapping[str, Stamp], now: float) -> None:
        """Take note of which files are there; forget those that have been away for a month.

        ``now`` is the time of day, in seconds.
        """
        with self._lock:
            absent = {
                path: self._loaded.absent.get(path, now)
                for path in self._loaded.entries
                if path not in paths
            }
            for path, since in list(absent.items()):
                if now - since > _ABSENT_SECONDS:
                    del self._loaded.entries[path], absent[path]
            self._dirty |= absent != self._loaded.absent
            self._loaded.absent = absent

    def save(self) -> None:
        """Write it, if anything changed. What lies in other folders is left as it is."""
        with self._lock:
            if not self._dirty:
                return
            ours, absent = dict(self._loaded.entries), dict(self._loaded.absent)
            self._dirty = False
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(self._file):
                entries, away = self._load()
                others = {path: entries[path] for path in entries if not self._is_ours(path)}
                absent |= {path: away[path] for path in away if not self._is_ours(path)}
                known = {**others, **ours}
                atomic_write(self._file, _encode(self._maker(), known, absent))
        except OSError as error:
            _log.warning("cannot keep what was read", file=str(self._file), error=str(error))

    @functools.cached_property
    def _loaded(self) -> "_Content":
        entries, absent = self._load()
        return _Content(
            {path: entry for path, entry in entries.items() if self._is_ours(path)},
            {path: since for path, since in absent.items() if self._is_ours(path)},
        )

    def _is_ours(self, path: str) -> bool:
        return path.startswith(self._prefix)

    def _load(self) -> tuple[dict[str, Entry], dict[str, float]]:
        with _no_collector():
            return self._read()

    def _read(self) -> tuple[dict[str, Entry], dict[str, float]]:
        try:
            data = json.loads(self._file.read_bytes())
            if data["layout"] not in (_LAYOUT, _LAYOUT_WITHOUT_CHOICES):
                return {}, {}
            usable = data["layout"] == _LAYOUT and data["maker"] == self._maker()
            entries = {path: _decode(fields, usable) for path, fields in data["files"].items()}
            absent = data.get("absent", {}).items()
            return entries, {path: float(since) for path, since in absent if path in entries}
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("media cache unusable, reading again", error=repr(error)[:200])
            return {}, {}


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Make many objects at once, none of them garbage: looking for some would double the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _encode(maker: str, entries: Mapping[str, Entry], absent: Mapping[str, float]) -> bytes:
    files = {
        path: [
            entry.stamp.size,
            entry.stamp.mtime_ns,
            entry.stamp.inode,
            entry.digest,
            entry.format.as_json() if entry.format else None,
            entry.problem,
        ]
        for path, entry in entries.items()
    }
    # ASCII with escapes also carries names that are no valid UTF-8.
    content = {"layout": _LAYOUT, "maker": maker, "files": files, "absent": absent}
    return json.dumps(content).encode("ascii") + b"\n"


def _decode(fields: list[Any], with_format: bool) -> Entry:
    size, mtime_ns, inode, digest, form, problem = fields
    stamp = Stamp(int(size), int(mtime_ns), int(inode))
    if not with_format:
        return Entry(stamp, str(digest))
    return Entry(stamp, str(digest), Format.from_json(form) if form else None, str(problem))
