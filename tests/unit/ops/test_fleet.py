"""Processes kept running and stopped in order; the services are small shell scripts here."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from iceflix.ops.children import Child
from iceflix.ops.console import Row
from iceflix.ops.fleet import Fleet, Recipe
from iceflix.ops.restart import State
from iceflix.runtime.errors import SetupError

PATIENCE_SECONDS = 10.0


class Notes:
    """A console that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lines: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """A line of ours."""
        self.said.append(text)

    def tell(self, text: str) -> None:
        """A line of ours."""
        self.said.append(text)

    def ending(self) -> None:
        """Not here."""

    def heard(self, service: str, line: str) -> None:
        """A line of a service."""
        self.lines.append((service, line))

    def show(self, rows: Sequence[Row]) -> None:
        """Not here."""

    def close(self) -> None:
        """Not here."""


def _shell(name: str, script: str) -> Recipe:
    return Recipe(name, lambda: (("/bin/sh", "-c", script), None))


async def _until(predicate: object, what: str = "") -> None:
    assert callable(predicate)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not predicate():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def test_a_child_is_heard_to_its_last_word(tmp_path: Path) -> None:
    """Whatever it writes: no line end, no UTF-8, far too long."""
    lines: list[str] = []
    child = Child(lines.append)
    script = (
        r"pwd; printf 'a\377b\n\n'; head -c 100000 /dev/zero | tr '\0' x; printf 'last'; exit 3"
    )
    child.start(("/bin/sh", "-c", script), tmp_path)
    assert await child.ended() == 3
    assert child.pid is None
    assert lines[:2] == [str(tmp_path), "a\N{REPLACEMENT CHARACTER}b"]
    assert max(map(len, lines)) <= 2000
    assert lines[-1].endswith("last")
    assert child.last_lines[-1] == lines[-1]


async def test_a_childs_helpers_end_with_it() -> None:
    """Also when it is killed and they hold its output open."""
    lines: list[str] = []
    child = Child(lines.append)
    child.start(("/bin/sh", "-c", "sleep 1000 & echo $!; wait"))
    await _until(lambda: lines)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    assert await child.ended() == -signal.SIGKILL
    await _until(lambda: not psutil.pid_exists(int(lines[0])))
    child.signal(signal.SIGTERM)  # nobody there: nothing happens


async def test_a_crash_is_answered_by_a_start(tmp_path: Path) -> None:
    """With a word about it, and the second process is another one."""
    notes = Notes()
    fleet = Fleet(notes)
    flag = tmp_path / "flag"
    service = fleet.launch(_shell("auth", f"echo up; test -e {flag} || exit 1; exec sleep 1000"))
    assert service.row().state is State.STARTING
    await _until(lambda: service.life.state is State.WAITING)
    assert service.row().note == "restart in 1 s"
    assert notes.said == ["auth: its process ended with code 1; starting it again in 0.5 s"]
    flag.touch()
    await _until(lambda: notes.lines == [("auth", "up"), ("auth", "up")])
    assert service.heard(answers=True)
    await fleet.stop("icestorm")
    assert service.life.state is State.STOPPED


async def test_one_that_refuses_ends_the_run_with_its_sentence() -> None:
    """And not with whatever else it said."""
    fleet = Fleet(Notes())
    script = "echo 'iceflix auth: no such file' >&2; echo 'warning: x'; exit 2"
    fleet.launch(_shell("main", "exec sleep 1000"))
    fleet.launch(_shell("auth", script))
    await asyncio.wait_for(fleet.stopping.wait(), PATIENCE_SECONDS)
    await fleet.stop("icestorm")
    assert str(fleet.failure) == "auth: no such file"


async def test_the_run_goes_on_without_an_optional_one() -> None:
    """It says why, once."""
    notes = Notes()
    fleet = Fleet(notes)
    script = "echo 'iceflix node: no sandbox'; exit 2"
    command = ("/bin/sh", "-c", script)
    service = fleet.launch(Recipe("node1", lambda: (command, None), optional=True))
    await _until(lambda: notes.said)
    assert notes.said == ["node1: left out, the rest goes on: node: no sandbox"]
    assert service.row().state is State.STOPPED
    assert not fleet.stopping.is_set()
    await fleet.stop("icestorm")
    assert fleet.failure is None


async def test_a_missing_program_ends_the_run() -> None:
    """There is no point in trying again."""
    fleet = Fleet(Notes())
    fleet.launch(Recipe("icestorm", lambda: (("/no/such/program",), None)))
    await asyncio.wait_for(fleet.stopping.wait(), PATIENCE_SECONDS)
    await fleet.stop("icestorm")
    assert "/no/such/program" in str(fleet.failure)


async def test_mending_is_tried_and_told() -> None:
    """The recipe sees the code and the last words."""
    notes, seen = Notes(), []

    def mend(code: int, words: str) -> str | None:
        seen.append((code, words))
        return "mended"

    fleet = Fleet(notes)
    fleet.launch(Recipe("icestorm", lambda: (("/bin/sh", "-c", "echo broken; exit 9"), None), mend))
    await _until(lambda: seen)
    await fleet.stop("icestorm")
    assert seen[0] == (9, "broken")
    assert notes.said[0] == "icestorm: its process ended with code 9; mended"


async def test_a_recipe_may_fail_later_without_ending_the_run() -> None:
    """Its port is taken for a moment, for example."""
    notes, calls = Notes(), []

    def command() -> tuple[tuple[str, ...], Path | None]:
        calls.append(1)
        if len(calls) == 2:
            raise SetupError("the port is taken")
        return ("/bin/sh", "-c", "exit 1" if len(calls) == 1 else "exec sleep 1000"), None

    fleet = Fleet(notes)
    service = fleet.launch(Recipe("icestorm", command))
    await _until(lambda: len(calls) == 3 and service.child.pid is not None)
    await fleet.stop("icestorm")
    assert "icestorm: the port is taken" in notes.said
    assert fleet.failure is None


async def test_services_stop_before_the_broker_and_the_stubborn_are_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM first, SIGKILL when the time is over."""
    monkeypatch.setattr("iceflix.ops.fleet.SERVICE_STOP_SECONDS", 0.3)
    notes = Notes()
    fleet = Fleet(notes)
    fleet.launch(
        _shell("icestorm", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    )
    fleet.launch(
        _shell("main", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    )
    fleet.launch(_shell("auth", "trap '' TERM; echo up; while :; do sleep 0.1; done"))
    await _until(lambda: len(notes.lines) == 3)
    await fleet.stop("icestorm")
    assert [name for name, line in notes.lines if line == "bye"] == ["main", "icestorm"]
    assert all(one.child.pid is None for one in fleet.services.values())


async def test_one_missed_answer_is_no_silence() -> None:
    """Three in a row are."""
    fleet = Fleet(Notes())
    service = fleet.launch(_shell("main", "exec sleep 1000"))
    assert service.heard(answers=True)
    assert not service.heard(answers=False)
    assert not service.heard(answers=False)
    assert service.heard(answers=False)
    assert service.row().state is State.SILENT
    assert service.heard(answers=True)
    fleet.kill()
    await _until(lambda: service.child.pid is None)
    await fleet.stop("icestorm")


async def test_what_is_done_meanwhile_ends_with_the_run() -> None:
    """And when it fails, everybody learns why."""
    fleet = Fleet(Notes())
    asyncio.get_running_loop().call_later(0.05, fleet.stopping.set)
    await asyncio.wait_for(fleet.until_stopped(asyncio.sleep(1000)), PATIENCE_SECONDS)

    async def broken() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await Fleet(Notes()).until_stopped(broken())
