"""What central does before a job goes to a multiserver: it knows which filters run (F28, F29)."""

from collections.abc import Callable, Iterable

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS, UNKNOWN_FILTER
from iceflix.farm.filters.parse import MAX_FILTERS
from iceflix.runtime.errors import Denial
from iceflix.runtime.log import get_logger

_JOB_CHARACTERS = 64
_SHOWN = 10
_log = get_logger(__name__)


class Central:
    """Refuses what cannot be done, passes on what can. Thread-safe: the list is replaced whole."""

    def __init__(self, process: Callable[[IceFlix.Job], "Ice.Future[IceFlix.JobResult]"]) -> None:
        self._process = process
        self._running: tuple[str, ...] | None = None

    def process(self, job: IceFlix.Job) -> "Ice.Future[IceFlix.JobResult]":
        """Have the whole job done, or none of it. Raises Denial at once."""
        if not 0 < len(job.job) <= _JOB_CHARACTERS or not job.image:
            raise Denial(INVALID_REQUEST, "the job has no usable name, or no image")
        if not job.deadlineSeconds > 0:
            raise Denial(INVALID_REQUEST, "the job has no usable deadline")
        if not 0 < len(job.steps) <= MAX_FILTERS:
            raise Denial(INVALID_REQUEST, f"a request has 1 to {MAX_FILTERS} filters")
        running = self._running
        if running is None:
            raise Denial(
                NO_SERVERS, "the filter administrator has not said yet which filters run; try again"
            )
        if not running:
            raise Denial(NO_SERVERS, "no ring runs any filter at the moment; try again")
        unknown = sorted({step.filter for step in job.steps} - set(running))
        if unknown:
            names = ", ".join(name[:40] for name in unknown[:_SHOWN])
            there = ", ".join(running[: _SHOWN * 2])
            raise Denial(UNKNOWN_FILTER, f"no ring runs {names}; running are: {there}")
        return self._process(job)

    def set_running(self, filters: Iterable[str]) -> None:
        """Take the list of the filters that are running in rings now (F28)."""
        names = tuple(sorted(set(filters)))
        if names != self._running:
            _log.info("filters running", filters=names)
        self._running = names

    def running(self) -> list[str]:
        """The filters that are running in rings now."""
        return list(self._running or ())

    def details(self) -> dict[str, str]:
        """What the status says."""
        if self._running is None:
            return {"filters": "not told yet"}
        return {"filters": ", ".join(self._running) or "none"}
