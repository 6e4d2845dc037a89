"""The clock of a process, corrected towards the user administrator's by Cristian's algorithm."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import operation
from iceflix.runtime.cristian import EXCHANGES, Correction, Reference, Sample, estimate
from iceflix.runtime.errors import ServiceError
from iceflix.runtime.log import get_logger

FACET = "clock"
_TIMEOUT_MILLIS = 1000
_TRUE_TIME = Correction(error_bound=0.0)
_log = get_logger(__name__)


@dataclass(frozen=True)
class Clocks:
    """The two clocks of a machine, in seconds; tests give skewed ones."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


def skewed(seconds: float) -> Clocks:
    """The machine's clocks, the wall clock wrong by so much."""
    return Clocks(lambda: time.time() + seconds) if seconds else Clocks()


class Timekeeper:
    """Tells the corrected time. Thread-safe: a correction is replaced whole."""

    def __init__(self, clocks: Clocks | None = None, correction: Correction | None = None) -> None:
        self._clocks = clocks or Clocks()
        self._correction = correction or Correction()

    @classmethod
    def reference(cls, clocks: Clocks | None = None) -> "Timekeeper":
        """The clock that the others follow: right by definition."""
        return cls(clocks, _TRUE_TIME)

    @property
    def correction(self) -> Correction:
        """The accumulated correction that is in force."""
        return self._correction

    def now(self) -> float:
        """The corrected time, seconds since 1970."""
        return self._clocks.wall() + self._correction.seconds

    def synchronise(self, reference: IceFlix.TimeReferencePrx) -> Correction:
        """Exchange ten times and adopt what they show (F20). Raises Ice.LocalException."""
        reference.ice_ping()  # the connection is made now, not within a sample
        for _ in range(2):
            before = reference.correction()
            samples = [self._exchange(reference) for _ in range(EXCHANGES)]
            said = Reference(reference.correction(), reference.errorBound())
            if said.correction == before:
                break  # else the reference was corrected meanwhile: once more
        self._correction = estimate(samples, said)
        return self._correction

    def unsynchronised(self) -> None:
        """Keep the correction, but promise nothing of it any more."""
        old = self._correction
        self._correction = Correction(old.seconds, math.inf, old.link, old.exchanges)

    def details(self) -> dict[str, str]:
        """What the status says of the clock."""
        now = self._correction
        if not now.synchronised:
            return {"clock": "not synchronised with the user administrator"}
        return {"clock": f"{now.seconds:+.6f} s, error below {now.error_bound:.6f} s"}

    def _exchange(self, reference: IceFlix.TimeReferencePrx) -> Sample:
        sent = self._clocks.monotonic()
        remote = reference.now()
        received = self._clocks.monotonic()
        return Sample(sent, received, self._clocks.wall(), remote)


class TimeServant(IceFlix.TimeReference):
    """Lets others follow a timekeeper."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, keeper: Timekeeper) -> None:
        self._keeper = keeper

    @operation()
    def now(self, _current: Ice.Current | None = None) -> float:
        """Tell the corrected time."""
        return self._keeper.now()

    @operation()
    def correction(self, _current: Ice.Current | None = None) -> float:
        """Tell the accumulated correction."""
        return self._keeper.correction.seconds

    @operation()
    def errorBound(self, _current: Ice.Current | None = None) -> float:
        """Tell the accumulated error bound; infinite when not synchronised."""
        return self._keeper.correction.error_bound


class Follower:
    """Keeps a timekeeper synchronised from a thread of its own: at once, then periodically (F21).

    ``reference`` gives the clock to follow, or raises a ServiceError when there is none now; then
    the service goes on by its own clock, says so once, and tries again every ``retry`` seconds.
    """

    def __init__(
        self,
        keeper: Timekeeper,
        reference: Callable[[], IceFlix.TimeReferencePrx],
        period: float,
        retry: float,
    ) -> None:
        self._keeper = keeper
        self._reference = reference
        self._pauses = (retry, period)
        self._wake = threading.Event()
        self._stopping = False
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Synchronise now: there may be a new reference."""
        self._wake.set()

    def stop(self) -> None:
        """End."""
        self._stopping = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            pause = self._pauses[self._synchronise()]
            self._wake.wait(pause)
            self._wake.clear()

    def _synchronise(self) -> bool:
        """Whether the whole chain is synchronised now."""
        try:
            reference = self._reference().ice_invocationTimeout(_TIMEOUT_MILLIS)
            correction = self._keeper.synchronise(reference)
        except (Ice.LocalException, ServiceError) as error:
            self._keeper.unsynchronised()
            self._say("clock not synchronised", reason=str(error) or type(error).__name__)
            return False
        if not correction.synchronised:
            self._say("clock not synchronised", reason="the clock that we follow is not either")
            return False
        _log.debug("clock", correction=correction.seconds, bound=correction.error_bound)
        self._say(
            "clock synchronised",
            correction_seconds=round(correction.seconds, 6),
            link_seconds=round(correction.link, 6),
            error_bound_seconds=round(correction.error_bound, 6),
            exchanges=correction.exchanges,
        )
        return True

    def _say(self, what: str, **facts: object) -> None:
        if what != self._said:
            self._said = what
            _log.info(what, **facts)
