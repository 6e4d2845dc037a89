"""What the gateway does with a request, whichever door it came by: authenticate, ask central.

Knows neither CORBA nor Ice. No thread waits, neither for the user's name nor for a result.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from iceflix.contract.reasons import (
    INVALID_REQUEST,
    NO_SERVERS,
    NOT_AUTHORIZED,
    TOO_LATE,
    UNKNOWN_FILTER,
    UNKNOWN_IMAGE,
)
from iceflix.farm.filters.parse import ImpossibleName, parse_filters
from iceflix.farm.images.naming import InvalidPath, clean
from iceflix.farm.model import Job, JobResult, Step
from iceflix.runtime.errors import Denial, InvalidRequest
from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Handle

_USER_CHARACTERS = 255
_HASH_CHARACTERS = 64
# A right password is never held back: who waits longer guesses, or finds no Authenticator.
_GUESS_SECONDS = 1.0
_log = get_logger(__name__)
Done = Callable[[JobResult | Denial], None]
Admission = Callable[[Denial | None], None]


@dataclass(frozen=True)
class Request:
    """What a client asks for. ``filters`` are names, maybe with parameters, in order."""

    user: str
    password_hash: str
    image: str
    filters: Sequence[str]


@dataclass(frozen=True)
class Login:
    """Who somebody says to be; the context is for the logs."""

    user: str
    password_hash: str
    context: str


class Identity(Protocol):  # pylint: disable=too-few-public-methods
    """Who knows the users."""

    def check(self, login: Login, done: Admission) -> None:
        """Call back, once, at any time: None if the hash is the user's. Returns at once."""


class Farm(Protocol):
    """Who does the work."""

    def process(self, job: Job, done: Done) -> None:
        """Have a job done and call back, once, at any time. Returns at once."""

    def running(self) -> list[str]:
        """The filters that are running now."""


class World(Protocol):  # pylint: disable=too-few-public-methods
    """Plans calls, like ``runtime.scheduler.Scheduler``."""

    def after(self, seconds: float, callback: Callable[[], object]) -> Handle:
        """Call back in so many seconds."""


@dataclass(frozen=True)
class Limits:
    """Seconds for a request, from its arrival; requests at once."""

    deadline: float
    requests: int


@dataclass
class _Tally:
    under_way: int = 0
    done: int = 0
    denied: int = 0


@dataclass(frozen=True)
class _Case:
    """A request, the name of its job, and who waits for it."""

    request: Request
    job: str
    arrived: float
    future: "Future[JobResult]"


class Desk:
    """Attends to requests. Thread-safe."""

    # pylint: disable=too-many-instance-attributes  # four peers, and what is under way

    def __init__(self, identity: Identity, farm: Farm, limits: Limits, world: World) -> None:
        self._identity = identity
        self._farm = farm
        self._limits = limits
        self._world = world
        self._lock = threading.Lock()
        self._tally = _Tally()
        self._unknown: dict[str, _Case] = {}  # whose user is being asked for, oldest first
        self._open = True

    @property
    def deadline(self) -> float:
        """Within so many seconds every request is answered."""
        return self._limits.deadline

    def submit(self, request: Request) -> "Future[JobResult]":
        """Attend to a request; the future gets its result, or a Denial, within the deadline."""
        case = _Case(request, uuid.uuid4().hex, time.monotonic(), Future())
        future = case.future
        with self._lock:
            full = self._tally.under_way >= self._limits.requests
            guess = self._oldest_guess(case.arrived) if full else None
            self._tally.under_way += 1
        future.add_done_callback(lambda ended: self._ended(case, ended))
        late = Denial(TOO_LATE, f"no result within {self._limits.deadline:g} seconds")
        timer = self._world.after(self._limits.deadline, lambda: _settle(future, late))
        future.add_done_callback(lambda _ended: timer.cancel())
        crowd = Denial(NO_SERVERS, "too many requests at once; try again later")
        if guess is not None:
            _settle(guess.future, crowd)
        if not self._open:
            _settle(future, Denial(NO_SERVERS, "the gateway is shutting down; try again later"))
        elif full and guess is None:
            _settle(future, crowd)
        else:
            self._guarded(case, lambda: self._identify(case))
        return future

    def running(self) -> list[str]:
        """The filters that are running now; none when nobody can tell."""
        try:
            return sorted(self._farm.running())
        except Denial as denial:
            _log.warning("cannot tell which filters run", reason=str(denial))
            return []

    def details(self) -> dict[str, str]:
        """What the status says."""
        with self._lock:
            return {
                "requests": f"{self._tally.under_way} under way, {self._tally.done} done, "
                f"{self._tally.denied} denied"
            }

    def stop(self) -> None:
        """Take no more requests."""
        self._open = False

    def _oldest_guess(self, now: float) -> _Case | None:
        """Whoever guesses passwords, however many at once, makes room for others."""
        oldest = next(iter(self._unknown.values()), None)
        if oldest is None or now - oldest.arrived < _GUESS_SECONDS:
            return None
        return self._unknown.pop(oldest.job)

    def _identify(self, case: _Case) -> None:
        _check_identity(case.request)
        with self._lock:
            self._unknown[case.job] = case
        login = Login(case.request.user, case.request.password_hash, case.job)
        self._identity.check(login, lambda denial: self._identified(case, denial))

    def _identified(self, case: _Case, denial: Denial | None) -> None:
        with self._lock:
            self._unknown.pop(case.job, None)
        if denial is not None:
            _settle(case.future, denial)
        elif not case.future.done():
            self._guarded(case, lambda: self._order(case))

    def _order(self, case: _Case) -> None:
        job = Job(case.job, *_wanted(case.request), self._left(case.arrived))
        _log.info("request", correlation=case.job, user=case.request.user, image=case.request.image)
        self._farm.process(job, lambda outcome: _settle(case.future, outcome))

    @staticmethod
    def _guarded(case: _Case, work: Callable[[], None]) -> None:
        try:
            work()
        except Denial as denial:
            _settle(case.future, denial)
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _log.exception("a request failed", correlation=case.job)
            _settle(
                case.future, Denial(NO_SERVERS, "something is wrong at the gateway; see its log")
            )

    def _left(self, arrived: float) -> float:
        return max(0.001, self._limits.deadline - (time.monotonic() - arrived))

    def _ended(self, case: _Case, future: "Future[JobResult]") -> None:
        error = future.exception()
        with self._lock:
            self._tally.under_way -= 1
            if error is None:
                self._tally.done += 1
            else:
                self._tally.denied += 1
        if isinstance(error, Denial):
            denied = {"reason": error.reason, "detail": str(error)}
            _log.info("request denied", correlation=case.job, **denied)


def _check_identity(request: Request) -> None:
    """Spare the Authenticator what cannot be a user."""
    if (
        not 0 < len(request.user) <= _USER_CHARACTERS
        or len(request.password_hash) != _HASH_CHARACTERS
    ):
        raise Denial(NOT_AUTHORIZED, "wrong user or password")


def _wanted(request: Request) -> tuple[str, tuple[Step, ...]]:
    """The image and the chain. Looked at only once the user is known. Raises Denial."""
    try:
        image = str(clean(request.image))
    except InvalidPath as error:
        raise Denial(UNKNOWN_IMAGE, str(error)) from error
    try:
        steps = parse_filters(request.filters)
    except ImpossibleName as error:
        raise Denial(UNKNOWN_FILTER, str(error)) from error
    except InvalidRequest as error:
        raise Denial(INVALID_REQUEST, str(error)) from error
    return image, tuple(Step(step.name, dict(step.parameters)) for step in steps)


def _settle(future: "Future[JobResult]", outcome: JobResult | Denial) -> None:
    """The first outcome counts."""
    try:
        if isinstance(outcome, Denial):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
        _log.debug("an outcome came too late")
