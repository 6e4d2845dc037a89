"""The gateway's way to central, over Ice."""

import dataclasses
import time
from collections.abc import Callable

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, TOO_LATE
from iceflix.farm.discovery import CENTRAL
from iceflix.farm.gateway.desk import Done, World
from iceflix.farm.gateway.waiting import COME_BACK_SECONDS, LOOK_SECONDS, Departures, Patience, Turn
from iceflix.farm.model import Job, JobResult
from iceflix.farm.wire import from_slice, to_slice
from iceflix.runtime.calls import Known
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial, NotAvailable
from iceflix.runtime.log import get_logger
from iceflix.runtime.request import CORRELATION

_LATER_MILLIS = 1000
_log = get_logger(__name__)


class Centrals:
    """Gives jobs to central, to the next one if it dies: a job's name makes it the same job.

    One that hangs is as good as dead: the directory drops it.
    """

    def __init__(self, directory: Directory, world: World, patience: Patience) -> None:
        self._directory = directory
        self._world = world
        self._patience = patience
        self._departures = Departures(directory, CENTRAL)

    def process(self, job: Job, done: Done) -> None:
        """Have a job done; calls back from a thread of Ice, or at once."""
        self._try(_Errand(job, time.monotonic() + job.deadline_seconds, done), self._order())

    def running(self) -> list[str]:
        """The filters that are running now. Raises Denial."""
        try:
            return self._directory.ask(CENTRAL, lambda proxy: proxy.runningAsync())
        except NotAvailable as error:
            raise Denial(NO_SERVERS, "no central answers") from error

    def _order(self) -> list[Known[IceFlix.CentralPrx]]:
        return self._directory.all(CENTRAL)

    def _try(self, errand: "_Errand", candidates: list[Known[IceFlix.CentralPrx]]) -> None:
        left = errand.deadline - time.monotonic()
        if left <= 0 or not (candidates or errand.patient or self._patience.lasts):
            errand.done(_no_answer())
            return
        if not candidates:
            self._world.after(LOOK_SECONDS, lambda: self._try(errand, self._order()))
            return
        first, *others = candidates
        self._give(errand, first, left, lambda error: self._lost(errand, first, error, others))

    def _give(
        self,
        errand: "_Errand",
        central: Known[IceFlix.CentralPrx],
        left: float,
        lost: Callable[[BaseException], None],
    ) -> None:
        turn = Turn()  # until an answer, or until the directory drops it

        def answered(future: "Ice.Future[IceFlix.JobResult]") -> None:
            stop()
            error = future.exception()
            if error is None:  # a result is a result, even of one that was thought dead
                turn.end()
                errand.done(from_slice(JobResult, future.result()))
            elif not turn.end():
                _log.info("an answer after all", **_about(errand, central, error))
            elif isinstance(error, IceFlix.Denied):
                errand.done(Denial(error.reason, error.detail))
            elif isinstance(error, Ice.InvocationTimeoutException):
                errand.done(Denial(TOO_LATE, "the result was not there in time"))
            else:  # never call somebody on the one thread by which all answers come
                self._world.after(0, lambda: lost(error))

        def dropped() -> None:
            if turn.end():
                lost(Ice.TimeoutException())

        wanted = to_slice(dataclasses.replace(errand.job, deadline_seconds=left))
        proxy = central.proxy.ice_invocationTimeout(int(left * 1000) + _LATER_MILLIS)
        stop = self._departures.watch(central, dropped)
        try:
            future = proxy.processAsync(wanted, {CORRELATION: errand.job.job})
        except Ice.LocalException as error:
            stop()
            if turn.end():
                lost(error)
            return
        future.add_done_callback(answered)

    def _lost(
        self,
        errand: "_Errand",
        central: Known[IceFlix.CentralPrx],
        error: BaseException,
        others: list[Known[IceFlix.CentralPrx]],
    ) -> None:
        _log.warning("central lost", **_about(errand, central, error))
        answered = isinstance(error, Ice.UnknownException)  # it is there, and something is wrong
        if errand.lost_at is None and not answered:
            errand.lost_at = time.monotonic()
        if others:
            self._try(errand, others)
        elif errand.patient:  # not at once: the directory may not have noticed yet
            self._world.after(LOOK_SECONDS, lambda: self._try(errand, self._order()))
        else:
            errand.done(_no_answer())


def _about(
    errand: "_Errand", central: Known[IceFlix.CentralPrx], error: BaseException
) -> dict[str, str]:
    """What a line of the log says of a central's failure."""
    return {"correlation": errand.job.job, "id": central.id, "error": type(error).__name__}


def _no_answer() -> Denial:
    return Denial(NO_SERVERS, "the farm's central does not answer; try again later")


@dataclasses.dataclass
class _Errand:
    """A job on its way; when a central was first lost with it."""

    job: Job
    deadline: float
    done: Done
    lost_at: float | None = None

    @property
    def patient(self) -> bool:
        """Whether to wait for a central: one was there, a moment ago."""
        return self.lost_at is not None and time.monotonic() - self.lost_at < COME_BACK_SECONDS
