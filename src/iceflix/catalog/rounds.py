"""Questions to providers, shared by the calls that come together.

A call may go by the answer to a question that was asked after the call had come, never by an older
one: a provider that died between two calls is not handed out by the second (V27). So whoever comes
while a provider is being asked waits for the next question, and all who come meanwhile share it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from iceflix.runtime.log import get_logger

T = TypeVar("T")
Then = Callable[[T | None], None]  # told what was answered; None: nothing
_THREADS = 16  # of those that hang, so many are waited for at the same time
_log = get_logger(__name__)


class Rounds(Generic[T]):
    """Thread-safe. ``question(whom)`` asks somebody and waits for the answer.

    Who comes alone asks, on his own thread, since that is quickest. All others are told later and
    wait on no thread, so one that hangs holds up those who want that one and nobody else.
    """

    def __init__(self, question: Callable[[str], T | None]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Then[T]]] = {}  # for the next question, by who is asked now
        self._workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="rounds")
        self._stopped = False

    def ask(self, whom: str, then: Then[T]) -> None:
        """Have ``then`` told what is answered from now on: at once, or later by another thread."""
        with self._lock:
            stopped = self._stopped
            if not stopped and whom in self._waiting:
                self._waiting[whom].append(then)
                return
            if not stopped:
                self._waiting[whom] = []
        then(None if stopped else self._ask(whom))

    def stop(self) -> None:
        """Tell everybody who waits None, and from now on everybody: the process is ending."""
        with self._lock:
            self._stopped = True
            calls = [then for waiting in self._waiting.values() for then in waiting]
            self._waiting.clear()
        self._workers.shutdown(wait=False)
        for then in calls:
            then(None)

    def _ask(self, whom: str) -> T | None:
        try:
            answer = self._question(whom)
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _log.exception("a question failed")  # those who wait for the next one are not lost
            answer = None
        with self._lock:
            waiting = self._waiting.pop(whom, [])
            if waiting:
                self._waiting[whom] = []
                self._workers.submit(self._ask_for, whom, waiting)
        return answer

    def _ask_for(self, whom: str, calls: list[Then[T]]) -> None:
        answer = self._ask(whom)
        for then in calls:
            if answer is None:
                self._tell_nothing(then)
            else:
                then(answer)

    def _tell_nothing(self, then: Then[T]) -> None:
        """Tell it on another thread: they will ask for somebody else, and shall do so together."""
        with self._lock:
            if not self._stopped:
                self._workers.submit(then, None)
                return
        then(None)
