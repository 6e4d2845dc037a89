"""The platform under kill -9, SIGSTOP and a broker that loses everything (V05, V07-V09, V52)."""

import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from iceflix.contract import Ice, IceFlix
from tests.conftest import ROOT, Eventually, freeze, listening, wait_until
from tests.e2e.conftest import Platform

pytestmark = [pytest.mark.slow, pytest.mark.serial, pytest.mark.timeout(300)]


class Client:
    """A careless foreign client: no retries, no discovery, only Main."""

    def __init__(self, ice: Ice.Communicator, main: str) -> None:
        self.main = IceFlix.MainPrx.uncheckedCast(ice.stringToProxy(main))

    def login(self) -> str:
        """Get a token."""
        authenticator = self.main.getAuthenticator()
        assert authenticator is not None
        digest = hashlib.sha256(b"iceflix").hexdigest()
        return authenticator.refreshAuthorization("demo", digest)

    def tag(self, tag: str) -> None:
        """Log in, find a title, tag it, look whether the tag is there."""
        catalogue = self.main.getCatalogService()
        assert catalogue is not None
        title = catalogue.getTilesByName("sample", False)[0]
        catalogue.addTags(title, [tag], self.login())
        assert tag in catalogue.getTile(title).info.tags

    def stream(self, port: int) -> IceFlix.StreamControllerPrx:
        """Start a stream to this UDP port."""
        catalogue = self.main.getCatalogService()
        assert catalogue is not None
        title = catalogue.getTilesByName("sample", False)[0]
        provider = catalogue.getTile(title).provider
        assert provider is not None
        token = self.login()
        controller = provider.getStream(title, token)
        assert controller is not None
        controller.getSDP(token, port)
        return controller


def _succeeds(action: Callable[[], object]) -> bool:
    try:
        action()
    except (Ice.LocalException, Ice.UserException, LookupError) as error:
        print(f"{time.monotonic():.2f} {error!r}")  # shown when the test fails
        return False
    return True


def _two(platform: Platform, kind: str) -> bool:
    return len(list((platform.home / "run").glob(f"{kind}-*.pid"))) == 2


@pytest.fixture(name="client")
def _client(ice: Ice.Communicator, platform: Platform) -> Client:
    client = Client(ice, platform.main)
    wait_until(lambda: _succeeds(lambda: client.tag("first")), 20, "the platform works")
    return client


@pytest.fixture(name="seconds")
def _seconds(platform: Platform) -> Iterator[dict[str, psutil.Process]]:
    """A second instance of every service but Main."""
    command = [str(ROOT / ".venv/bin/iceflix"), "serve"]
    processes = {}
    for kind in ("auth", "catalog", "streaming"):
        started = subprocess.Popen(  # pylint: disable=consider-using-with  # ended below
            [*command, kind, *platform.properties[1:]],
            env=platform.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        processes[kind] = started
    for kind in processes:
        wait_until(functools.partial(_two, platform, kind), 30, kind)
    yield {kind: psutil.Process(process.pid) for kind, process in processes.items()}
    for process in processes.values():
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.mark.usefixtures("seconds")
def test_one_of_two_is_killed(platform: Platform, client: Client) -> None:
    """V07, V09: from five seconds on, nobody notices; the supervisor brings it back."""
    for kind in ("auth", "catalog", "streaming"):
        victims = [int(file.read_text()) for file in (platform.home / "run").glob(f"{kind}-*.pid")]
        ours = {process.pid for process in platform.processes()}
        (victim,) = [pid for pid in victims if pid in ours]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: _succeeds(lambda: client.tag("x")), 5, f"{kind} is replaced")
        for number in range(20):
            client.tag(f"{kind}{number}")
    restarted = [line for line in platform.output if "starting it again" in line]
    assert len(restarted) == 3, platform.output


def test_one_of_two_hangs(client: Client, seconds: dict[str, psutil.Process]) -> None:
    """V08: every operation completes within five seconds, hung service or not."""
    for kind, process in seconds.items():
        wait_until(lambda: _succeeds(lambda: client.tag("x")), 10, f"before {kind} hangs")
        freeze(process.pid)
        try:
            for number in range(5):
                began = time.monotonic()
                wait_until(
                    functools.partial(_succeeds, functools.partial(client.tag, str(number))),
                    5,
                    kind,
                )
                assert time.monotonic() - began < 5
        finally:
            process.resume()


def test_the_broker_is_restarted_empty(
    platform: Platform, client: Client, eventually: Eventually
) -> None:
    """V05: known services go on, new ones are found again."""
    (icebox,) = [process for process in platform.processes() if process.name() == "icebox"]
    shutil.rmtree(platform.home / "icestorm" / "db", ignore_errors=True)
    icebox.kill()
    client.tag("while the broker is away")
    auth = platform.pid("auth")
    os.kill(auth, signal.SIGKILL)
    eventually(lambda: _succeeds(lambda: client.tag("found again")), 25)
    assert platform.pid("auth") != auth


def test_a_killed_provider_sends_nothing_more(platform: Platform, client: Client) -> None:
    """V52: no emitter outlives its process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        client.stream(receiver.getsockname()[1])
        assert receiver.recv(65536)
        os.kill(platform.pid("streaming"), signal.SIGKILL)
        deadline = time.monotonic() + 5
        receiver.settimeout(0.7)
        with pytest.raises(TimeoutError):
            while time.monotonic() < deadline:
                receiver.recv(65536)


def test_nothing_is_left_behind(platform: Platform, client: Client) -> None:
    """V75: Ctrl-C ends every process within five seconds, whatever they do."""
    client.tag("busy")
    before = platform.processes()
    assert len(before) >= 6
    began = time.monotonic()
    assert platform.stop() in (0, 130)
    assert time.monotonic() - began < 8
    gone, alive = psutil.wait_procs(before, timeout=2)
    assert not alive, alive
    assert len(gone) == len(before)
    assert not list((platform.home / "run").glob("*-*.pid"))


GARBAGE = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00" * 4096,
    b"IceP\x01\x00\x01\x00\x00\x00\xff\xff\xff\x7f" + b"x" * 100,
    b"IceP\x01\x00\x01\x00\x00\x00\x13\x00\x00\x00\xff\xff\xff\xff\xff",
    b"IceP\x01\x00\x01\x00\x04\x02\x20\x00\x00\x00\x00\x00\x00\x7f" + b"z" * 14,
    bytes(range(256)) * 64,
)


def test_garbage_on_every_port(platform: Platform, client: Client) -> None:
    """Whatever bytes arrive, every service goes on, the same process as before."""
    places = listening(platform.processes())
    assert len(places) >= 6
    half_sent = []
    for _, (_, port) in places:
        for garbage in GARBAGE:
            stranger = socket.create_connection(("127.0.0.1", port), 5)
            stranger.sendall(garbage)
            half_sent.append(stranger)
    client.tag("with strangers hanging on")
    for stranger in half_sent:
        stranger.close()
    client.tag("after the garbage")
    assert all(process.is_running() for process, _ in places)
