"""The gateway's desk between fakes: order, deadline, bounds (F13-F16, F47)."""

import threading

import pytest

from iceflix.contract.reasons import NO_SERVERS, NOT_AUTHORIZED, TOO_LATE, UNKNOWN_IMAGE
from iceflix.farm.gateway.desk import Desk, Done, Limits, Request
from iceflix.farm.gateway.orb import Address
from iceflix.farm.model import Job, JobResult
from iceflix.runtime.errors import Denial, SetupError
from iceflix.runtime.scheduler import Scheduler

HASH = "a" * 64


class Users:  # pylint: disable=too-few-public-methods
    """Knows ana."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def check(self, user: str, _password_hash: str, _context: str) -> None:
        """Let ana in."""
        self.calls.append(user)
        if user == "broken":
            raise RuntimeError("secret")
        if user != "ana":
            raise Denial(NOT_AUTHORIZED, "wrong user or password")


class Farm:
    """Takes jobs; they end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, Done]] = []
        self.arrived = threading.Event()

    def process(self, job: Job, done: Done) -> None:
        """Take a job."""
        self.jobs.append((job, done))
        self.arrived.set()

    def running(self) -> list[str]:
        """Nobody can tell."""
        raise Denial(NO_SERVERS, "no central")


class Stage:  # pylint: disable=too-few-public-methods
    """A desk between the two."""

    def __init__(self, deadline: float = 5.0, requests: int = 10) -> None:
        self.users = Users()
        self.farm = Farm()
        self.scheduler = Scheduler()
        limits = Limits(deadline, requests)
        self.desk = Desk(self.users, self.farm, limits, self.scheduler)

    def reason(self, user: str = "ana", image: str = "a.png", password_hash: str = HASH) -> str:
        """Why a request is denied."""
        future = self.desk.submit(Request(user, password_hash, image, ["gray"]))
        error = future.exception(10)
        assert isinstance(error, Denial)
        assert "secret" not in str(error)
        return error.reason


def test_a_result_comes_back() -> None:
    """A result comes back; what comes later is ignored."""
    stage = Stage()
    future = stage.desk.submit(Request("ana", HASH, "a.png", ["gray"]))
    assert stage.farm.arrived.wait(5)
    job, done = stage.farm.jobs[0]
    assert job.image == "a.png"
    assert 0 < job.deadline_seconds <= 5
    done(JobResult("r.png", 1.0))
    done(Denial(TOO_LATE, "late"))
    assert future.result(5).image == "r.png"
    assert stage.desk.details() == {"requests": "0 under way, 1 done, 0 denied"}


def test_strangers_cost_the_farm_nothing() -> None:
    """F14; what cannot be a user costs not even the Authenticator."""
    stage = Stage()
    assert stage.reason("eve") == NOT_AUTHORIZED
    assert stage.reason("eve", "../a.png") == NOT_AUTHORIZED  # what is asked is not looked at
    assert stage.reason("", password_hash=HASH) == NOT_AUTHORIZED
    assert stage.reason("ana", password_hash="short") == NOT_AUTHORIZED
    assert stage.reason("x" * 1000) == NOT_AUTHORIZED
    assert stage.users.calls == ["eve", "eve"]
    assert stage.reason("ana", "../a.png") == UNKNOWN_IMAGE
    assert stage.reason("broken") == NO_SERVERS
    assert not stage.farm.jobs


def test_the_deadline_and_the_bound() -> None:
    """Nobody waits longer; nobody beyond the bound waits at all."""
    stage = Stage(deadline=0.2, requests=1)
    first = stage.desk.submit(Request("ana", HASH, "a.png", ["gray"]))
    assert stage.reason() == NO_SERVERS
    error = first.exception(5)
    assert isinstance(error, Denial)
    assert error.reason == TOO_LATE
    stage.desk.stop()
    assert stage.reason() == NO_SERVERS
    assert stage.desk.running() == []


@pytest.mark.parametrize("text", ["", "x", "host:", ":1", "host:99999", "host:-1", "host:١"])
def test_addresses(text: str) -> None:
    """An address is host:port."""
    with pytest.raises(SetupError, match=r"Gateway\.Naming must be host:port"):
        Address.parse(text, "Gateway.Naming")
    assert str(Address.parse("[::1]:2809", "x")) == "[::1]:2809"
