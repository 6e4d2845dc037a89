"""What the gateway does with a request, whichever door it came by: authenticate, ask central.

Knows neither CORBA nor Ice. No thread waits for a result; those that authenticate are few.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from iceflix.contract.reasons import (
    INVALID_REQUEST,
    NO_SERVERS,
    NOT_AUTHORIZED,
    TOO_LATE,
    UNKNOWN_IMAGE,
)
from iceflix.farm.filters.parse import parse_filters
from iceflix.farm.images.naming import InvalidPath, clean
from iceflix.farm.model import Job, JobResult, Step
from iceflix.runtime.errors import Denial, InvalidRequest
from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Handle

_AUTHENTICATORS = 16  # asked at once
_USER_CHARACTERS = 255
_HASH_CHARACTERS = 64
_log = get_logger(__name__)
Done = Callable[[JobResult | Denial], None]


@dataclass(frozen=True)
class Request:
    """What a client asks for. ``filters`` are names, maybe with parameters, in order."""

    user: str
    password_hash: str
    image: str
    filters: Sequence[str]


class Identity(Protocol):  # pylint: disable=too-few-public-methods
    """Who knows the users."""

    def check(self, user: str, password_hash: str, context: str) -> None:
        """Raise Denial unless the hash is the user's. Blocks for some seconds at most."""


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


class Desk:
    """Attends to requests. Thread-safe."""

    def __init__(self, identity: Identity, farm: Farm, limits: Limits, world: World) -> None:
        self._identity = identity
        self._farm = farm
        self._limits = limits
        self._world = world
        self._lock = threading.Lock()
        self._tally = _Tally()
        self._workers = ThreadPoolExecutor(_AUTHENTICATORS, thread_name_prefix="authenticate")

    @property
    def deadline(self) -> float:
        """Within so many seconds every request is answered."""
        return self._limits.deadline

    def submit(self, request: Request) -> "Future[JobResult]":
        """Attend to a request; the future gets its result, or a Denial, within the deadline."""
        future: Future[JobResult] = Future()
        with self._lock:
            full = self._tally.under_way >= self._limits.requests
            self._tally.under_way += 1
        future.add_done_callback(self._ended)
        arrived = time.monotonic()
        job = uuid.uuid4().hex
        late = Denial(TOO_LATE, f"no result within {self._limits.deadline:g} seconds")
        timer = self._world.after(self._limits.deadline, lambda: _settle(future, late))
        future.add_done_callback(lambda _ended: timer.cancel())
        if full:
            _settle(future, Denial(NO_SERVERS, "too many requests at once; try again later"))
            return future
        try:
            self._workers.submit(self._attend, request, job, arrived, future)
        except RuntimeError:
            _settle(future, Denial(NO_SERVERS, "the gateway is shutting down; try again later"))
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
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _attend(
        self, request: Request, name: str, arrived: float, future: "Future[JobResult]"
    ) -> None:
        if future.done():
            return
        try:
            _check_identity(request)
            self._identity.check(request.user, request.password_hash, name)
            job = Job(name, *_wanted(request), self._left(arrived))
        except Denial as denial:
            _settle(future, denial)
            return
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _log.exception("a request failed", job=name)
            _settle(future, Denial(NO_SERVERS, "something is wrong at the gateway; see its log"))
            return
        if not future.done():
            _log.info("request", job=name, user=request.user, image=request.image)
            self._farm.process(job, lambda outcome: _settle(future, outcome))

    def _left(self, arrived: float) -> float:
        return max(0.001, self._limits.deadline - (time.monotonic() - arrived))

    def _ended(self, future: "Future[JobResult]") -> None:
        error = future.exception()
        with self._lock:
            self._tally.under_way -= 1
            if error is None:
                self._tally.done += 1
            else:
                self._tally.denied += 1
        if isinstance(error, Denial):
            _log.info("request denied", reason=error.reason, detail=str(error))


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
