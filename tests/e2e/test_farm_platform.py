"""The farm that ``run_iceflix`` starts beside the videos."""

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

import psutil
import pytest

from iceflix.farm.samples import PICTURES
from iceflix.ops.firstrun import DEMO_USER
from tests.conftest import wait_until
from tests.e2e.farm_stage import iceflix
from tests.e2e.launched import Launched, Ports, launched

pytestmark = [pytest.mark.slow, pytest.mark.serial]


def _farm(system: str) -> list[str]:
    """Properties for a run with a farm, on ports of its own."""
    streaming = [one for one in Ports().properties if not one.startswith("--Farm.System")]
    return [*streaming, "--Gateway.Naming=127.0.0.1:0", f"--Farm.System={system}"]


def _iceflix(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return iceflix(home, "--Gateway.Naming=127.0.0.1:0", *words, ICEFLIX_PASSWORD="iceflix")


def _kinds(home: Path) -> list[str]:
    return sorted(json.loads(f.read_bytes())["kind"] for f in (home / "run").glob("*.json"))


def _stopped(running: Launched) -> None:
    """Within its five seconds, the filters' workers and the naming service included."""
    names = {process.name() for process in running.children()}
    assert {"bwrap", "omniNames"} <= names
    assert running.stop() == 0
    wait_until(lambda: not running.orphans(), 5, "nothing is left")


def test_a_small_farm_beside_the_videos(tmp_path: Path) -> None:
    """Clients of the videos need not wait for it; its sample picture is filtered as it says."""
    with launched(tmp_path, "run_iceflix", *_farm("A")) as running:
        main = running.wait_line("Main: ")
        nodes = [line for line in running.lines if "node" in line]
        assert not nodes or running.lines.index(main) < running.lines.index(nodes[0])
        invitation = running.wait_line("Farm: ready (system A)", 30)
        assert len([kind for kind in _kinds(tmp_path) if kind == "node"]) == 2
        words = re.findall(r"iceflix (.*)$", invitation)[0].split()
        done = _iceflix(tmp_path, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "images" / done.stdout.strip()).stat().st_size > 1000

        again = _iceflix(tmp_path, "farm", "up")
        assert again.returncode == 1
        assert "a farm runs here already, one that iceflix farm did not start" in again.stderr
        shown = json.loads(_iceflix(tmp_path, "farm", "status", "--json").stdout)
        assert [len(ring["nodes"]) for ring in shown["rings"]] == [2]

        (node, _other) = (p for p in running.children() if _is_node(p))
        node.kill()
        running.wait_line("ring1-node", 10)
        assert _iceflix(tmp_path, *words).returncode == 0
        wait_until(lambda: _kinds(tmp_path).count("node") == 2, 20, "another node")
        _stopped(running)


def _is_node(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()[3:6] == ["iceflix.ops.serve", "node", "--Farm.System=A"]
    return False


def test_system_b_beside_the_videos(tmp_path: Path) -> None:
    """Two rings with a filter each."""
    with launched(tmp_path, "run_iceflix", *_farm("B")) as running:
        running.wait_line("Farm: ready (system B)", 40)
        shown = json.loads(_iceflix(tmp_path, "farm", "status", "--json").stdout)
        first, second = (ring["filter"] for ring in shown["rings"])
        words = ("filter", PICTURES[0].name, "-f", f"{first},{second}", "--user", DEMO_USER)
        done = _iceflix(tmp_path, *words)
        assert (done.returncode, done.stderr) == (0, "")
        _stopped(running)


def test_a_farm_of_its_own(tmp_path: Path) -> None:
    """``iceflix farm up`` says that it is ready when a request succeeds at once."""
    ports = Ports()
    storm = f"--IceStorm.TopicManager.Proxy={ports.storm_proxy}"
    shape = ("--multiservers", "1", "--rings", "1", "--nodes", "1")
    with launched(tmp_path, "run_iceflix", *ports.properties) as running:
        running.wait_line("Main: ")
        try:
            up = _iceflix(tmp_path, storm, "farm", "up", *shape)
            assert (up.returncode, up.stderr) == (0, "")
            assert "Farm: ready" in up.stdout.splitlines()
            words = ("filter", PICTURES[0].name, "-f", "gray", "--user", DEMO_USER)
            done = _iceflix(tmp_path, *words)
            assert (done.returncode, done.stderr) == (0, "")
        finally:
            down = _iceflix(tmp_path, "farm", "down")
        assert down.stdout == "6 processes stopped.\n"
        assert running.stop() == 0


def test_where_filters_cannot_be_shut_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes are left out, with the reason; the videos are there."""
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    home = tmp_path / "home"
    with launched(home, "run_iceflix", *_farm("A")) as running:
        running.wait_line("Main: ")
        said = running.wait_line("ring1-node1: left out, the rest goes on: node: ", 30)
        assert "Farm.Isolation=reduced" in said
        assert "main" in _kinds(home)
        assert running.process.poll() is None
        assert "Traceback" not in running.text
        assert running.stop() == 0


def test_a_farm_that_nobody_knows(tmp_path: Path) -> None:
    """It ends the run at once, before anything has started."""
    with launched(tmp_path, "run_iceflix", *_farm("C")) as running:
        assert running.ended() == 2
    assert running.lines[-1] == "iceflix: Farm.System must be off, A or B, not 'C'"
