"""Farm services written from the Slice alone, for tests; as a program, a multiserver to kill."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable

from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.contract.topics import FARM_AVAILABILITY, SERVICE_AVAILABILITY
from tests.conftest import Broker


class FakeMultiserver(IceFlix.Multiserver):
    """Does jobs by saying so. A filter "slow" takes a second, "never" until ``close``.

    Ice does not end as long as a call is not answered.
    """

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, name: str, capacity: int = 100) -> None:
        self.name = name
        self.capacity = capacity
        self.jobs: list[str] = []
        self.cancelled: list[str] = []
        self.pending: list[Ice.Future[IceFlix.JobResult]] = []

    def close(self) -> None:
        """Answer what is left."""
        for future in self.pending:
            future.set_exception(IceFlix.Denied("PLAZO_VENCIDO", "the test is over"))

    def health(self, _current: Ice.Current | None = None) -> IceFlix.QueueHealth:
        """Be well."""
        return IceFlix.QueueHealth(0, 0, self.capacity, [self.name])

    def cancel(self, job: str, _current: Ice.Current | None = None) -> None:
        """Take note."""
        self.cancelled.append(job)

    def submit(self, job: IceFlix.Job, _current: Ice.Current | None = None) -> IceFlix.JobResult:
        """Do a job."""
        self.jobs.append(job.job)
        names = [step.filter for step in job.steps]
        answer: Ice.Future[IceFlix.JobResult] = Ice.Future()
        result = IceFlix.JobResult(f"out__{'-'.join(names)}.png", 0.1, "s", "r", [], self.name)
        if "broken" in names:
            raise IceFlix.Denied("FALLO_DE_FILTRO", "broken raised")
        if "crash" in names:
            raise RuntimeError("secret")
        if "slow" in names:
            threading.Timer(1.0, lambda: answer.set_result(result)).start()
        elif "never" in names:
            self.pending.append(answer)
        else:
            answer.set_result(result)
        return answer  # type: ignore[return-value]  # Ice takes the future for the answer

    def exchange(
        self,
        _report: IceFlix.RingReport,
        _ring: IceFlix.RingPrx | None,
        _current: Ice.Current | None = None,
    ) -> list[IceFlix.Task]:
        """Give nothing."""
        return []


class FakeAuthenticator(IceFlix.Authenticator):
    """Knows one user; counts."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, user: str, password_hash: str) -> None:
        self.known = (user, password_hash)
        self.calls: list[tuple[str, str]] = []
        self.delay_seconds = 0.0

    def refreshAuthorization(
        self, user: str, password_hash: str, _current: Ice.Current | None = None
    ) -> str:
        """Let the one user in."""
        self.calls.append((user, password_hash))
        if (user, password_hash) == self.known:
            return "token"
        if not self.delay_seconds:
            raise IceFlix.Unauthorized()
        later: Ice.Future[str] = Ice.Future()
        timer = threading.Timer(
            self.delay_seconds, lambda: later.set_exception(IceFlix.Unauthorized())
        )
        timer.start()
        return later  # type: ignore[return-value]  # Ice takes the future for the answer

    def isAuthorized(self, _authentication: str, _current: Ice.Current | None = None) -> bool:
        """Nobody asks."""
        return False


class FakeCentral(IceFlix.Central):
    """Records what it is asked; ``answer`` does the rest."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self) -> None:
        self.jobs: list[IceFlix.Job] = []
        self.told: list[list[str]] = []
        self.answer: Callable[[IceFlix.Job], object] = lambda job: IceFlix.JobResult(
            f"done/{job.image}", 0.25, "s", "r", [], "node"
        )

    def process(self, job: IceFlix.Job, _current: Ice.Current | None = None) -> IceFlix.JobResult:
        """Answer as told."""
        self.jobs.append(job)
        return self.answer(job)  # type: ignore[return-value]

    def setRunning(self, filters: list[str], _current: Ice.Current | None = None) -> None:
        """Take note."""
        self.told.append(filters)

    def running(self, _current: Ice.Current | None = None) -> list[str]:
        """Two filters run."""
        return ["blur", "gray"]


def farm_topic(broker: Broker) -> IceFlix.FarmAvailabilityPrx:
    """The publisher of FarmAvailability."""
    return topic_at(broker.manager)


def topic_at(manager: Ice.ObjectPrx) -> IceFlix.FarmAvailabilityPrx:
    """The publisher of FarmAvailability at this topic manager."""
    return IceFlix.FarmAvailabilityPrx.uncheckedCast(publisher(manager, FARM_AVAILABILITY))


def streaming_topic(broker: Broker) -> IceFlix.ServiceAvailabilityPrx:
    """The publisher of ServiceAvailability."""
    found = publisher(broker.manager, SERVICE_AVAILABILITY)
    return IceFlix.ServiceAvailabilityPrx.uncheckedCast(found)


def publisher(manager: Ice.ObjectPrx, name: str) -> Ice.ObjectPrx:
    """A topic's publisher; the topic is made if there is none."""
    typed = IceStorm.TopicManagerPrx.uncheckedCast(manager)
    while True:
        try:
            return typed.retrieve(name).getPublisher()
        except IceStorm.NoSuchTopic:
            with contextlib.suppress(IceStorm.TopicExists):
                typed.create(name)


def serve(ice: Ice.Communicator, servant: Ice.Object) -> Ice.ObjectPrx:
    """Put a servant on an adapter of its own."""
    adapter = ice.createObjectAdapterWithEndpoints(f"fake{id(servant)}", "tcp -h 127.0.0.1")
    adapter.activate()
    return adapter.addWithUUID(servant)


def main(manager: str, name: str) -> None:
    """Be a multiserver process until killed."""
    with Ice.initialize(["--Ice.Default.Host=127.0.0.1"]) as ice:
        storm = ice.stringToProxy(manager)
        assert storm is not None
        proxy = IceFlix.MultiserverPrx.uncheckedCast(serve(ice, FakeMultiserver(name)))
        topic = topic_at(storm)
        while True:
            topic.multiserverService(proxy, name)
            time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
