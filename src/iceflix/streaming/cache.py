"""What is known of the files already read, kept between runs.

A file is known by path, size, mtime and inode; a rescan of unchanged files opens none of them
(V42). The cache is a convenience: a damaged one is rebuilt, a failing disk is a log line.
"""

import functools
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iceflix.runtime.files import atomic_write, exclusive_lock
from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Entry, Format, Stamp

_LAYOUT = 1
_log = get_logger(__name__)


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

    def entries(self) -> dict[str, Entry]:
        """All that is known, by path."""
        with self._lock:
            known = self._entries.items()
            return {path: entry for path, entry in known if entry.format or entry.problem}

    def digest(self, path: str, stamp: Stamp) -> str:
        """The digest of a file as it is now; empty when it is not known."""
        with self._lock:
            entry = self._entries.get(path)
            return entry.digest if entry is not None and entry.stamp == stamp else ""

    def put(self, path: str, entry: Entry) -> None:
        """Keep what was found out about a file."""
        with self._lock:
            self._entries[path] = entry
            self._dirty = True

    def keep_only(self, paths: Mapping[str, Stamp]) -> None:
        """Forget the files that are not there any more."""
        with self._lock:
            gone = [path for path in self._entries if path not in paths]
            for path in gone:
                del self._entries[path]
            self._dirty |= bool(gone)

    def save(self) -> None:
        """Write it, if anything changed. What lies in other folders is left as it is."""
        with self._lock:
            if not self._dirty:
                return
            ours = dict(self._entries)
            self._dirty = False
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(self._file):
                others = {
                    path: entry
                    for path, entry in self._load().items()
                    if not path.startswith(self._prefix)
                }
                atomic_write(self._file, _encode(self._maker(), {**others, **ours}))
        except OSError as error:
            _log.warning("cannot keep what was read", file=str(self._file), error=str(error))

    @functools.cached_property
    def _entries(self) -> dict[str, Entry]:
        known = self._load().items()
        return {path: entry for path, entry in known if path.startswith(self._prefix)}

    def _load(self) -> dict[str, Entry]:
        try:
            data = json.loads(self._file.read_bytes())
            if data["layout"] != _LAYOUT:
                return {}
            ours = data["maker"] == self._maker()
            return {path: _decode(fields, ours) for path, fields in data["files"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("media cache unusable, reading again", error=repr(error)[:200])
            return {}


def _encode(maker: str, entries: Mapping[str, Entry]) -> bytes:
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
    return json.dumps({"layout": _LAYOUT, "maker": maker, "files": files}).encode("ascii") + b"\n"


def _decode(fields: list[Any], with_format: bool) -> Entry:
    size, mtime_ns, inode, digest, form, problem = fields
    stamp = Stamp(int(size), int(mtime_ns), int(inode))
    if not with_format:
        return Entry(stamp, str(digest))
    return Entry(stamp, str(digest), Format.from_json(form) if form else None, str(problem))
