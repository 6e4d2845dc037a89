"""Central with fake multiservers that were written from the Slice (F23-F29)."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import (
    FILTER_FAILED,
    INVALID_REQUEST,
    NO_SERVERS,
    TOO_LATE,
    UNKNOWN_FILTER,
)
from iceflix.farm.central.service import build
from iceflix.farm.central.word import sign
from iceflix.farm.discovery import MULTISERVER
from iceflix.farm.filters.signing import Signer
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker, strike
from tests.integration.farm_fakes import FakeMultiserver, farm_topic, serve

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
RUNNING = ["gray", "slow", "never", "broken", "crash"]
Join = Callable[..., FakeMultiserver]


@pytest.fixture(name="host")
def _host(make_host: HostMaker, tmp_path: Path, signer: Signer, eventually: Eventually) -> Host:
    (tmp_path / "filters.pub").write_text(signer.public.hex())
    own = {"Call.TimeoutSeconds": "0.5", "Farm.PublicKey": str(tmp_path / "filters.pub")}
    host = make_host("central", build, own)
    _central(host).setRunning(RUNNING, sign(signer, RUNNING))
    eventually(lambda: _central(host).running() == sorted(RUNNING))
    return host


@pytest.fixture(name="signer")
def _signer() -> Signer:
    return Signer.make()


@pytest.fixture(name="join")
def _join(
    host: Host, broker: Broker, ice: Ice.Communicator, eventually: Eventually
) -> Iterator[Join]:
    """Start a fake multiserver and wait until central knows it (F24)."""
    joined: list[FakeMultiserver] = []

    def join(name: str, capacity: int = 100) -> FakeMultiserver:
        fake = FakeMultiserver(name, capacity)
        proxy = IceFlix.MultiserverPrx.uncheckedCast(serve(ice, fake))
        farm_topic(broker).multiserverService(proxy, name)
        eventually(lambda: host.directory.find(MULTISERVER, name))
        joined.append(fake)
        return fake

    yield join
    for fake in joined:
        fake.close()


def _central(host: Host) -> IceFlix.CentralPrx:
    assert host.proxy is not None
    return IceFlix.CentralPrx.uncheckedCast(host.proxy).ice_invocationTimeout(20000)


def _job(*filters: str, name: str, deadline: float = 10.0) -> IceFlix.Job:
    return IceFlix.Job(name, "a.png", [IceFlix.Step(each, {}) for each in filters], deadline)


def _reason(central: IceFlix.CentralPrx, job: IceFlix.Job) -> str:
    with pytest.raises(IceFlix.Denied) as refused:
        central.process(job)
    assert refused.value.detail
    return refused.value.reason


def test_nine_requests_over_three(host: Host, join: Join) -> None:
    """F26: 3/3/3, one after the other or all at once."""
    fakes = [join(name) for name in "abc"]
    central = _central(host)
    for number in range(9):
        assert central.process(_job("gray", name=f"s{number}")).image == "out__gray.png"
    assert [len(fake.jobs) for fake in fakes] == [3, 3, 3]
    for future in [central.processAsync(_job("gray", name=f"p{n}")) for n in range(9)]:
        future.result()
    assert [len(fake.jobs) for fake in fakes] == [6, 6, 6]


def test_an_unknown_filter_refuses_everything(host: Host, join: Join) -> None:
    """F29."""
    fake = join("a")
    assert _reason(_central(host), _job("gray", "nope", name="n")) == UNKNOWN_FILTER
    assert _reason(_central(host), _job(name="e"))
    assert not fake.jobs


def test_a_short_request_overtakes_a_long_one(host: Host, join: Join) -> None:
    """F16, F23: fifty long ones hold nobody up."""
    join("a")
    central = _central(host)
    slow = [central.processAsync(_job("slow", name=f"l{n}")) for n in range(50)]
    assert central.process(_job("gray", name="short")).image == "out__gray.png"
    assert not any(future.done() for future in slow)
    assert {future.result().image for future in slow} == {"out__slow.png"}


def test_none_left_is_a_refusal(host: Host) -> None:
    """F25: no hang."""
    assert _reason(_central(host), _job("gray", name="n")) == NO_SERVERS


def test_a_full_one_is_passed_over(host: Host, join: Join) -> None:
    """A full one is passed over; all full is a refusal."""
    full = join("a", capacity=0)
    assert _reason(_central(host), _job("gray", name="n")) == NO_SERVERS
    join("b")
    for number in range(3):
        _central(host).process(_job("gray", name=f"n{number}"))
    assert not full.jobs


def test_the_deadline_holds(host: Host, join: Join, eventually: Eventually) -> None:
    """F37: never beyond the deadline; the multiserver is told."""
    fake = join("a")
    assert _reason(_central(host), _job("never", name="n", deadline=0.3)) == TOO_LATE
    eventually(lambda: fake.cancelled == ["n"])
    assert _reason(_central(host), _job("gray", name="m", deadline=float("nan"))) == INVALID_REQUEST


def test_reasons_come_through(host: Host, join: Join) -> None:
    """F47; what a multiserver should not say stays inside."""
    join("a")
    assert _reason(_central(host), _job("broken", name="b")) == FILTER_FAILED
    assert _reason(_central(host), _job("crash", name="c")) == NO_SERVERS


def test_the_same_job_twice_is_one(host: Host, join: Join) -> None:
    """F37: a job's name makes it the same job."""
    fake = join("a")
    central = _central(host)
    futures = [central.processAsync(_job("slow", name="same")) for _ in range(3)]
    assert {future.result().image for future in futures} == {"out__slow.png"}
    assert fake.jobs == ["same"]


def test_a_late_one_is_used_and_a_new_one_replaces(host: Host, join: Join) -> None:
    """F24."""
    early = join("a")
    _central(host).process(_job("gray", name="1"))
    late = join("b")
    for number in range(4):
        _central(host).process(_job("gray", name=f"n{number}"))
    assert len(late.jobs) == 2
    assert len(early.jobs) == 3


@pytest.fixture(name="spawn")
def _spawn(broker: Broker, python: str) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Start a multiserver process."""
    processes: list[subprocess.Popen[bytes]] = []

    def spawn(name: str) -> "subprocess.Popen[bytes]":
        command = [python, "-m", "tests.integration.farm_fakes", broker.proxy, name]
        processes.append(subprocess.Popen(command, cwd=ROOT))  # pylint: disable=consider-using-with
        return processes[-1]

    yield spawn
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hung_one_costs_no_request(
    how: signal.Signals,
    host: Host,
    spawn: Callable[[str], "subprocess.Popen[bytes]"],
    eventually: Eventually,
) -> None:
    """F25: SIGKILL or SIGSTOP of one of two, idle and in the middle of jobs: all succeed."""
    names = [f"k{how.name}", f"l{how.name}"]
    victims = {name: spawn(name) for name in names}
    eventually(lambda: len(host.directory.all(MULTISERVER)) == 2, 20)
    central = _central(host)
    under_way = [central.processAsync(_job("slow", name=f"u{n}", deadline=15)) for n in range(6)]
    time.sleep(0.3)  # they are being worked on: nothing to wait for tells us from here
    strike(victims[names[0]].pid, how)
    started = time.monotonic()
    assert central.process(_job("gray", name="next")).node == names[1]
    assert time.monotonic() - started < 8  # its deadline is 10
    nodes = Counter(future.result(15).node for future in under_way)
    assert nodes == {names[1]: 6}
