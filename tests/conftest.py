"""What the tests share: a real broker, real services in this process, foreign clients."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import hypothesis
import psutil
import pytest

from iceflix.contract import Ice, IceStorm
from iceflix.runtime.host import Host
from iceflix.runtime.settings import Settings

pytest_plugins = ["tests.postgres"]

# The same examples each time, and no stop-watch: the machine may be busy.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tests")

ROOT = Path(__file__).parents[1]
HostMaker = Callable[..., Host]
Eventually = Callable[..., None]
SPAWN = [sys.executable, "-P", "-m"]


def wait_until(predicate: Callable[[], object], seconds: float = 10.0, what: str = "") -> None:
    """Poll until the predicate holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or predicate}")
        time.sleep(0.02)


def freeze(pid: int) -> None:
    """Hang a process, and wait until all of its threads stand still: some go on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")

    def still() -> bool:
        stats = (task.read_text("ascii") for task in tasks.glob("*/stat"))
        return all(text.rpartition(")")[2].split()[0] == "T" for text in stats)

    wait_until(still, 10, "every thread has stopped")


def strike(pid: int, number: signal.Signals) -> None:
    """Signal a process; with SIGSTOP, wait until it stands still."""
    if number is signal.SIGSTOP:
        freeze(pid)
    else:
        os.kill(pid, number)


def listening(processes: Iterable[psutil.Process]) -> set[tuple[psutil.Process, tuple[str, int]]]:
    """Where these processes listen for TCP: who, and host and port.

    Those that have ended are left out: a reader of new files is there for a moment only.
    """
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((process, (connection.laddr.ip, connection.laddr.port)))
    return found


class Broker:
    """A real IceBox with IceStorm on a port of its own; ``config`` adds or replaces lines."""

    def __init__(self, folder: Path, config: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = 0
        self._config = config or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._ice = Ice.initialize(["--Ice.RetryIntervals=-1"])

    @property
    def proxy(self) -> str:
        """The topic manager's proxy, stringified."""
        return f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {self.port}"

    @property
    def manager(self) -> IceStorm.TopicManagerPrx:
        """The topic manager."""
        proxy = IceStorm.TopicManagerPrx.uncheckedCast(self._ice.stringToProxy(self.proxy))
        return proxy.ice_invocationTimeout(5000)

    def start(self) -> None:
        """Start it and wait until it answers. The port stays the same from the first start on."""
        self.port = self.port or free_port()
        (self.folder / "db").mkdir(parents=True, exist_ok=True)
        lines = {
            "IceStorm.InstanceName": "IceStorm",
            "IceStorm.TopicManager.Endpoints": f"tcp -h 127.0.0.1 -p {self.port}",
            "IceStorm.Publish.Endpoints": "tcp -h 127.0.0.1",
            "IceStorm.LMDB.Path": str(self.folder / "db"),
            "IceStorm.LMDB.MapSize": "10",
            **self._config,
        }
        storm = self.folder / "storm.config"
        storm.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        service = f"IceStormService,37:createIceStorm --Ice.Config={storm}"
        box = self.folder / "box.config"
        box.write_text(f"IceBox.Service.IceStorm={service}\nIceBox.InheritProperties=1\n")
        with (self.folder / "box.log").open("ab") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
                ["icebox", f"--Ice.Config={box}"], stdout=log, stderr=log
            )
        wait_until(self._answers, 15, "IceStorm answers")

    def stop(self) -> None:
        """Kill it, hard."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Hang it."""
        assert self._process is not None
        freeze(self._process.pid)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Lose its database. It must be stopped."""
        shutil.rmtree(self.folder / "db")

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._ice.destroy()

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "icebox has ended"
        with contextlib.suppress(Ice.LocalException):
            self.manager.ice_ping()
            return True
        return False


def free_port() -> int:
    """A TCP port that is free now, and not one of those that outgoing connections take."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def environment(home: Path) -> dict[str, str]:
    """This process's environment, with a home of the test's own."""
    return {**os.environ, "ICEFLIX_HOME": str(home)}


def command(
    home: Path, *arguments: str, stdin: str = "", module: str = "iceflix.cli"
) -> "subprocess.CompletedProcess[str]":
    """Run ``iceflix ARGUMENTS`` (or another module) to its end."""
    return subprocess.run(
        [*SPAWN, module, *arguments],
        env=environment(home),
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class ServiceProcess:
    """A running ``iceflix serve KIND``."""

    def __init__(self, kind: str, home: Path, broker: Broker, properties: Sequence[str]) -> None:
        self.kind = kind
        self.home = home
        storm = f"--IceStorm.TopicManager.Proxy={broker.proxy}"
        self.popen = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
            [*SPAWN, "iceflix.ops.serve", kind, *properties, storm],
            env=environment(home),
            stderr=subprocess.PIPE,
            text=True,
        )

    def proxy(self) -> str:
        """Its main object's proxy, stringified, once it is ready."""
        found: list[str] = []

        def ready() -> bool:
            assert self.popen.poll() is None, "it has ended"
            for file in (self.home / "run").glob(f"{self.kind}-*.json"):
                facts = json.loads(file.read_text("utf-8"))
                if facts["pid"] == self.popen.pid:
                    found.append(facts["proxy"])
            return bool(found)

        wait_until(ready, 30, f"{self.kind} is ready")
        return found[0]

    def stop(self) -> None:
        """Kill it, if it still runs. It may be stopped twice."""
        if self.popen.poll() is None:
            self.popen.kill()
        if self.popen.stderr is not None and not self.popen.stderr.closed:
            self.popen.communicate()


ProcessStarter = Callable[..., ServiceProcess]


@pytest.fixture(name="shared_broker", scope="session")
def _shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests of a worker that leave it alone."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.close()


@pytest.fixture(name="broker")
def _broker(shared_broker: Broker) -> Broker:
    """A running broker. Tests that stop or wipe one use ``own_broker``."""
    return shared_broker


@pytest.fixture(name="own_broker")
def _own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, to be stopped, frozen and wiped; not started yet."""
    broker = Broker(tmp_path / "broker")
    yield broker
    broker.close()


@pytest.fixture(name="ice")
def _ice() -> Iterator[Ice.Communicator]:
    """A communicator for foreign clients and services, with nothing of ours in it."""
    arguments = ["--Ice.Default.Host=127.0.0.1", "--Ice.RetryIntervals=-1"]
    arguments += ["--Ice.Override.Timeout=5000", "--Ice.ThreadPool.Server.Size=4"]
    communicator = Ice.initialize(arguments)
    yield communicator
    communicator.destroy()


@pytest.fixture(name="make_host")
def _make_host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HostMaker]:
    """Start services inside this process: ``make_host(kind, build, {"Auth.File": ...})``.

    They use the shared broker unless ``IceStorm.TopicManager.Proxy`` is given.
    """
    hosts: list[Host] = []

    def make(
        kind: str, build: Callable[[Host], None], properties: dict[str, str] | None = None
    ) -> Host:
        values = dict(properties or {})
        if "IceStorm.TopicManager.Proxy" not in values:
            shared: Broker = request.getfixturevalue("shared_broker")
            values["IceStorm.TopicManager.Proxy"] = shared.proxy
        values.setdefault("Main.Endpoints", "tcp -h 127.0.0.1")
        host = Host(kind, Settings(tmp_path, values))
        hosts.append(host)
        host.start(build)
        return host

    yield make
    for host in hosts:
        host.stop()


@pytest.fixture(name="start_process")
def _start_process(tmp_path: Path, shared_broker: Broker) -> Iterator[ProcessStarter]:
    """Start services as processes: ``start_process(kind, "--Key=Value", ...)``.

    Their home is the test's temporary folder, their broker the shared one.
    """
    started: list[ServiceProcess] = []

    def start(kind: str, *properties: str) -> ServiceProcess:
        started.append(ServiceProcess(kind, tmp_path, shared_broker, properties))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture(name="eventually")
def _eventually() -> Eventually:
    """``eventually(predicate, seconds=10)``."""
    return wait_until


@pytest.fixture(name="python")
def _python() -> str:
    """The interpreter that runs the tests."""
    return sys.executable
