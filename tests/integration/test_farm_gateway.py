"""The gateway as a process, between fake peers, by both doors (F11-F17, F47)."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import (
    FILTER_FAILED,
    INVALID_REQUEST,
    NO_SERVERS,
    NOT_AUTHORIZED,
    TOO_LATE,
    UNKNOWN_FILTER,
    UNKNOWN_IMAGE,
)
from iceflix.farm.gateway.desk import Request
from iceflix.farm.gateway.orb import Address, CorbaClient
from iceflix.runtime.errors import Denial
from tests.conftest import Broker, command, free_port, wait_until
from tests.integration.farm_stage import DEADLINE, HASH, USER, Stage, staged

pytestmark = pytest.mark.slow


@pytest.fixture(name="module_stage", scope="module")
def _module_stage(
    shared_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One gateway for all tests of this file."""
    with staged(shared_broker, tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture(name="stage")
def _stage(module_stage: Stage) -> Stage:
    module_stage.reset()
    return module_stage


@pytest.fixture(name="corba", scope="module")
def _corba(module_stage: Stage) -> Iterator[CorbaClient]:
    client = CorbaClient(module_stage.naming, 10)
    yield client
    client.close()


def _request(*filters: str, image: str = "a.png", password_hash: str = HASH) -> Request:
    return Request(USER, password_hash, image, filters)


def _reason(call: Callable[[], object]) -> str:
    with pytest.raises((Denial, IceFlix.Denied)) as refused:
        call()
    error = refused.value
    assert isinstance(error, Denial | IceFlix.Denied)
    assert getattr(error, "detail", "") or str(error)
    return error.reason


def test_a_request_reaches_central_whole(stage: Stage, corba: CorbaClient) -> None:
    """F11, F13, F15: user and hash to the Authenticator, image and filters to central."""
    assert corba.get_filtered(_request("gray", "blur:radius=4", image="año/日本.png"))
    assert stage.auth.calls == [(USER, HASH)]
    [job] = stage.central.jobs
    assert job.image == "año/日本.png"
    assert [(step.filter, step.parameters) for step in job.steps] == [
        ("gray", {}),
        ("blur", {"radius": "4"}),
    ]
    assert 0 < job.deadlineSeconds <= DEADLINE
    assert corba.filter(_request("gray")) == ("done/a.png", 0.25)
    assert corba.running() == ["blur", "gray"]


def test_the_same_over_ice(stage: Stage) -> None:
    """The same over ice."""
    assert stage.gateway.getFiltrado(USER, HASH, "a.png", ["gray"])
    assert stage.gateway.filter(USER, HASH, "a.png", ["gray"]).image == "done/a.png"
    assert stage.gateway.getFilters() == ["blur", "gray"]
    assert not stage.gateway.getFiltrado(USER, "0" * 64, "a.png", ["gray"])
    assert _reason(lambda: stage.gateway.filter(USER, HASH, "a.png", [])) == INVALID_REQUEST


@pytest.mark.parametrize("password_hash", ["0" * 64, "", "secret", "x" * 100_000, HASH.upper()])
def test_not_authenticated_never_reaches_central(
    stage: Stage, corba: CorbaClient, password_hash: str
) -> None:
    """F14."""
    assert not corba.get_filtered(_request("gray", password_hash=password_hash))
    assert _reason(lambda: corba.filter(_request(password_hash=password_hash))) == NOT_AUTHORIZED
    assert not stage.central.jobs


@pytest.mark.parametrize(
    ("image", "filters", "reason"),
    [
        ("../a.png", ["gray"], UNKNOWN_IMAGE),
        ("/etc/passwd", ["gray"], UNKNOWN_IMAGE),
        ("a\\b.png", ["gray"], UNKNOWN_IMAGE),
        ("", ["gray"], UNKNOWN_IMAGE),
        ("x" * 100_000, ["gray"], UNKNOWN_IMAGE),
        ("a.png", [], INVALID_REQUEST),
        ("a.png", ["gray"] * 100, INVALID_REQUEST),
        ("a.png", ["gray:"], INVALID_REQUEST),
        ("a.png", ["; rm -rf /"], UNKNOWN_FILTER),
        ("a.png", ["no-such-filter"], UNKNOWN_FILTER),
        ("a.png", ["ñ"], UNKNOWN_FILTER),
    ],
)
def test_nonsense_is_refused(
    stage: Stage, corba: CorbaClient, image: str, filters: list[str], reason: str
) -> None:
    """F09, F29, F46: a reason, and false; central is spared."""
    request = Request(USER, HASH, image, filters)
    assert _reason(lambda: corba.filter(request)) == reason
    assert not corba.get_filtered(request)
    assert not stage.central.jobs


def _raising(error: BaseException) -> Callable[[object], object]:
    def answer(_job: object) -> object:
        raise error

    return answer


def test_the_reasons_of_others_come_through(stage: Stage, corba: CorbaClient) -> None:
    """F47."""
    stage.central.answer = _raising(IceFlix.Denied(FILTER_FAILED, "blur raised año"))
    with pytest.raises(Denial, match="blur raised año") as refused:
        corba.filter(_request("gray"))
    assert refused.value.reason == FILTER_FAILED
    stage.central.answer = _raising(RuntimeError("secret"))
    assert _reason(lambda: corba.filter(_request("gray"))) == NO_SERVERS


def test_a_short_request_overtakes_long_ones(stage: Stage, corba: CorbaClient) -> None:
    """F16: forty that take a second, and one that takes none; by either door."""

    def answer(job: IceFlix.Job) -> object:
        future: Ice.Future[IceFlix.JobResult] = Ice.Future()
        result = IceFlix.JobResult(job.image, 0.0)
        if job.steps[0].filter == "slow":
            threading.Timer(1.0, lambda: future.set_result(result)).start()
        else:
            future.set_result(result)
        return future

    stage.central.answer = answer
    proxy = stage.gateway
    slow = [proxy.filterAsync(USER, HASH, f"{n}.png", ["slow"]) for n in range(32)]
    ended: list[str] = []
    threads = [
        threading.Thread(target=lambda: ended.append(corba.filter(_request("slow"))[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert corba.filter(_request("gray"))[0] == "a.png"
    assert proxy.filter(USER, HASH, "b.png", ["gray"]).image == "b.png"
    assert not ended
    assert not any(future.done() for future in slow)
    for thread in threads:
        thread.join()
    assert [future.result().image for future in slow] == [f"{n}.png" for n in range(32)]
    assert len(ended) == 8


def test_the_deadline_holds(stage: Stage, corba: CorbaClient) -> None:
    """Never beyond the deadline, even if central never answers."""
    pending: list[Ice.Future[IceFlix.JobResult]] = []

    def answer(_job: object) -> object:
        pending.append(Ice.Future())
        return pending[-1]

    stage.central.answer = answer
    started = time.monotonic()
    assert _reason(lambda: corba.filter(_request("gray"))) == TOO_LATE
    assert time.monotonic() - started < DEADLINE + 2
    for future in pending:
        future.set_result(IceFlix.JobResult("late.png", 9.0))
    stage.reset()
    assert corba.get_filtered(_request("gray"))


def test_a_guesser_locks_nobody_out(stage: Stage, corba: CorbaClient) -> None:
    """An Authenticator that holds refusals back is not taken for dead."""
    stage.auth.delay_seconds = 1.5
    assert _reason(lambda: corba.filter(_request("gray", password_hash="0" * 64))) == NOT_AUTHORIZED
    assert corba.get_filtered(_request("gray"))
    stage.auth.delay_seconds = 1.0
    guesses = [stage.gateway.filterAsync(USER, "0" * 64, "a.png", ["gray"]) for _ in range(60)]
    assert corba.get_filtered(_request("gray"))  # F16: it did not wait behind them
    for guess in guesses:
        assert _reason(guess.result) == NOT_AUTHORIZED


def _corba_port(stage: Stage) -> int:
    assert stage.process is not None
    ice_port = stage.gateway.ice_getEndpoints()[0].getInfo().underlying
    listening = {
        connection.laddr.port
        for connection in psutil.Process(stage.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    port = getattr(ice_port, "port", 0) or stage.gateway.ice_getEndpoints()[0].getInfo()
    return next(each for each in listening if each != getattr(port, "port", port))


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        os.urandom(4096),
        b"GIOP\x01\x02\x01\x00\xff\xff\xff\xff",
        b"GIOP\x01\x02\x01\x00\x20\x00\x00\x00\x01",
        b"GIOP\x01\x02\x01\x00\x00\x00\x40\x00" + b"x" * 5_000_000,
    ],
)
def test_garbage_survives(stage: Stage, corba: CorbaClient, garbage: bytes) -> None:
    """F46: the port goes on; half-sent messages are closed within seconds."""
    with socket.create_connection(("127.0.0.1", _corba_port(stage)), 5) as connection:
        connection.settimeout(12)
        with contextlib.suppress(ConnectionError):
            connection.sendall(garbage)
            assert corba.get_filtered(_request("gray"))
            while connection.recv(65536):
                pass
    assert corba.get_filtered(_request("gray"))


def test_what_is_too_large_is_refused(stage: Stage, corba: CorbaClient) -> None:
    """Gateway.MessageBytes."""
    with pytest.raises(Denial):
        corba.get_filtered(Request(USER, HASH, "x" * 1_000_000, ["gray"]))
    assert corba.get_filtered(_request("gray"))
    assert len(stage.central.jobs) == 1


def test_the_name_comes_back(stage: Stage) -> None:
    """The naming service is killed, then the gateway: both are there again, nothing stale."""
    assert stage.process is not None
    naming = stage.naming
    children = psutil.Process(stage.process.pid).children()
    [omninames] = [child for child in children if child.name() == "omniNames"]
    omninames.kill()
    wait_until(lambda: _found(naming), 10, "the naming service is back")
    stage.stop(signal.SIGKILL)
    wait_until(lambda: not _found(naming), 5, "the naming service has gone with the gateway")
    stage.start()
    assert stage.naming == naming
    assert _found(naming)


def _found(naming: Address) -> bool:
    """Whether another process can use the gateway by its name."""
    code = (
        "import sys; from iceflix.farm.gateway.orb import *; "
        f"print(CorbaClient(Address({naming.host!r}, {naming.port}), 5).running())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout.strip() == "['blur', 'gray']"


def test_where_nobody_is_a_request_is_refused_soon(
    tmp_path: Path, own_broker: Broker, ice: Ice.Communicator
) -> None:
    """Long before its deadline, and before the gateway would announce itself again."""
    own_broker.start()
    lonely = Stage(tmp_path / "home", own_broker, ice)
    try:
        lonely.launch("--Gateway.DeadlineSeconds=120")
        gateway = IceFlix.GatewayPrx.uncheckedCast(lonely.gateway.ice_invocationTimeout(20_000))
        assert _reason(lambda: gateway.filter(USER, HASH, "a.png", ["gray"])) == NO_SERVERS
        assert lonely.stop() == 0
    finally:
        if lonely.process is not None:
            lonely.process.kill()
            lonely.process.wait()


def test_an_unusable_address_is_a_sentence(tmp_path: Path, shared_broker: Broker) -> None:
    """An unusable address is a sentence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        for property_ in (
            "--Gateway.Naming=nonsense",
            f"--Gateway.CorbaPort={taken.getsockname()[1]}",
        ):
            storm = f"--IceStorm.TopicManager.Proxy={shared_broker.proxy}"
            done = command(tmp_path, "gateway", property_, storm, module="iceflix.ops.serve")
            assert done.returncode == 2
            assert "iceflix gateway: " in done.stderr
            assert "Traceback" not in done.stderr
