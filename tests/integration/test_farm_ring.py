"""Rings of real processes that are killed, frozen and joined (F24-F44)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iceflix.contract import IceFlix
from iceflix.farm.filters.catalogue import Publisher
from iceflix.farm.filters.signing import Signer
from iceflix.farm.launch import Plan, Start
from tests.conftest import Broker, Eventually, HostMaker, wait_until
from tests.integration.ring_stage import Administrator, Stage, library_sha256

pytestmark = [pytest.mark.slow, pytest.mark.serial]
CHAIN = ("rotate90", "crop:left=0.5", "invert")
TURNED = ("crop:left=0.5", "rotate90", "invert")
ENDLESS = b'''"""Never end."""


def apply(image):
    """Never end."""
    while True:
        pass
'''
StageMaker = Callable[..., Stage]


@pytest.fixture(name="signer")
def _signer() -> Signer:
    return Signer.make()


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, broker: Broker, signer: Signer) -> Iterator[Stage]:
    stage = Stage(tmp_path / "home", broker, signer)
    yield stage
    stage.close()


def _plan(system: str, multiservers: int, rings: int, nodes: int) -> Plan:
    return Plan(system, multiservers, rings, nodes, slots=1, services=())


def _within(seconds: float, began: float) -> None:
    assert time.monotonic() - began < seconds


def _command(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "iceflix.cli", "farm", *words],
        env={**os.environ, "ICEFLIX_HOME": str(stage.farm.home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _look(stage: Stage) -> None:
    """``iceflix farm status`` shows what there is; ``up`` refuses to start a second farm."""
    shown = json.loads(_command(stage, "status", "--json").stdout)
    (ring,) = shown["rings"]
    assert (ring["ring"], ring["epoch"]) == ("ring1", stage.token("ring1").epoch)
    assert [node["slots"] for node in ring["nodes"]] == [1]
    assert shown["multiservers"][0]["capacity"] == 150
    text = _command(stage, "status").stdout
    assert "multiserver ring1: 0 waiting, 0 under way, of 150; rings: ring1" in text
    again = _command(stage, "up")
    assert (again.returncode, "a farm runs here already" in again.stderr) == (1, True)


def test_system_a_survives_kill(stage: Stage, eventually: Eventually) -> None:
    """Nodes die, one joins, the master dies: every job is answered rightly, one token stays."""
    stage.up(_plan("A", 1, 1, 3))
    server = stage.multiserver("multiserver1")
    stage.check(stage.submit(server, CHAIN, 6), CHAIN)
    stage.check(stage.submit(server, TURNED, 6), TURNED)
    assert {load.node for load in stage.token("ring1").loads} == set(stage.token("ring1").members)

    jobs = stage.submit(server, CHAIN, 40)
    stage.signal(stage.others("ring1")[0], signal.SIGKILL)
    began = time.monotonic()
    stage.check(jobs, CHAIN)
    _within(8, began)
    eventually(lambda: stage.one_token("ring1", 2), 5)

    properties = {"Farm.System": "A", "Node.Ring": "ring1", "Node.Slots": "1"}
    joining = Start("ring1-node4", "node", properties)
    stage.processes[joining.name] = stage.farm.add(joining, stage.properties)
    stage.farm.wait_ready([stage.processes[joining.name]], 20)
    eventually(lambda: len(stage.token("ring1").members) == 3, 15)
    eventually(lambda: stage.one_token("ring1", 3), 5)

    jobs = stage.submit(server, TURNED, 40)
    stage.signal(stage.master("ring1"), signal.SIGKILL)
    began = time.monotonic()
    stage.check(jobs, TURNED)
    _within(10, began)
    eventually(lambda: stage.one_token("ring1", 2), 5)


def test_system_a_survives_freezing(stage: Stage, eventually: Eventually) -> None:
    """A node hangs, then the master; both go on later: the work is given again, one token stays."""
    stage.up(_plan("A", 1, 1, 3))
    server = stage.multiserver("multiserver1")
    for frozen in (stage.others("ring1")[0], stage.master("ring1")):
        jobs = stage.submit(server, CHAIN, 30)
        stage.signal(frozen, signal.SIGSTOP)
        began = time.monotonic()
        stage.check(jobs, CHAIN)
        _within(10, began)
        eventually(lambda: stage.one_token("ring1", 2), 8)
        stage.signal(frozen, signal.SIGCONT)
        eventually(lambda: stage.one_token("ring1", 3), 20)
    stage.check(stage.submit(server, CHAIN, 6), CHAIN)


def test_when_no_node_lives_requests_are_refused(stage: Stage) -> None:
    """Long before their deadline, with what to do about it; a node that joins is used (F47)."""
    stage.up(_plan("A", 1, 1, 2))
    server = stage.multiserver("multiserver1")
    stage.check(stage.submit(server, CHAIN, 2), CHAIN)
    for name in ("ring1-node1", "ring1-node2"):
        stage.signal(name, signal.SIGKILL)
    refusals = []
    for _ in range(2):
        (job,) = stage.submit(server, CHAIN, 1, 60.0)
        with pytest.raises(IceFlix.Denied) as denied:
            job.result(40)
        refusals.append(denied.value)
    assert [refusal.reason for refusal in refusals] == ["SIN_SERVIDORES"] * 2
    assert "no ring lives; start nodes" in refusals[0].detail

    properties = {"Farm.System": "A", "Node.Ring": "ring1", "Node.Slots": "1"}
    joining = Start("ring1-node3", "node", properties)
    stage.processes[joining.name] = stage.farm.add(joining, stage.properties)
    wait_until(lambda: list(server.health().rings) == ["ring1"], 30, "the ring is there again")
    stage.check(stage.submit(server, CHAIN, 2), CHAIN)


def test_a_multiserver_answers_while_it_is_busy(stage: Stage, signer: Signer) -> None:
    """Health within a second with a hundred jobs queued; a full queue refuses at once (F31)."""
    stage.properties |= {"Multiserver.Queue": "150", "Farm.FilterSeconds": "300"}
    stage.up(_plan("A", 1, 1, 1))
    Publisher(stage.farm.home / "filters", signer).add("endless", ENDLESS)
    server = stage.multiserver("multiserver1")
    endless = stage.submit(server, ["endless"], 3, 60.0)  # one at work, two that it has waiting
    jobs = stage.submit(server, CHAIN, 147, 60.0)
    for _ in range(5):
        began = time.monotonic()
        health = server.health()
        _within(1, began)

    def taken() -> int:
        now = server.health()
        return now.queued + now.running

    wait_until(lambda: taken() == 150, 20, "all jobs are in the queue")
    assert health.capacity == 150
    (refused,) = stage.submit(server, CHAIN, 1)
    with pytest.raises(IceFlix.Denied) as denied:
        refused.result(5)
    assert denied.value.reason == "SIN_SERVIDORES"
    server.cancel("job150")
    with pytest.raises(IceFlix.Denied) as denied:
        jobs[-1].result(5)
    assert denied.value.reason == "PLAZO_VENCIDO"
    for number, job in enumerate(endless, start=1):
        server.cancel(f"job{number}")
        with pytest.raises(IceFlix.Denied):
            job.result(10)
    stage.check(jobs[:-1], CHAIN)
    _look(stage)
    missing = server.submitAsync(IceFlix.Job("x", "nowhere.png", [IceFlix.Step("gray", {})], 9.0))
    with pytest.raises(IceFlix.Denied) as denied:
        missing.result(10)
    assert denied.value.reason == "IMAGEN_DESCONOCIDA"
    down = _command(stage, "down")
    assert (down.returncode, down.stdout) == (0, "2 processes stopped.\n")
    assert not any(process.alive for process in stage.processes.values())
    assert _command(stage, "down").returncode == 1


def test_what_nobody_wants_any_more_is_stopped(
    stage: Stage, signer: Signer, eventually: Eventually
) -> None:
    """Two jobs are withdrawn while nodes work on them: filters that never end are ended."""
    stage.properties["Farm.FilterSeconds"] = "300"
    stage.up(_plan("A", 1, 1, 2))
    Publisher(stage.farm.home / "filters", signer).add("endless", ENDLESS)
    server = stage.multiserver("multiserver1")
    jobs = stage.submit(server, ["endless"], 2)
    eventually(lambda: len(_working(stage)) == 2, 20)
    for number in (1, 2):
        server.cancel(f"job{number}")
    for job in jobs:
        with pytest.raises(IceFlix.Denied):
            job.result(10)
    eventually(lambda: not _working(stage), 20)
    stage.check(stage.submit(server, CHAIN, 4), CHAIN)


def _working(stage: Stage) -> list[str]:
    """The nodes that have tasks, by the newest token."""
    return [load.node for load in stage.token("ring1").loads if load.running]


def test_system_b_takes_a_picture_from_ring_to_ring(
    stage: Stage, make_host: HostMaker, signer: Signer, eventually: Eventually
) -> None:
    """All pairs of multiserver and ring talk, code comes by token, order is kept (F38-F43)."""
    administrator = Administrator(signer, {"ring1": "rotate90", "ring2": "crop"})
    make_host("filteradmin", administrator.build)
    chain, turned = ("rotate90", "crop:left=0.5", "rotate90"), ("crop:left=0.5", "rotate90")
    stage.up(_plan("B", 2, 2, 2))
    servers = [stage.multiserver(f"multiserver{number}") for number in (1, 2)]
    assert all(list(server.health().rings) == ["ring1", "ring2"] for server in servers)
    for server in servers:
        jobs, others = stage.submit(server, chain, 6), stage.submit(server, turned, 6)
        stage.check(jobs, chain)
        stage.check(others, turned)
    eventually(lambda: not list((stage.farm.home / "images/.iceflix/work").glob("*")), 5)

    for ring, name in (("ring1", "rotate90"), ("ring2", "crop")):
        files = sorted((stage.farm.home / "nodes").glob(f"{ring}-*/{name}.py"))
        assert [file.read_bytes() for file in files] == [files[0].read_bytes()] * 2
        assert stage.token(ring).filter[0].sha256 == library_sha256(name)
        files[0].write_bytes(b"tampered with")
        wait_until(lambda f=files: f[0].read_bytes() == f[1].read_bytes(), 20)  # type: ignore[misc]

    stage.signal("multiserver1", signal.SIGKILL)
    jobs = stage.submit(servers[1], chain, 20)
    stage.signal(stage.others("ring1")[0], signal.SIGKILL)
    stage.signal(stage.master("ring2"), signal.SIGKILL)
    began = time.monotonic()
    stage.check(jobs, chain)
    _within(12, began)
    eventually(lambda: stage.one_token("ring1", 1) and stage.one_token("ring2", 1), 5)

    administrator.assignment["ring2"] = "invert"
    eventually(lambda: stage.token("ring2").filter[0].name == "invert", 5)
    stage.check(stage.submit(servers[1], ("invert", "rotate90"), 3), ("invert", "rotate90"))
