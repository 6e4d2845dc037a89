"""How the gateway gives a job to a central that dies, hangs, is broken or not known yet."""

from typing import cast

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS
from iceflix.farm.discovery import CENTRAL
from iceflix.farm.gateway.peers import Centrals
from iceflix.farm.gateway.waiting import Patience
from iceflix.farm.model import Job, JobResult, Step
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial
from tests.unit.farm.gateway.fakes import FakeDirectory, FakeProxy, FakeWorld


class Asked:  # pylint: disable=too-few-public-methods
    """One job, and what came of it: the result's image, or the reason."""

    def __init__(self, directory: FakeDirectory, young: float = 0.0) -> None:
        self.world = FakeWorld()
        self.said: list[str] = []
        there = cast(Directory, directory)
        centrals = Centrals(there, self.world, Patience(there, CENTRAL, young, 0.0))
        centrals.process(Job("job", "a.png", (Step("gray", {}),), 60.0), self._done)

    def _done(self, outcome: JobResult | Denial) -> None:
        self.said.append(outcome.reason if isinstance(outcome, Denial) else outcome.image)


def _result() -> IceFlix.JobResult:
    return IceFlix.JobResult("r.png", 0.1, "s", "r", [], "n")


def test_one_that_hangs_loses_its_job_to_the_next() -> None:
    """As soon as the directory drops it; under the same name, for it may yet do it."""
    hung, healthy = FakeProxy(None), FakeProxy(None)
    directory = FakeDirectory([hung, healthy])
    asked = Asked(directory)
    assert not healthy.calls
    directory.drop(hung)
    [(first, _context)], [(second, _context)] = hung.calls, healthy.calls
    assert isinstance(first, IceFlix.Job) and isinstance(second, IceFlix.Job)
    assert first.job == second.job
    hung.pending[0].set_exception(IceFlix.Denied("x", "what the slow one says counts no more"))
    assert not asked.said
    healthy.pending[0].set_result(_result())
    assert asked.said == ["r.png"]


def test_one_that_was_dropped_and_answers_after_all() -> None:
    """A result is a result."""
    hung = FakeProxy(None)
    directory = FakeDirectory([hung])
    asked = Asked(directory)
    directory.drop(hung)
    assert asked.world.run() == 1  # it may come back
    hung.pending[0].set_result(_result())
    assert asked.said == ["r.png"]


def test_a_young_gateway_waits_until_it_may_have_heard() -> None:
    """Nobody is known yet; later, nobody is there."""
    asked = Asked(FakeDirectory([], [], [FakeProxy(_result())]), young=60.0)
    asked.world.run_all()
    assert asked.said == ["r.png"]
    assert Asked(FakeDirectory([])).said == [NO_SERVERS]


def test_a_broken_one_is_asked_once() -> None:
    """Not even a young gateway asks again; but the next one is asked."""
    proxy, good = FakeProxy(Ice.UnknownException("x")), FakeProxy(_result())
    asked = Asked(FakeDirectory([proxy]), young=60.0)
    asked.world.run_all()
    assert (asked.said, len(proxy.calls)) == ([NO_SERVERS], 1)
    proxy.answers.append(Ice.UnknownException("x"))
    asked = Asked(FakeDirectory([proxy, good]))
    asked.world.run_all()
    assert asked.said == ["r.png"]


def test_one_that_dies_may_come_back() -> None:
    """With the job: it is given again."""
    dying = FakeProxy(Ice.ConnectionLostException())
    asked = Asked(FakeDirectory([dying], [], [FakeProxy(_result())]))
    asked.world.run_all()
    assert asked.said == ["r.png"]
