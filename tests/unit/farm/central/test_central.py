"""What central refuses before anybody is asked (F28, F29)."""

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import INVALID_REQUEST, NO_SERVERS, UNKNOWN_FILTER
from iceflix.farm.central.central import Central
from iceflix.runtime.errors import Denial


class Onward:  # pylint: disable=too-few-public-methods
    """Takes the jobs that are passed on."""

    def __init__(self) -> None:
        self.jobs: list[IceFlix.Job] = []

    def process(self, job: IceFlix.Job) -> "Ice.Future[IceFlix.JobResult]":
        """Take a job."""
        self.jobs.append(job)
        return Ice.Future.completed(IceFlix.JobResult("out.png", 0.1))


def _job(*filters: str, name: str = "j1", image: str = "a.png") -> IceFlix.Job:
    return IceFlix.Job(name, image, [IceFlix.Step(each, {}) for each in filters], 5.0)


def test_known_filters_pass_in_their_order_even_twice() -> None:
    """F29: a repeated filter is applied twice."""
    onward = Onward()
    central = Central(onward.process)
    central.set_running(["gray", "blur"])
    assert central.process(_job("gray", "blur", "gray")).result().image == "out.png"
    assert [step.filter for step in onward.jobs[0].steps] == ["gray", "blur", "gray"]
    assert central.running() == ["blur", "gray"]


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (_job("gray", "nope"), UNKNOWN_FILTER),
        (_job("nope"), UNKNOWN_FILTER),
        (_job(), INVALID_REQUEST),
        (_job(*["gray"] * 100), INVALID_REQUEST),
        (_job("gray", name=""), INVALID_REQUEST),
        (_job("gray", name="j" * 100), INVALID_REQUEST),
        (_job("gray", image=""), INVALID_REQUEST),
    ],
)
def test_one_bad_filter_refuses_the_whole_request(job: IceFlix.Job, reason: str) -> None:
    """F29: nobody is asked."""
    onward = Onward()
    central = Central(onward.process)
    central.set_running(["gray"])
    with pytest.raises(Denial) as refused:
        central.process(job)
    assert refused.value.reason == reason
    assert not onward.jobs


def test_nothing_runs() -> None:
    """Neither before the list is heard nor while it is empty is a filter unknown: try again."""
    central = Central(Onward().process)
    for details in ("not told yet", "none"):
        assert central.details() == {"filters": details}
        with pytest.raises(Denial) as refused:
            central.process(_job("gray"))
        assert refused.value.reason == NO_SERVERS
        central.set_running([])
