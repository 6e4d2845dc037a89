"""The Slice face of a multiserver."""

from iceflix.contract import Ice, IceFlix
from iceflix.farm.model import Job, RingReport
from iceflix.farm.multiserver.counter import Counter
from iceflix.farm.wire import from_slice, to_slice
from iceflix.runtime.boundary import operation
from iceflix.runtime.errors import Denial


class MultiserverServant(IceFlix.Multiserver):
    """Translates between the wire and the counter; no operation keeps a thread waiting."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    @operation(Denial)
    def submit(self, job: IceFlix.Job, _current: Ice.Current | None = None) -> IceFlix.JobResult:
        """Answer when the job has ended (F31)."""
        # Ice takes the future of an answer for the answer.
        later: IceFlix.JobResult = self._counter.submit(  # type: ignore[assignment]
            from_slice(Job, job)
        )
        return later

    @operation()
    def cancel(self, job: str, _current: Ice.Current | None = None) -> None:
        """Drop a job; its submitters get a refusal."""
        self._counter.cancel(job)

    @operation()
    def health(self, _current: Ice.Current | None = None) -> IceFlix.QueueHealth:
        """Tell how the queue is, also while it is full (F31)."""
        health = self._counter.health()
        return IceFlix.QueueHealth(
            health.queued, health.running, health.capacity, list(health.rings)
        )

    @operation()
    def exchange(
        self,
        report: IceFlix.RingReport,
        ring: IceFlix.RingPrx | None,
        _current: Ice.Current | None = None,
    ) -> list[IceFlix.Task]:
        """Take a ring's report; give work."""
        tasks: list[IceFlix.Task] = to_slice(
            self._counter.exchange(from_slice(RingReport, report), ring)
        )
        return tasks
