"""Hears of changes in folders as they happen, through the kernel's inotify (``watchdog``).

It only says where something has changed; what is there now is for others to see. Where it cannot
watch - the kernel's limits, other machines' changes on network disks - reading the folder again
from time to time takes its place.
"""

import errno
import importlib
import os
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from iceflix.runtime.log import get_logger
from iceflix.streaming.walk import Identity

_LIBRARY = "watchdog.observers.inotify_c"  # loaded when first needed: it takes its time
_EVENTS = (
    "IN_CREATE",
    "IN_CLOSE_WRITE",
    "IN_MOVED_FROM",
    "IN_MOVED_TO",
    "IN_DELETE",
    "IN_ATTRIB",
    "IN_DELETE_SELF",
    "IN_MOVE_SELF",
    "IN_ONLYDIR",
)
_HARMLESS = {errno.ENOENT, errno.ENOTDIR, errno.EACCES}  # gone, or reported by whoever reads it
_log = get_logger(__name__)


@dataclass
class _State:
    """How watching goes: the kernel's mask; whether it is over; whether a refusal was told."""

    mask: int = 0
    closed: bool = False
    warned: bool = False


class Watcher:
    """Watches folders, one by one. Thread-safe."""

    def __init__(self, heard: Callable[[str | None], object]) -> None:
        """``heard`` is told a path at which something changed; None: anything may have changed.

        It is called on a thread of its own, which it may hold up for a moment only.
        """
        self._heard = heard
        self._lock = threading.Lock()
        self._kernel: Any = None
        self._folders = _Folders()
        self._state = _State()

    def add(self, path: str, identity: Identity) -> None:
        """Watch a folder, from now on until it is gone. Never raises."""
        with self._lock:
            if self._state.closed or self._folders.holds(path, identity):
                return
            for number in self._folders.in_the_way(path, identity):
                self._drop(number)
            if not os.access(path, os.R_OK | os.X_OK):
                return
            try:
                number = self._opened().add_callback(
                    os.fsencode(path), self._state.mask, self, id(self)
                )
            except OSError as error:
                if error.errno not in _HARMLESS:
                    self._refuse(error)
                return
            self._folders.add(number, path, identity)

    def keep_only(self, folders: Container[str]) -> None:
        """Watch none but these any more."""
        with self._lock:
            for number, path in self._folders.all():
                if path not in folders:
                    self._drop(number)

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._state.closed = True
            kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.stop()
            kernel.join(2)

    # -- what watchdog calls, on its thread

    def on_event(self, event: Any) -> None:
        """Something happened in a folder, or to it."""
        with self._lock:
            path = self._folders.path(event.wd)
        if path is not None and not self._state.closed:
            self._heard(f"{path}/{os.fsdecode(event.name)}" if event.name else path)

    def on_watch_deleted(self, number: int) -> None:
        """A folder is gone, or its disk."""
        with self._lock:
            path = self._folders.remove(number)
        if path is not None and not self._state.closed:
            self._heard(path)

    def on_queue_overflow(self) -> None:
        """More happened than the kernel could note down."""
        _log.warning("too many changes at once, reading the media folder again")
        self._heard(None)

    # -- inside, under the lock

    def _opened(self) -> Any:
        if self._kernel is None:
            library = importlib.import_module(_LIBRARY)
            kinds = library.InotifyConstants
            self._state.mask = sum(getattr(kinds, name) for name in _EVENTS)
            self._kernel = library.InotifyFD()
            self._kernel.start()
        return self._kernel

    def _drop(self, number: int) -> None:
        if self._folders.remove(number) is not None and self._kernel is not None:
            self._kernel.remove_callbacks([(number, id(self))])

    def _refuse(self, error: OSError) -> None:
        if not self._state.warned:
            self._state.warned = True
            _log.warning(
                "cannot watch the whole media folder for changes; what is not watched is noticed "
                "when the folder is read again (Media.RescanSeconds). Raise the kernel's limits: "
                "fs.inotify.max_user_watches, fs.inotify.max_user_instances",
                reason=error.strerror or str(error),
            )


class _Folders:
    """The folders that are watched, by the kernel's numbers."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, Identity]] = {}
        self._by_path: dict[str, int] = {}
        self._by_identity: dict[Identity, int] = {}

    def holds(self, path: str, identity: Identity) -> bool:
        """Whether this folder is watched under this name."""
        number = self._by_path.get(path)
        return number is not None and self._known[number] == (path, identity)

    def in_the_way(self, path: str, identity: Identity) -> set[int]:
        """Watches of the same folder under another name, and of another folder of this name."""
        found = {self._by_path.get(path), self._by_identity.get(identity)}
        return {number for number in found if number is not None}

    def add(self, number: int, path: str, identity: Identity) -> None:
        """Take note of a watch."""
        self._known[number] = (path, identity)
        self._by_path[path] = self._by_identity[identity] = number

    def remove(self, number: int) -> str | None:
        """Forget a watch; returns its folder, None when it is unknown."""
        if number not in self._known:
            return None
        path, identity = self._known.pop(number)
        for table, key in ((self._by_path, path), (self._by_identity, identity)):
            _forget(table, key, number)
        return path

    def path(self, number: int) -> str | None:
        """The folder of a watch."""
        return self._known[number][0] if number in self._known else None

    def all(self) -> list[tuple[int, str]]:
        """Every watch with its folder."""
        return [(number, path) for number, (path, _identity) in self._known.items()]


def _forget(table: dict[Any, int], key: object, number: int) -> None:
    if table.get(key) == number:
        del table[key]
