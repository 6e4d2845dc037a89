"""Errands put to work with Ice: asynchronous calls throughout, no thread waits for a job."""

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS
from iceflix.farm.central.errand import (
    Answer,
    AskHealth,
    CallOff,
    Effect,
    Errand,
    Refuse,
    Submit,
)
from iceflix.farm.central.rotation import Rotation
from iceflix.farm.discovery import MULTISERVER
from iceflix.runtime.calls import Known
from iceflix.runtime.directory import Directory
from iceflix.runtime.log import get_logger
from iceflix.runtime.request import CORRELATION
from iceflix.runtime.scheduler import Handle

_LATER_MILLIS = 1000  # what an answer may take beyond the deadline that it was given
_CALL_OFF_MILLIS = 1000
_FRESH_SECONDS = 0.2  # so long a multiserver that was well is well for further requests
_NEVER = float("-inf")
_BUSY = "all multiservers are busy; try again later"
_log = get_logger(__name__)
_Result = IceFlix.JobResult
_Multiserver = IceFlix.MultiserverPrx


@dataclass(frozen=True)
class Limits:
    """Longest deadline and silence of a multiserver, in seconds; jobs at once."""

    deadline: float
    health: float
    requests: int


@dataclass
class _Run:
    """One errand under way; guarded by the dispatcher's lock."""

    job: IceFlix.Job
    errand: Errand[_Result]
    future: "Ice.Future[_Result]"
    proxies: dict[str, _Multiserver] = field(default_factory=dict)
    timer: Handle | None = None

    @property
    def context(self) -> dict[str, str]:
        """What lets the logs of all processes be joined: the job's name."""
        return {CORRELATION: self.job.job}


@dataclass
class _Server:
    """A multiserver: how many jobs it was given, when it last said that it is well."""

    jobs: int = 0
    well_at: float = _NEVER


class Dispatcher:
    """Runs the errands of all jobs. Thread-safe."""

    def __init__(
        self,
        directory: Directory,
        later: Callable[[float, Callable[[], object]], Handle],
        limits: Limits,
    ) -> None:
        self._directory = directory
        self._later = later
        self._limits = limits
        self._lock = threading.Lock()
        self._rotation = Rotation()
        self._runs: dict[str, _Run] = {}
        self._servers: defaultdict[str, _Server] = defaultdict(_Server)
        directory.attend(MULTISERVER)  # one that hangs in the middle of a job says nothing
        directory.on_removed(MULTISERVER, self._lost)

    def process(self, job: IceFlix.Job) -> "Ice.Future[_Result]":
        """Have a job done; a job that is under way is joined. The future gets Denied too."""
        seconds = min(max(0.0, job.deadlineSeconds), self._limits.deadline)
        with self._lock:
            if job.job in self._runs:
                return self._runs[job.job].future
            future: Ice.Future[_Result] = Ice.Future()
            run = _Run(job, Errand(self._rotation, time.monotonic() + seconds), future)
            if len(self._runs) >= self._limits.requests:
                future.set_exception(IceFlix.Denied(NO_SERVERS, "too many requests at once"))
                return future
            self._runs[job.job] = run
        run.timer = self._later(seconds, lambda: self._do(run, run.errand.expired))
        self._do(run, lambda: run.errand.begin(self._live(run)))
        return future

    def details(self) -> dict[str, str]:
        """What the status says."""
        with self._lock:
            served = " ".join(str(each.jobs) for _, each in sorted(self._servers.items()))
            return {"jobs under way": str(len(self._runs)), "jobs given": served or "none"}

    def stop(self) -> None:
        """Refuse what is under way."""
        for run in self._under_way():
            self._do(run, run.errand.expired)

    # -- events

    def _do(self, run: _Run, event: Callable[[], list[Effect[_Result]]]) -> None:
        with self._lock:  # one for all: the errands share the rotation
            effects = event()
        for effect in effects:
            self._carry_out(run, effect)

    def _lost(self, known: Known[_Multiserver]) -> None:
        """The directory has found out that it is dead or hung, maybe in the middle of a job."""
        self._servers[known.id].well_at = _NEVER
        for run in self._under_way():
            proxy = run.proxies.get(known.id)
            if proxy is not None and _same(proxy, known.proxy):
                self._do(run, functools.partial(self._gone, run, known.id))

    def _gone(self, run: _Run, server: str) -> list[Effect[_Result]]:
        self._servers[server].well_at = _NEVER
        return run.errand.ill(server, self._live(run))

    def _under_way(self) -> list[_Run]:
        with self._lock:
            return list(self._runs.values())

    def _live(self, run: _Run) -> list[str]:
        live = self._directory.all(MULTISERVER)
        run.proxies.update((known.id, known.proxy) for known in live)
        return [known.id for known in live]

    # -- effects

    def _carry_out(self, run: _Run, effect: Effect[_Result]) -> None:
        if isinstance(effect, AskHealth):
            self._ask_health(run, effect.server)
        elif isinstance(effect, Submit):
            self._submit(run, effect)
        elif isinstance(effect, CallOff):
            proxy = run.proxies[effect.server].ice_invocationTimeout(_CALL_OFF_MILLIS)
            _call(lambda: proxy.cancelAsync(run.job.job, run.context), lambda _ended: None)
        else:
            self._end(run, effect)

    def _ask_health(self, run: _Run, server: str) -> None:
        if time.monotonic() - self._servers[server].well_at < _FRESH_SECONDS:
            self._do(run, lambda: run.errand.healthy(server, time.monotonic()))
            return
        proxy = run.proxies[server].ice_invocationTimeout(int(self._limits.health * 1000))

        def done(ended: "Ice.Future[IceFlix.QueueHealth]") -> None:
            error = ended.exception()
            if error is not None:
                name = type(error).__name__
                _log.warning("multiserver is ill", correlation=run.job.job, id=server, error=name)
                self._do(run, lambda: self._gone(run, server))
            elif ended.result().queued >= ended.result().capacity:
                self._do(run, lambda: run.errand.ill(server, self._live(run), full=_BUSY))
            else:
                self._servers[server].well_at = time.monotonic()
                self._do(run, lambda: run.errand.healthy(server, time.monotonic()))

        _call(lambda: proxy.healthAsync(run.context), done)

    def _submit(self, run: _Run, effect: Submit) -> None:
        server = effect.server
        millis = int(effect.seconds * 1000) + _LATER_MILLIS
        proxy = run.proxies[server].ice_invocationTimeout(millis)
        job = IceFlix.Job(run.job.job, run.job.image, run.job.steps, effect.seconds)
        with self._lock:
            self._servers[server].jobs += 1

        def done(ended: "Ice.Future[_Result]") -> None:
            error = ended.exception()
            if error is None:
                self._do(run, lambda: run.errand.answered(server, ended.result()))
            elif not isinstance(error, IceFlix.Denied):
                name = type(error).__name__
                _log.warning("multiserver lost", correlation=run.job.job, id=server, error=name)
                self._do(run, lambda: self._gone(run, server))
            elif error.reason == NO_SERVERS:
                why = error.detail or _BUSY
                self._do(run, lambda: run.errand.ill(server, self._live(run), full=why))
            else:
                denied = error
                self._do(run, lambda: run.errand.refused(server, denied.reason, denied.detail))

        _log.info("job given", correlation=run.job.job, multiserver=server)
        _call(lambda: proxy.submitAsync(job, run.context), done)

    def _end(self, run: _Run, effect: Answer[_Result] | Refuse) -> None:
        with self._lock:
            self._runs.pop(run.job.job, None)
        if run.timer is not None:
            run.timer.cancel()
        if isinstance(effect, Refuse):
            why = {"reason": effect.reason, "detail": effect.detail}
            _log.info("job refused", correlation=run.job.job, **why)
            run.future.set_exception(IceFlix.Denied(effect.reason, effect.detail))
        else:
            _log.info("job done", correlation=run.job.job, image=effect.result.image)
            run.future.set_result(effect.result)


def _same(one: Ice.ObjectPrx, other: Ice.ObjectPrx) -> bool:
    return one.ice_getIdentity() == other.ice_getIdentity()


def _call(
    start: Callable[[], "Ice.Future[Any]"], done: Callable[["Ice.Future[Any]"], None]
) -> None:
    """Start an asynchronous call; one that cannot even start ends with its error all the same."""
    try:
        future = start()
    except Ice.LocalException as error:
        future = Ice.Future()
        future.set_exception(error)
    future.add_done_callback(done)
