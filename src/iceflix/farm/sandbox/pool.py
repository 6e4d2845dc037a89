"""Warm workers, each for one owner of code.

A filter shares a process with nothing but filters of the same owner: the shipped ones have one
owner (the empty text), any other filter is its own. What a filter does to NumPy inside its worker
therefore meets its own next job at most. A process for each call would do, too, and costs 4 ms for
a small image and 20 ms for one of 12 megapixels; this costs a start (0.2 s) for a filter's first
use, and memory for as long as it is in use.
"""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.sandbox.worker import Worker, WorkerFailed
from iceflix.runtime.errors import ServiceError

SHIPPED = ""  # the owner of the shipped filters, of decoding and of encoding
_KEPT_PER_SLOT = 3


class Pool:
    """Starts, lends, keeps and replaces workers. Thread-safe."""

    def __init__(self, limits: Limits, slots: int) -> None:
        self._limits = limits
        self._kept = _KEPT_PER_SLOT * slots
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Worker]] = []  # the longest unused first
        self._stopped = False
        # Workers die with the thread that started them (PR_SET_PDEATHSIG): it has to be this one.
        self._starter = ThreadPoolExecutor(1, "sandbox-starter")

    def warm(self, count: int) -> None:
        """Have so many workers for shipped filters: one now, the others soon. Raises SetupError."""
        self._put_back(SHIPPED, self._start())
        for _ in range(count - 1):
            self._starter.submit(self._warm_another)

    @contextlib.contextmanager
    def worker(self, owner: str) -> Iterator[Worker]:
        """Lend a worker; one that is lost is replaced. Raises SetupError."""
        worker = self._take(owner)
        lost = True
        try:
            yield worker
            lost = False
        except WorkerFailed as failure:
            lost = failure.lost
            raise
        finally:
            if lost:
                worker.close()
            else:
                worker.tidy()
                self._put_back(owner, worker)

    def stop(self) -> None:
        """End the idle workers, and the lent ones when they come back."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for _, worker in idle:
            worker.close()
        self._starter.shutdown(wait=True, cancel_futures=True)

    def pids(self) -> list[int]:
        """The idle workers' processes, for tests and for status."""
        with self._lock:
            return [worker.pid for _, worker in self._idle]

    def _take(self, owner: str) -> Worker:
        with self._lock:
            mine = [entry for entry in self._idle if entry[0] == owner]
            chosen = mine[-1:]
            self._idle = [entry for entry in self._idle if entry not in chosen]
        if not chosen:
            return self._start()
        worker = chosen[0][1]
        if worker.usable:
            return worker
        worker.close()
        return self._take(owner)

    def _start(self) -> Worker:
        try:
            return self._starter.submit(Worker, self._limits).result()
        except RuntimeError as error:  # the executor is shut down
            raise ServiceError("the task was cancelled: the workshop is closing") from error

    def _warm_another(self) -> None:
        with contextlib.suppress(ServiceError):
            self._put_back(SHIPPED, Worker(self._limits))

    def _put_back(self, owner: str, worker: Worker) -> None:
        with self._lock:
            unwanted = []
            if self._stopped or not worker.usable:
                unwanted.append(worker)
            else:
                self._idle.append((owner, worker))
                unwanted += [old for _, old in self._idle[: -self._kept]]
                self._idle = self._idle[-self._kept :]
        for old in unwanted:
            old.close()
