"""Users and processors of a whole farm: who opens the CSV, who waits for whom, who gets work."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from iceflix.auth.userfile import decode
from iceflix.contract import Ice, IceFlix
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


def test_a_busy_node_gets_little_work(stage: Whole) -> None:
    """One node's processor is taken by others: less than a tenth of the tasks go there (F33)."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        pytest.skip("needs two processors")
    stage.whole("A", (1, 1, 2))
    for node, processor in zip(("ring1-node1", "ring1-node2"), processors, strict=False):
        family = psutil.Process(stage.processes[node].pid)
        for process in (family, *family.children(recursive=True)):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, [processor])
    hogs = [_hog(processors[0]) for _ in range(4)]
    try:
        pids = {each.pid: each.id for each in stage.farm.ready()}
        busy, free = (pids[stage.processes[f"ring1-node{n}"].pid] for n in (1, 2))
        wait_until(lambda: _free(stage, busy) < 0.1, 20, "the load is measured")
        counts = _shares(stage, busy, free)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    if counts.total() < 10:
        pytest.skip("this machine is busy with other things: no processor is free")
    assert counts[busy] <= counts.total() / 10, counts


def _shares(stage: Whole, busy: str, free: str) -> Counter[str]:
    """Who does single tasks, while one processor is free indeed and the other is not."""
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + 12
    while counts.total() < 30 and time.monotonic() < deadline:
        before = _free(stage, free) - _free(stage, busy)
        (job,) = stage.send([f"p{counts.total() % 6}.png"], ["invert"])
        node = job.result(20).node
        if min(before, _free(stage, free) - _free(stage, busy)) > 0.2:
            counts[node] += 1  # else others use the free processor, too, at this moment
    return counts


def _free(stage: Whole, node: str) -> float:
    return next((load.cpu_free for load in stage.token("ring1").loads if load.node == node), 1.0)


def _hog(processor: int) -> "subprocess.Popen[bytes]":
    code = f"import os; os.sched_setaffinity(0, [{processor}])\nwhile True: pass"
    return subprocess.Popen([sys.executable, "-c", code])


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
