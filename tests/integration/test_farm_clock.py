"""The chain of clocks over real Ice calls, with clocks that are wrong on purpose (F20-F22)."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import structlog

from iceflix.contract import Ice, IceFlix
from iceflix.runtime import log
from iceflix.runtime.errors import NotAvailable
from iceflix.runtime.timekeeper import Follower, Timekeeper, TimeServant, skewed
from tests.conftest import ROOT, Broker, Eventually, command

Serve = Callable[[Ice.Object], Ice.ObjectPrx]


@pytest.fixture(name="serve")
def _serve(ice: Ice.Communicator) -> Iterator[Serve]:
    """Put a servant on the wire."""
    adapter = ice.createObjectAdapterWithEndpoints("clocks", "tcp -h 127.0.0.1")
    adapter.activate()
    yield adapter.addWithUUID
    adapter.destroy()


class CountingServant(TimeServant):
    """Counts the exchanges."""

    exchanges = 0

    def now(self, _current: Ice.Current | None = None) -> float:
        """Count and tell."""
        type(self).exchanges += 1
        return super().now(_current)


def _reference(proxy: Ice.ObjectPrx) -> IceFlix.TimeReferencePrx:
    return IceFlix.TimeReferencePrx.uncheckedCast(proxy)


def test_three_seconds_are_found_by_ten_exchanges(serve: Serve) -> None:
    """F20."""
    CountingServant.exchanges = 0
    proxy = _reference(serve(CountingServant(Timekeeper.reference())))
    late = Timekeeper(skewed(-3.0))
    found = late.synchronise(proxy)
    assert CountingServant.exchanges == found.exchanges == 10
    assert found.synchronised
    assert abs(found.seconds - 3.0) <= found.error_bound + 1e-6


def test_corrections_accumulate(serve: Serve) -> None:
    """F21: +2 s and -5 s: the last of the chain reports the sum and the sum of the bounds."""
    admin = Timekeeper.reference()
    auth = Timekeeper(skewed(-2.0))
    gateway = Timekeeper(skewed(+3.0))  # 5 s ahead of the Authenticator's clock
    first = auth.synchronise(_reference(serve(TimeServant(admin))))
    last = gateway.synchronise(_reference(serve(TimeServant(auth))))
    assert abs(first.seconds - 2.0) <= first.error_bound + 1e-6
    assert abs(last.link + 5.0) <= last.error_bound + 1e-6
    assert abs(last.seconds + 3.0) <= last.error_bound + 1e-6
    assert last.error_bound > first.error_bound
    assert abs(gateway.now() - admin.now()) < last.error_bound + 0.1


class Relay(IceFlix.TimeReference):  # pylint: disable=too-few-public-methods
    """Stamps what it does, and asks the next one in the chain to do something."""

    def __init__(self, keeper: Timekeeper, stamps: list[float], onward: Ice.ObjectPrx | None):
        self._keeper = keeper
        self._stamps = stamps
        self._onward = onward

    def now(self, _current: Ice.Current | None = None) -> float:
        """Note the time, call on, note the time."""
        self._stamps.append(self._keeper.now())
        if self._onward is not None:
            _reference(self._onward).now()
        self._stamps.append(self._keeper.now())
        return 0.0


def test_no_effect_precedes_its_cause(serve: Serve) -> None:
    """F22: without the correction, the order would be wrong by seconds."""
    admin = Timekeeper.reference()
    auth = Timekeeper(skewed(-2.0))
    gateway = Timekeeper(skewed(+3.0))
    first = auth.synchronise(_reference(serve(TimeServant(admin))))
    last = gateway.synchronise(_reference(serve(TimeServant(auth))))
    stamps: list[float] = []
    proxy = serve(Relay(admin, stamps, None))
    proxy = serve(Relay(auth, stamps, proxy))
    proxy = serve(Relay(gateway, stamps, proxy))
    _reference(proxy).now()
    assert len(stamps) == 6
    slack = first.error_bound + last.error_bound
    assert all(effect > cause - slack for cause, effect in pairwise(stamps))


def test_a_follower_starts_without_its_reference(serve: Serve, eventually: Eventually) -> None:
    """F21: peer absent, unsynchronised; it comes, synchronised; it goes, it says so."""
    there: list[IceFlix.TimeReferencePrx] = []
    asked = threading.Event()

    def reference() -> IceFlix.TimeReferencePrx:
        asked.set()
        if not there:
            raise NotAvailable("no user administrator is known")
        return there[0]

    keeper = Timekeeper(skewed(-3.0))
    follower = Follower(keeper, reference, 0.05, 0.02)
    follower.start()
    assert asked.wait(5)
    assert not keeper.correction.synchronised
    assert "not synchronised" in keeper.details()["clock"]
    there.append(_reference(serve(TimeServant(Timekeeper.reference()))))
    eventually(lambda: keeper.correction.synchronised)
    assert keeper.details()["clock"].startswith(("+3.00", "+2.99"))
    there.clear()
    eventually(lambda: not keeper.correction.synchronised)
    assert keeper.correction.seconds == pytest.approx(3.0, abs=0.5)  # still the best guess
    follower.stop()


def test_logs_carry_corrected_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    """F22."""
    file = tmp_path_factory.mktemp("log") / "clock.log"
    root = logging.getLogger()
    before = root.handlers
    root.handlers = []
    log.configure("info", file, "clock")
    try:
        log.use_clock(lambda: 86400.25)
        log.get_logger("test").info("something happened")
        assert '"timestamp": "1970-01-02T00:00:00.250000Z"' in file.read_text()
    finally:
        log.use_clock(Timekeeper().now)
        root.handlers[0].close()
        root.handlers = before
        structlog.reset_defaults()


def _service(home: Path, broker: Broker, kind: str, *properties: str) -> "subprocess.Popen[bytes]":
    storm = f"--IceStorm.TopicManager.Proxy={broker.proxy}"
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "iceflix.ops.serve", kind, storm, *properties],
        env=os.environ | {"ICEFLIX_HOME": str(home)},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )


def _clock(home: Path) -> "subprocess.CompletedProcess[str]":
    return command(home, "clock", "--json")


@pytest.mark.slow
def test_three_processes_and_the_command(
    broker: Broker, tmp_path: Path, eventually: Eventually
) -> None:
    """F20-F22: gateway, Authenticator, then the administrator; `iceflix clock`; the logs."""
    assert "no service with a clock runs here" in _clock(tmp_path).stderr
    (tmp_path / "users.csv").write_text("user,password_hash\n")
    retry = "--Clock.RetrySeconds=0.2"
    naming = "--Gateway.Naming=127.0.0.1:0"
    users = f"--Auth.File={tmp_path / 'users.csv'}"
    processes = [_service(tmp_path, broker, "gateway", naming, retry, "--Clock.SkewSeconds=3")]
    processes.append(_service(tmp_path, broker, "auth", users, retry, "--Clock.SkewSeconds=-2"))
    try:
        eventually(lambda: len(list((tmp_path / "run").glob("*.json"))) == 2, 20)
        done = _clock(tmp_path)
        assert done.returncode == 1
        assert "not synchronised" in done.stdout
        processes.append(_service(tmp_path, broker, "useradmin", retry))
        eventually(lambda: len(list((tmp_path / "run").glob("*.json"))) == 3, 20)
        eventually(lambda: _clock(tmp_path).returncode == 0, 20)
        found = {each["service"]: each for each in json.loads(_clock(tmp_path).stdout)}
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(10) for process in processes]
    assert codes == [0, 0, 0]
    for service, expected in (("useradmin", 0.0), ("auth", 2.0), ("gateway", -3.0)):
        correction = found[service]["correction_seconds"]
        assert abs(correction - expected) <= found[service]["error_bound_seconds"] + 1e-6
    assert _in_order(tmp_path / "logs")


def _in_order(logs: Path) -> bool:
    """Whether all end after all are synchronised, by the stamps: skewed, they would not."""
    synchronised: list[str] = []
    stopping: list[str] = []
    for file in logs.glob("*.log"):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if entry["event"] == "clock synchronised":
                synchronised.append(entry["timestamp"])
            elif entry["event"] == "stopping":
                stopping.append(entry["timestamp"])
    assert len(synchronised) == 2
    assert len(stopping) == 3
    return max(synchronised) < min(stopping)
