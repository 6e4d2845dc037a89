"""``run_iceflix`` with real processes, on ports and in a home of its own (V01, V75)."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from iceflix.contract import Ice, IceFlix
from tests.conftest import ROOT, listening, wait_until
from tests.e2e.launched import STOP_SECONDS, Launched, Ports, launched

pytestmark = pytest.mark.slow
KINDS = ("main", "auth", "catalog", "streaming")
TYPES = {
    "main": "::IceFlix::Main",
    "auth": "::IceFlix::Authenticator",
    "catalog": "::IceFlix::MediaCatalog",
    "streaming": "::IceFlix::StreamProvider",
}


@pytest.fixture(name="ports")
def _ports() -> Ports:
    return Ports()


@pytest.fixture(name="running")
def _running(tmp_path: Path, ports: Ports) -> Iterator[Launched]:
    """A run on ``tmp_path``, ready."""
    with launched(tmp_path, "run_iceflix", *ports.properties) as running:
        running.wait_line("Main: ")
        yield running


def _facts(home: Path) -> dict[str, dict[str, str]]:
    found = [json.loads(file.read_bytes()) for file in (home / "run").glob("*.json")]
    return {entry["kind"]: entry for entry in found}


def _object(ice: Ice.Communicator, proxy: str) -> Ice.ObjectPrx:
    found = ice.stringToProxy(proxy)
    assert found is not None
    return found


def test_a_first_run(
    tmp_path: Path, ports: Ports, running: Launched, ice: Ice.Communicator
) -> None:
    """One process per service; a film, a user; the proxy that it prints leads to everything."""
    facts = _facts(tmp_path)
    assert len({entry["pid"] for entry in facts.values()}) == len(KINDS)
    for kind in KINDS:
        assert _object(ice, facts[kind]["proxy"]).ice_isA(TYPES[kind]), kind
        assert psutil.pid_exists(int(facts[kind]["pid"]))
    assert running.wait_line("Main: ") == f"Main: {ports.main_proxy}"
    main = IceFlix.MainPrx.uncheckedCast(_object(ice, ports.main_proxy))
    assert main.getAuthenticator() and main.getCatalogService()

    assert (tmp_path / "media/iceflix-sample.mp4").stat().st_size > 0
    assert list(json.loads((tmp_path / "users.json").read_bytes())) == ["demo"]
    assert "the user is demo, the password iceflix" in running.text
    assert "exposed: to this machine alone (loopback)" in running.text

    assert running.stop() == 0
    assert running.orphans() == []
    assert not list((tmp_path / "run").iterdir())
    assert running.lines[-1] == "stopped"


def test_a_second_run_keeps_what_the_first_brought(tmp_path: Path, ports: Ports) -> None:
    """Users and films are the user's from then on; their absence is not repaired by half."""
    (tmp_path / "media").mkdir()
    (tmp_path / "users.json").write_text("{}")
    with launched(tmp_path, "run_iceflix", *ports.properties) as running:
        running.wait_line("Main: ")
        assert "first run" not in running.text
    assert (tmp_path / "users.json").read_text() == "{}"
    assert not list((tmp_path / "media").iterdir())


def test_a_crashed_service_is_started_again(
    tmp_path: Path, running: Launched, ice: Ice.Communicator
) -> None:
    """The others do not notice; it says so; the new one has another id."""
    before = _facts(tmp_path)
    os.kill(int(before["catalog"]["pid"]), signal.SIGKILL)
    for kind in set(KINDS) - {"catalog"}:
        _object(ice, before[kind]["proxy"]).ice_ping()
    running.wait_line("catalog: its process was ended by SIGKILL; starting it again in 0.5 s")

    def replaced() -> bool:
        entry = _facts(tmp_path).get("catalog")
        return entry is not None and entry["id"] != before["catalog"]["id"]

    wait_until(replaced, 20, "another catalogue")
    wait_until(lambda: running.text.count("catalog: ready") == 2, 10)
    assert running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_stops_in_time_even_when_a_service_hangs(
    tmp_path: Path, running: Launched, number: signal.Signals
) -> None:
    """Within 5 s, and nothing is left."""
    os.kill(int(_facts(tmp_path)["auth"]["pid"]), signal.SIGSTOP)
    assert running.stop(number) == 0
    assert running.orphans() == []


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path, running: Launched) -> None:
    """kill -9 included; the next run starts as if nothing had been."""
    # The reader of new files is there for a moment, too.
    wait_until(lambda: len(running.children()) == len(KINDS) + 1, 30, "just the services")
    running.process.kill()
    wait_until(lambda: not running.orphans(), STOP_SECONDS, "all have ended")
    ports = Ports()
    with launched(tmp_path, "run_iceflix", *ports.properties) as again:
        again.wait_line("Main: ")
        assert again.stop() == 0


@pytest.mark.parametrize("leaves", [True, False], ids=["reader leaves", "reader sleeps"])
def test_nobody_needs_to_listen_to_what_it_says(
    tmp_path: Path, ports: Ports, *, leaves: bool
) -> None:
    """A closed or a full pipe hinders neither the services nor the end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen(
        [ROOT / "run_iceflix", *ports.properties, "--Log.Level=debug"],
        env={**os.environ, "ICEFLIX_HOME": str(tmp_path)},
        stdout=writer,
        stderr=writer,
    ) as process:
        os.close(writer)
        try:
            if leaves:
                os.close(reader)
            wait_until(lambda: set(_facts(tmp_path)) == set(KINDS), 30, "all are there")
            before = _facts(tmp_path)["auth"]
            os.kill(int(before["pid"]), signal.SIGKILL)
            wait_until(lambda: _facts(tmp_path).get("auth", before) != before, 20)
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()
            if not leaves:
                os.close(reader)


def test_one_run_a_home(tmp_path: Path, running: Launched) -> None:
    """Another one says who runs, and harms nothing."""
    with launched(tmp_path, "run_iceflix", *Ports().properties) as second:
        assert second.ended() == 1
        assert "IceFlix already runs on" in second.text
        assert f"(process {running.process.pid})" in second.text
    assert running.process.poll() is None


def test_somebody_else_has_mains_port(tmp_path: Path, ports: Ports) -> None:
    """It says who, and starts nothing."""
    with (
        socket.create_server(("127.0.0.1", ports.main)),
        launched(tmp_path, "run_iceflix", *ports.properties) as running,
    ):
        assert running.ended() == 1
    assert f"port {ports.main}, where Main belongs, is used by" in running.text
    assert f"(process {os.getpid()})" in running.text
    assert not (tmp_path / "icestorm").exists()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--Auth.File=/nowhere/users.json", "there is no credentials file /nowhere/users.json"),
        ("--Auth.Flie=x", "unknown property Auth.Flie; did you mean Auth.File?"),
        ("--Stream.Max=many", "Stream.Max must be a whole number, not 'many'"),
        ("--Media.Folder=/nowhere", "/nowhere"),
        ("--Main.Endpoints=nonsense", "Main.Endpoints"),
        ("up", "unknown argument 'up'"),
    ],
)
def test_what_cannot_be_ends_the_run(
    tmp_path: Path, ports: Ports, argument: str, said: str
) -> None:
    """V12: a clear sentence, a code that is not 0, nothing left, no traceback."""
    with launched(tmp_path, "run_iceflix", *ports.properties, argument) as running:
        wait_until(lambda: running.process.poll() is not None or running.children(), 20)
        assert running.ended() == 2
        assert running.orphans() == []
    assert said in running.lines[-1]
    assert "Traceback" not in running.text


def test_an_icestorm_that_runs_is_used_and_left_alone(tmp_path: Path, ports: Ports) -> None:
    """``run_icestorm`` first, then ``run_iceflix``, on the same home or another."""
    with launched(tmp_path / "storm", "run_icestorm", *ports.properties) as storm:
        storm.wait_line("IceStorm is ready")
        with launched(tmp_path / "flix", "run_iceflix", *ports.properties) as running:
            running.wait_line("Main: ")
            assert "IceStorm runs already" in running.text
            assert running.stop() == 0
        assert storm.process.poll() is None
        assert storm.stop() == 0


def test_lan_opens_it_and_says_so(tmp_path: Path, ports: Ports) -> None:
    """Every interface, a warning, and Main's proxy as others can use it."""
    with launched(tmp_path, "run_iceflix", *ports.properties, "--lan") as running:
        running.wait_line("Main: ")
        said = running.wait_line("exposed: ")
        assert "to the network" in said and "not encrypted" in said
        assert "./add_user demo" in running.text
        places = {place for _, place in listening(running.children())}
        assert {port for host, port in places if host in {"::", "0.0.0.0"}} >= {
            ports.main,
            ports.storm,
        }


def _screen(seen: bytes) -> str:
    """What was written to a terminal, without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode(errors="replace"))


def _row(home: Path, kind: str) -> str:
    """The pattern of a ready service's row."""
    entry = _facts(home).get(kind, {"pid": "-", "id": "-"})
    return rf"{kind}\s*│ ready\s*│\s*{entry['pid']}\s*│ {entry['id']}\s*│ tcp -h 127"


def test_the_table(tmp_path: Path, ports: Ports) -> None:
    """On a terminal there is a table with state, process, id and endpoint; it ends well."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(  # pylint: disable=consider-using-with  # waited for below
        [ROOT / "run_iceflix", *ports.properties],
        env={**os.environ, "ICEFLIX_HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "150"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    try:
        deadline = time.monotonic() + 30
        while not all(re.search(_row(tmp_path, kind), _screen(seen)) for kind in KINDS):
            assert time.monotonic() < deadline, _screen(seen)
            seen += os.read(leader, 65536)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            try:
                seen += os.read(leader, 65536)
            except OSError:
                break
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    text = _screen(seen)
    assert f"Main: {ports.main_proxy}" in text
    assert "Traceback" not in text
    assert re.search(
        rf"icestorm\s*│ ready\s*│\s*\d+\s*│\s*│ tcp -h 127.0.0.1 -p {ports.storm}", text
    )
