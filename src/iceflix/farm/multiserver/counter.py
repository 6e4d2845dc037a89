"""The counter of a multiserver: callers and rings before it, the books (``jobs``) behind it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, UNKNOWN_IMAGE
from iceflix.farm.images.naming import InvalidPath, clean, work_folder
from iceflix.farm.images.store import ImageStore
from iceflix.farm.model import Job, RingReport, Task
from iceflix.farm.multiserver.effects import Answer, CallOff, CleanUp, Effect, KickRing, Refuse
from iceflix.farm.multiserver.jobs import Health, Jobs
from iceflix.farm.wire import to_slice
from iceflix.runtime.errors import Denial, ServiceError
from iceflix.runtime.log import get_logger

Waiting = list["Ice.Future[IceFlix.JobResult]"]
_KICK_MILLIS = 1000
_TICK_SECONDS = 0.2
_STALE_SECONDS = 3600.0  # no job lasts so long
_log = get_logger(__name__)


class _Clock:
    """Ticks while there are jobs; an idle multiserver sleeps."""

    def __init__(
        self, later: Callable[[float, Callable[[], None]], object], tick: Callable[[], None]
    ) -> None:
        self._later = later
        self._tick = tick
        self._running = False

    def wind(self) -> None:
        """There is a job."""
        if not self._running:
            self._running = True
            self._later(_TICK_SECONDS, self._tick)

    def ticked(self, *, again: bool) -> None:
        """It has ticked; wind it up again if there is more to wait for."""
        self._running = False
        if again:
            self.wind()


class Counter:
    """Thread-safe."""

    def __init__(
        self, jobs: Jobs, store: ImageStore, later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._clock = _Clock(later, self._tick)
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiting] = {}
        self._rings: dict[str, IceFlix.RingPrx] = {}
        self._cleaner = ThreadPoolExecutor(1, thread_name_prefix="cleaner")

    def submit(self, job: Job) -> "Ice.Future[IceFlix.JobResult]":
        """The answer, when there is one. Raises Denial for a job that makes no sense."""
        target = self._target(job)
        future: Ice.Future[IceFlix.JobResult] = Ice.Future()
        with self._lock:
            self._waiting.setdefault(job.job, []).append(future)
            effects = self._jobs.submit(job, target, time.monotonic())
            self._clock.wind()
        self._do(effects)
        return future

    def cancel(self, job: str) -> None:
        """Nobody wants it any more."""
        with self._lock:
            effects = self._jobs.cancel(job)
        self._do(effects)

    def health(self) -> Health:
        """How the queue is."""
        with self._lock:
            return self._jobs.health(time.monotonic())

    def exchange(self, report: RingReport, ring: IceFlix.RingPrx | None) -> tuple[Task, ...]:
        """A ring's master reports and takes tasks along."""
        with self._lock:
            tasks, effects = self._jobs.exchange(report, time.monotonic())
            if ring is not None:
                kicks = ring.ice_oneway().ice_invocationTimeout(_KICK_MILLIS)
                self._rings[report.ring] = IceFlix.RingPrx.uncheckedCast(kicks)
        self._do(effects)
        return tuple(tasks)

    def sweep(self) -> None:
        """Have removed, some time, what killed nodes and multiservers left in the share."""
        with contextlib.suppress(RuntimeError):  # stopped
            self._cleaner.submit(self._sweep)

    def stop(self) -> None:
        """Refuse what is under way: whoever asked can ask another multiserver."""
        with self._lock:
            effects = self._jobs.close()
        self._do(effects)
        self._cleaner.shutdown(wait=False)

    def details(self) -> dict[str, str]:
        """What the status says."""
        health = self.health()
        return {
            "queue": f"{health.queued} waiting, {health.running} under way, of {health.capacity}",
            "rings": " ".join(health.rings) or "none",
        }

    # -- inside

    def _tick(self) -> None:
        with self._lock:
            effects = self._jobs.tick(time.monotonic())
            self._clock.ticked(again=not self._jobs.idle)
        self._do(effects)

    def _target(self, job: Job) -> str:
        """What the result is called (F12). Raises Denial."""
        try:
            clean(job.image)
            steps = [(step.filter, step.parameters) for step in job.steps]
            target = self._store.result_path(job.image, steps)
        except InvalidPath as error:
            raise Denial(UNKNOWN_IMAGE, str(error)) from error
        if target == job.image:
            raise Denial(INVALID_REQUEST, "the result would have its source's name")
        return target

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(job, result):
                    facts = {"node": result.node, "seconds": result.seconds}
                    _log.info("job answered", correlation=job, **facts)
                    for future in self._take(job):
                        future.set_result(to_slice(result))
                case Refuse(job, reason, detail):
                    _log.info("job refused", correlation=job, reason=reason, detail=detail)
                    for future in self._take(job):
                        future.set_exception(IceFlix.Denied(reason, detail))
                case KickRing(ring):
                    self._tell(ring, lambda proxy: proxy.kickAsync())
                case CallOff(ring, node, task):
                    self._tell(ring, lambda proxy, n=node, t=task: proxy.callOffAsync(n, t))  # type: ignore[misc]
                case CleanUp(job):
                    self._cleaner.submit(self._clean_up, job)

    def _take(self, job: str) -> Waiting:
        with self._lock:
            return self._waiting.pop(job, [])

    def _tell(self, ring: str, call: "Callable[[IceFlix.RingPrx], Ice.Future[None]]") -> None:
        """Say something to a ring's master; an answer is not expected."""
        proxy = self._rings.get(ring)
        if proxy is None:
            return

        def done(ended: "Ice.Future[None]") -> None:
            if ended.exception() is not None:
                self._lost(ring, proxy)

        try:
            call(proxy).add_done_callback(done)
        except Ice.LocalException:
            self._lost(ring, proxy)

    def _lost(self, ring: str, proxy: IceFlix.RingPrx) -> None:
        """The master that we know is gone; the ring reports again when it has another."""
        with self._lock:
            if self._rings.get(ring) == proxy:
                del self._rings[ring]
                self._jobs.ring_lost(ring)

    def _sweep(self) -> None:
        removed = self._store.sweep(_STALE_SECONDS)
        if removed:
            _log.info("remains removed from the share", count=removed)

    def _clean_up(self, job: str) -> None:
        try:
            self._store.remove_tree(work_folder(job))
        except ServiceError as error:
            _log.warning("intermediate images stay", correlation=job, error=str(error))
