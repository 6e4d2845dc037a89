"""What the librarian is to do next: asked by many, done by one."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from iceflix.runtime.scheduler import Handle, Scheduler

_GATHER_SECONDS = 0.1  # a file that moves is two changes; a copied folder is many
_MOST_PATHS = 1000  # more than these: the whole folder is quicker
_RETRY_LIMIT_SECONDS = 5.0
_RETRY_GROWTH = 1.5


@dataclass
class Errand:
    """Read the whole folder; see whether it is the same one still; look at these paths."""

    whole: bool = False
    glance: bool = False
    paths: set[str] = field(default_factory=set)


class Errands:
    """Collects what is asked until somebody takes it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._next = Errand()

    def rescan(self) -> None:
        """Read the whole folder."""
        with self._lock:
            self._next.whole = True
        self._wanted.set()

    def glance(self) -> None:
        """See whether the folder is still the same one."""
        with self._lock:
            self._next.glance = True
        self._wanted.set()

    def look(self, paths: Iterable[str]) -> None:
        """Look at these files and folders."""
        with self._lock:
            self._next.paths.update(paths)
            if len(self._next.paths) > _MOST_PATHS:
                self._next = Errand(whole=True)
        self._wanted.set()

    def stop(self) -> None:
        """Let ``take`` return None from now on."""
        self._stopping.set()
        self._wanted.set()

    def take(self) -> Errand | None:
        """Wait for something to do; None when it is time to stop."""
        self._wanted.wait()
        return self.take_now()

    def take_now(self) -> Errand | None:
        """What there is to do; None when there is nothing, or when it is time to stop."""
        if not self._wanted.is_set():
            return None
        if self._next.paths:
            self._stopping.wait(_GATHER_SECONDS)
        if self._stopping.is_set():
            return None
        with self._lock:
            self._wanted.clear()
            errand, self._next = self._next, Errand()
        return errand


class Patience:
    """Asks to look again at files that are being written, less often the longer it takes.

    Thread-safe.
    """

    def __init__(
        self, scheduler: Scheduler, settle_seconds: float, look: Callable[[set[str]], object]
    ) -> None:
        self._scheduler = scheduler
        self._settle = settle_seconds
        self._look = look
        self._lock = threading.Lock()
        self._restless: set[str] = set()
        self._pause = 0.0
        self._planned: tuple[float, Handle] | None = None

    def heard(self) -> None:
        """Something happened: a writer may have come to its end."""
        with self._lock:
            self._pause = 0.0

    def wait_for(self, paths: Iterable[str]) -> None:
        """These files are being written. None: all that were looked at are at rest."""
        with self._lock:
            self._restless.update(paths)
            if not self._restless:
                self._pause = 0.0
                return
            self._pause = max(self._settle, self._pause * _RETRY_GROWTH)
            pause = self._pause = min(_RETRY_LIMIT_SECONDS, self._pause)
            due = time.monotonic() + pause
            if self._planned is not None:
                if self._planned[0] <= due:
                    return
                self._planned[1].cancel()
            self._planned = due, self._scheduler.after(pause, self._look_again)

    def _look_again(self) -> None:
        with self._lock:
            paths, self._restless = self._restless, set()
            self._planned = None
        self._look(paths)
