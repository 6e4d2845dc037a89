"""The gateway's desk between fakes: order, deadline, bounds (F13-F16, F47)."""

import threading

import pytest

from iceflix.contract.reasons import (
    INVALID_REQUEST,
    NO_SERVERS,
    NOT_AUTHORIZED,
    TOO_LATE,
    UNKNOWN_FILTER,
    UNKNOWN_IMAGE,
)
from iceflix.farm.gateway import desk as gateway_desk
from iceflix.farm.gateway.desk import Admission, Desk, Done, Limits, Login, Request
from iceflix.farm.gateway.orb import Address
from iceflix.farm.model import Job, JobResult
from iceflix.runtime.errors import Denial, SetupError
from iceflix.runtime.scheduler import Scheduler

HASH = "a" * 64


class Users:  # pylint: disable=too-few-public-methods
    """Knows ana."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held: list[Admission] = []

    def check(self, login: Login, done: Admission) -> None:
        """Let ana in; hold back the refusal of those that guess."""
        self.calls.append(login.user)
        if login.user == "broken":
            raise RuntimeError("secret")
        if login.user == "guesser":
            self.held.append(done)
        else:
            right = login.user == "ana"
            done(None if right else Denial(NOT_AUTHORIZED, "wrong user or password"))


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


def test_refusals_that_are_held_back_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """F16, F17: any number of them; when there is no more room, the oldest makes some."""
    stage = Stage(requests=60)
    guess = Request("guesser", HASH, "a.png", ["gray"])
    guesses = [stage.desk.submit(guess) for _ in range(59)]
    stage.desk.submit(Request("ana", HASH, "a.png", ["gray"]))
    assert len(stage.farm.jobs) == 1
    assert stage.reason() == NO_SERVERS  # they may all be honest
    monkeypatch.setattr(gateway_desk, "_GUESS_SECONDS", 0.0)
    stage.desk.submit(Request("ana", HASH, "a.png", ["gray"]))
    assert len(stage.farm.jobs) == 2
    assert [future.done() for future in guesses] == [True] + [False] * 58
    for refuse in stage.users.held:
        refuse(Denial(NOT_AUTHORIZED, "wrong user or password"))
    reasons = [getattr(future.exception(5), "reason", "") for future in guesses]
    assert reasons == [NO_SERVERS] + [NOT_AUTHORIZED] * 58
    assert stage.desk.details() == {"requests": "2 under way, 0 done, 60 denied"}


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (["no-such-filter"], UNKNOWN_FILTER),
        (["NOPE"], UNKNOWN_FILTER),
        (["ñ"], UNKNOWN_FILTER),
        (["gray", "x" * 1000], UNKNOWN_FILTER),
        (["../../etc/passwd"], UNKNOWN_FILTER),
        (["N:x"], UNKNOWN_FILTER),
        ([""], INVALID_REQUEST),
        ([" : "], INVALID_REQUEST),
        (["gray:"], INVALID_REQUEST),
        (["gray:x"], INVALID_REQUEST),
        ([], INVALID_REQUEST),
    ],
)
def test_a_name_that_no_filter_can_have_is_unknown(filters: list[str], reason: str) -> None:
    """F47: it is as unknown as one that merely does not exist."""
    stage = Stage()
    error = stage.desk.submit(Request("ana", HASH, "a.png", filters)).exception(5)
    assert isinstance(error, Denial)
    assert error.reason == reason
    assert not stage.farm.jobs


@pytest.mark.parametrize("text", ["", "x", "host:", ":1", "host:99999", "host:-1", "host:١"])
def test_addresses(text: str) -> None:
    """An address is host:port."""
    with pytest.raises(SetupError, match=r"Gateway\.Naming must be host:port"):
        Address.parse(text, "Gateway.Naming")
    assert str(Address.parse("[::1]:2809", "x")) == "[::1]:2809"
