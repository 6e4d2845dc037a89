"""Users and processors of a whole farm: who opens the CSV, who waits for whom, who gets work."""

import contextlib
import hashlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.auth.userfile import decode
from iceflix.contract import Ice, IceFlix
from iceflix.farm.launch import Start
from iceflix.runtime.files import atomic_write
from tests.conftest import Broker, Eventually, wait_until
from tests.e2e.farm_stage import HASH, USER, Whole

pytestmark = [pytest.mark.slow, pytest.mark.serial]
# Python runs a module of this name in every process; it writes down who opens a file of users.
WATCH = """
import os, sys

def seen(event, arguments):
    if event == "open" and "users.csv" in str(arguments[0]):
        handle = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (" ".join(sys.orig_argv) + chr(10)).encode())
        os.close(handle)

sys.addaudithook(seen)
"""


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, broker: Broker) -> Iterator[Whole]:
    stage = Whole(tmp_path / "home", broker)
    yield stage
    stage.close()


def _auth(stage: Whole) -> IceFlix.AuthenticatorPrx:
    proxy = stage.ice.stringToProxy(stage.ready("auth"))
    assert proxy is not None
    return IceFlix.AuthenticatorPrx.uncheckedCast(proxy.ice_invocationTimeout(10_000))


def _port(proxy: Ice.ObjectPrx) -> int:
    info = proxy.ice_getEndpoints()[0].getInfo()
    while info.underlying is not None:
        info = info.underlying
    assert isinstance(info, Ice.IPEndpointInfo)
    return info.port


def test_users(
    stage: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Only the Authenticator opens the CSV (F04); the silent hinder nobody (F17); kill -9 (F18)."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "watch"))
    monkeypatch.setenv("WATCHED", str(tmp_path / "opened"))
    stage.whole("A", (1, 1, 1))

    added = stage.command("users", "add", "eva@example.org", typed="word\nword\n")
    assert (added.returncode, added.stderr) == (0, "")
    (job,) = stage.send(["p0.png"], ["invert"])
    assert job.result(20).image == "p0__invert.png"
    seen = (tmp_path / "opened").read_text().splitlines()
    assert seen and all("iceflix.ops.serve auth" in line for line in seen), set(seen)

    auth = _auth(stage)
    with socket.create_connection(("127.0.0.1", _port(auth))):
        logins = [auth.refreshAuthorizationAsync(USER, HASH) for _ in range(50)]
        assert all(login.result(10) for login in logins)

    known = {USER, "eva@example.org"}
    for number in range(4):
        names = [f"u{number}-{each}@example.org" for each in range(30)]
        known |= _added_until_killed(stage, names, after=5 * number)
        entries = decode(stage.users.read_bytes(), stage.users)
        assert known <= set(entries)  # what was confirmed is there, and the file is whole
        stage.restart("auth")
        stage.farm.wait_ready([stage.processes["auth"]], 20)
    digest = hashlib.sha256(b"word").hexdigest()
    assert _auth(stage).refreshAuthorization("eva@example.org", digest)
    eventually(lambda: stage.gateway.getFiltrado(USER, HASH, "p1.png", ["invert"]), 15)


def _added_until_killed(stage: Whole, names: list[str], after: int) -> set[str]:
    """Add users one after the other; the Authenticator is killed in the midst of them."""
    proxy = stage.ice.stringToProxy(stage.ready("auth"))
    assert proxy is not None
    facet = proxy.ice_facet("registry").ice_invocationTimeout(5000)
    registry = IceFlix.UserRegistryPrx.uncheckedCast(facet)
    confirmed = set()
    jobs = [(name, registry.addUserAsync(stage.key, name, HASH)) for name in names]
    wait_until(lambda: sum(job.done() for _name, job in jobs) >= after, 10)
    stage.kill("auth")
    for name, job in jobs:
        if job.exception(10) is None:
            confirmed.add(name)
    return confirmed


class _Processors:  # pylint: disable=too-few-public-methods  # a file that is kept
    """What a node is told of its processors; the machine's own load is another matter."""

    def __init__(self, folder: Path, *, busy: bool) -> None:
        self.folder = folder
        self._busy = busy
        self._began = time.monotonic()
        folder.mkdir()
        self.tell()

    def tell(self) -> None:
        """Others use all of them, or nothing of them, up to now."""
        ticks = int((time.monotonic() - self._began) * os.sysconf("SC_CLK_TCK"))
        used, idle = (ticks, 0) if self._busy else (0, ticks)
        numbers = sorted(os.sched_getaffinity(0))
        lines = [f"cpu{number} {used} 0 0 {idle} 0 0 0 0 0 0\n" for number in numbers]
        atomic_write(self.folder / "stat", "".join(lines).encode())


@contextlib.contextmanager
def _told(*processors: _Processors) -> Iterator[None]:
    """Their files go on as a kernel's would."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.1):
            for each in processors:
                each.tell()

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_busy_node_gets_little_work(stage: Whole, tmp_path: Path) -> None:
    """One node's processors are taken by others: less than a tenth of the tasks go there (F33)."""
    stage.whole("A", (1, 1, 1), images=60)
    busy = _Processors(tmp_path / "busy", busy=True)
    free = _Processors(tmp_path / "free", busy=False)
    with _told(busy, free):
        stage.kill("ring1-node1")
        for name, processors in (("ring1-node1", busy), ("ring1-node2", free)):
            own = {"Farm.System": "A", "Node.Slots": "1", "Node.Proc": str(processors.folder)}
            stage.join(Start(name, "node", own))
        ids = {name: _id(stage, name) for name in ("ring1-node1", "ring1-node2")}
        wait_until(lambda: set(stage.token("ring1").members) == set(ids.values()), 30)
        wait_until(lambda: _free(stage, ids["ring1-node1"]) < 0.1, 20, "the load is measured")
        wait_until(lambda: _free(stage, ids["ring1-node2"]) > 0.9, 20, "the other one's, too")
        counts: Counter[str] = Counter()
        for number in range(20):
            (job,) = stage.send([f"p{number}.png"], ["invert"])
            counts[job.result(20).node] += 1
        batch = stage.send([f"p{number}.png" for number in range(60)], ["rotate90"])
        counts.update(job.result(30).node for job in batch)
    assert counts[ids["ring1-node1"]] <= counts.total() / 10, counts


def _id(stage: Whole, name: str) -> str:
    process = stage.processes[name]
    stage.farm.wait_ready([process], 30)
    return next(each.id for each in stage.farm.ready() if each.pid == process.pid)


def _free(stage: Whole, node: str) -> float:
    return next((load.cpu_free for load in stage.token("ring1").loads if load.node == node), 0.5)


def test_a_multiserver_dies_with_all_its_work(stage: Whole) -> None:
    """Killed with jobs in hand and its ring frozen: the other one has them done, once (F37)."""
    stage.whole("A", (2, 2, 1), images=20)
    stage.signal("ring1-node1", signal.SIGSTOP)
    names = [f"p{number}.png" for number in range(20)]
    jobs = stage.send(names, ["invert"])
    wait_until(lambda: sum(job.done() for job in jobs) >= 1, 20)
    stage.kill("multiserver1")
    results = [job.result(30).image for job in jobs]
    stage.signal("ring1-node1", signal.SIGCONT)
    assert stage.results() == sorted(results) == sorted({*results})
    stage.check(jobs, ["invert"])
    stage.restart("multiserver1")
    stage.farm.wait_ready([stage.processes["multiserver1"]], 20)
    wait_until(lambda: list(stage.multiserver("multiserver1").health().rings) == ["ring1"], 20)
