"""``run_icestorm`` with real processes, on ports of its own (V74)."""

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from iceflix.contract import Ice
from tests.conftest import wait_until
from tests.e2e.launched import STOP_SECONDS, Launched, Ports, launched

pytestmark = pytest.mark.slow
READY = "IceStorm is ready: "


@pytest.fixture(name="ports")
def _ports() -> Ports:
    return Ports()


def _answers(ice: Ice.Communicator, ports: Ports) -> bool:
    proxy = ice.stringToProxy(ports.storm_proxy)
    assert proxy is not None
    return proxy.ice_isA("::IceStorm::TopicManager")


def _icebox(running: Launched) -> psutil.Process:
    (found,) = [child for child in running.children() if child.name() == "icebox"]
    return found


def test_it_answers_and_stops(tmp_path: Path, ports: Ports, ice: Ice.Communicator) -> None:
    """The data folder is made; SIGTERM ends it and leaves nothing behind."""
    with launched(tmp_path / "a home, #1", "run_icestorm", *ports.properties) as running:
        assert f"-p {ports.storm}" in running.wait_line(READY)
        assert _answers(ice, ports)
        assert (tmp_path / "a home, #1/icestorm/db/data.mdb").exists()
        assert running.stop(signal.SIGTERM) == 0
        assert running.orphans() == []


def test_a_second_one_is_harmless(tmp_path: Path, ports: Ports, ice: Ice.Communicator) -> None:
    """It says that one is running, and ends well; on another home, too."""
    with launched(tmp_path, "run_icestorm", *ports.properties) as running:
        running.wait_line(READY)
        for home in (tmp_path, tmp_path / "other"):
            with launched(home, "run_icestorm", *ports.properties) as second:
                assert second.ended() == 0
                assert "IceStorm is running already" in second.text
        assert _answers(ice, ports)


def test_two_at_once(tmp_path: Path, ports: Ports) -> None:
    """One runs; the other waits for it and says so."""
    with (
        launched(tmp_path, "run_icestorm", *ports.properties) as one,
        launched(tmp_path, "run_icestorm", *ports.properties) as other,
    ):
        wait_until(lambda: one.process.poll() == 0 or other.process.poll() == 0, 20)
        ended, runs = (one, other) if one.process.poll() == 0 else (other, one)
        runs.wait_line(READY)
        ended.ended()
        assert "IceStorm is running already" in ended.text


def test_it_survives_kill_9_and_what_that_leaves(
    tmp_path: Path, ports: Ports, ice: Ice.Communicator
) -> None:
    """No icebox outlives its launcher; stale locks and a torn database do not hinder a start."""
    with launched(tmp_path, "run_icestorm", *ports.properties) as running:
        running.wait_line(READY)
        _icebox(running)
        running.process.kill()
        wait_until(lambda: not running.orphans(), STOP_SECONDS, "icebox has ended")
    database = tmp_path / "icestorm/db"
    (database / "icedb.lock").write_text("stale")
    (database / "lock.mdb").write_bytes(b"stale" * 100)
    (database / "data.mdb").write_bytes(os.urandom(20_000))
    with launched(tmp_path, "run_icestorm", *ports.properties) as running:
        running.wait_line(READY)
        assert "its database was unusable" in running.text
        assert _answers(ice, ports)
    assert list((tmp_path / "icestorm").glob("db.broken-*"))


def test_a_killed_icebox_is_started_again(
    tmp_path: Path, ports: Ports, ice: Ice.Communicator
) -> None:
    """With the same port."""
    with launched(tmp_path, "run_icestorm", *ports.properties) as running:
        running.wait_line(READY)
        _icebox(running).kill()
        running.wait_line("icestorm: its process was ended by SIGKILL; starting it again")
        wait_until(lambda: len(running.children()) == 1, 10)

        def back() -> bool:
            try:
                return _answers(ice, ports)
            except Ice.LocalException:
                return False

        wait_until(back, 10)
        assert running.stop() == 0


def test_somebody_else_has_the_port(tmp_path: Path, ports: Ports) -> None:
    """It says who, and what to do."""
    with socket.create_server(("127.0.0.1", ports.storm)):
        with launched(tmp_path, "run_icestorm", *ports.properties) as running:
            assert running.ended() == 1
        assert f"port {ports.storm}, where IceStorm belongs, is used by" in running.text
        assert f"(process {os.getpid()})" in running.text
        assert "Traceback" not in running.text


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--Log.Levle=debug", "unknown property Log.Levle; did you mean Log.Level?"),
        ("now", "unknown argument 'now'"),
        ("--IceStorm.TopicManager.Proxy=two words", "is no proxy"),
        (
            "--IceStorm.TopicManager.Proxy=IceStorm/TopicManager:tcp -h 192.0.2.1 -p 9",
            "cannot start",
        ),
    ],
)
def test_wrong_words(tmp_path: Path, argument: str, said: str) -> None:
    """Whatever cannot be meant is refused in one sentence."""
    with launched(tmp_path, "run_icestorm", argument) as running:
        assert running.ended() == 2
    assert said in running.text
    assert len(running.lines) == 1
