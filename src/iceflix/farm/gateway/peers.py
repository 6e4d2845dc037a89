"""The gateway's peers over Ice: Authenticator and central."""

import dataclasses
import time
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, NOT_AUTHORIZED, TOO_LATE
from iceflix.farm.discovery import CENTRAL
from iceflix.farm.gateway.desk import Done, World
from iceflix.farm.model import Job, JobResult
from iceflix.farm.wire import from_slice, to_slice
from iceflix.runtime.calls import Known, Question, Reports, run
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial, NotAvailable
from iceflix.runtime.log import get_logger
from iceflix.runtime.request import CORRELATION

# An Authenticator holds back the refusal of somebody who guesses, for five seconds at most: such
# silence must not make it look dead, or a guesser could lock everybody out.
_LOGIN_MILLIS = 8000
_LATER_MILLIS = 1000
# A peer that dies may be started again by whoever looks after it.
_COME_BACK_SECONDS = 4.0
_LOOK_SECONDS = 0.25
_log = get_logger(__name__)


def _ignore(*_facts: Any) -> None:
    """The directory's own probes tell who is alive."""


class Users:  # pylint: disable=too-few-public-methods  # one question
    """Asks an Authenticator by the contract of the streaming half (F13).

    While the last one that was there may be on its way back, the question waits for it.
    """

    def __init__(
        self, directory: Directory, hedge: float, patience: float = _COME_BACK_SECONDS
    ) -> None:
        self._directory = directory
        self._hedge = hedge
        self._patience = patience
        self._there_at = time.monotonic()
        directory.on_removed(AUTHENTICATOR, self._lost)

    def check(self, user: str, password_hash: str, context: str) -> None:
        """Raise Denial unless some Authenticator lets the user in."""
        while True:
            try:
                self._ask(user, password_hash, context)
            except IceFlix.Unauthorized as error:
                raise Denial(NOT_AUTHORIZED, "wrong user or password") from error
            except NotAvailable as error:
                if time.monotonic() - self._there_at >= self._patience:
                    raise Denial(NO_SERVERS, "no Authenticator answers; try again later") from error
            else:
                return
            time.sleep(_LOOK_SECONDS)

    def _ask(self, user: str, password_hash: str, context: str) -> None:
        patient = [
            dataclasses.replace(known, proxy=known.proxy.ice_invocationTimeout(_LOGIN_MILLIS))
            for known in self._directory.all(AUTHENTICATOR)
        ]
        if patient:
            self._there_at = time.monotonic()
        question = Question[IceFlix.AuthenticatorPrx, str](
            lambda proxy: proxy.refreshAuthorizationAsync(
                user, password_hash, {CORRELATION: context}
            )
        )
        run(patient, question, self._hedge, Reports(_ignore, _ignore))

    def _lost(self, _known: Known[IceFlix.AuthenticatorPrx]) -> None:
        self._there_at = time.monotonic()


class Centrals:
    """Gives jobs to central, to the next one if it dies: a job's name makes it the same job."""

    def __init__(self, directory: Directory, world: World) -> None:
        self._directory = directory
        self._world = world

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
        if left <= 0 or not (candidates or errand.patient):
            reason = "the farm's central does not answer; try again later"
            errand.done(Denial(NO_SERVERS, reason))
            return
        if not candidates:
            self._world.after(_LOOK_SECONDS, lambda: self._try(errand, self._order()))
            return
        first, *others = candidates
        proxy = first.proxy.ice_invocationTimeout(int(left * 1000) + _LATER_MILLIS)

        def ended(future: "Ice.Future[IceFlix.JobResult]") -> None:
            error = future.exception()
            if error is None:
                errand.done(from_slice(JobResult, future.result()))
            elif isinstance(error, IceFlix.Denied):
                errand.done(Denial(error.reason, error.detail))
            elif isinstance(error, Ice.InvocationTimeoutException):
                errand.done(Denial(TOO_LATE, "the result was not there in time"))
            else:
                self._lost(errand, first, error, others)

        wanted = to_slice(dataclasses.replace(errand.job, deadline_seconds=left))
        try:
            future = proxy.processAsync(wanted, {CORRELATION: errand.job.job})
        except Ice.LocalException as error:
            self._lost(errand, first, error, others)
            return
        future.add_done_callback(ended)

    def _lost(
        self,
        errand: "_Errand",
        central: Known[IceFlix.CentralPrx],
        error: BaseException,
        others: list[Known[IceFlix.CentralPrx]],
    ) -> None:
        _log.warning("central lost", id=central.id, error=type(error).__name__)
        answered = isinstance(error, Ice.UnknownException)  # it is there, and something is wrong
        if errand.lost_at is None and not answered:
            errand.lost_at = time.monotonic()
        if others or not errand.patient:
            self._try(errand, others)
        else:  # not at once: the directory may not have noticed yet
            self._world.after(_LOOK_SECONDS, lambda: self._try(errand, self._order()))


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
        return self.lost_at is not None and time.monotonic() - self.lost_at < _COME_BACK_SECONDS
