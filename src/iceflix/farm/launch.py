"""A farm on this machine: its processes started, found again, stopped.

They outlive the command that started them; ``farm.json`` in ICEFLIX_HOME remembers them by process
number and start time, so that nobody else's process is ever signalled.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from iceflix.farm.images.access import hidden
from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write, exclusive_lock

STATE = "farm.json"
SERVICES = ("useradmin", "filteradmin", "central", "gateway")
_KINDS = (*SERVICES, "multiserver", "node")
_STOP_SECONDS = 4.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """What a farm shall consist of. ``services``: the single ones; ``slots`` of each node."""

    system: str = "A"
    multiservers: int = 2
    rings: int = 2
    nodes: int = 3
    slots: int = 0
    services: tuple[str, ...] = SERVICES

    def check(self) -> None:
        """Raise SetupError for a farm that cannot work."""
        if self.system not in ("A", "B"):
            raise SetupError(f"the system is A or B, not {self.system!r}")
        if min(self.multiservers, self.rings, self.nodes) < 1:
            raise SetupError("a farm has at least one multiserver, one ring and one node in it")
        if self.system == "A" and self.rings != self.multiservers:
            raise SetupError(
                "in system A each multiserver has one ring of its own: give as many --rings as "
                "--multiservers"
            )

    def starts(self, home: Path) -> "list[Start]":
        """The processes, in the order in which to start them."""
        common = {"Farm.System": self.system}
        found = [Start(kind, kind, common) for kind in self.services]
        for number in range(1, self.multiservers + 1):
            name = f"ring{number}"
            own = {"Multiserver.Name": name}
            found.append(Start(f"multiserver{number}", "multiserver", {**common, **own}))
        slots = self.slots or max(1, (os.cpu_count() or 1) // (self.rings * self.nodes))
        for ring in range(1, self.rings + 1):
            for number in range(1, self.nodes + 1):
                name = f"ring{ring}-node{number}"
                own = {
                    "Node.Ring": f"ring{ring}",
                    "Node.Slots": str(slots),
                    "Node.Folder": str(home / "nodes" / name),
                }
                found.append(Start(name, "node", {**common, **own}))
        return found


@dataclass(frozen=True)
class Start:
    """One process to start: a name for people, the kind of service, its properties."""

    name: str
    kind: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Running:
    """One process that was started; ``created`` tells it from a later one of the same number."""

    name: str
    kind: str
    pid: int
    created: float

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 0.05
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Signal it and its helpers, unless it has ended."""
        if self.alive:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


@dataclass(frozen=True)
class Ready:
    """What a service says of itself when it is ready."""

    kind: str
    id: str
    pid: int
    proxy: str


class Farm:
    """The farm of one ICEFLIX_HOME."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._state = home / STATE

    def processes(self) -> list[Running]:
        """What was started here and not stopped."""
        try:
            listed = json.loads(self._state.read_bytes())["processes"]
            return [Running(**each) for each in listed]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SetupError(f"{self._state} cannot be read ({error}); remove it") from error

    def start(self, plan: Plan, properties: Mapping[str, str]) -> list[Running]:
        """Start every process. Raises SetupError: a farm runs already, or one did not start."""
        plan.check()
        self.home.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._state):
            if any(process.alive for process in self.processes()):
                raise SetupError("a farm runs here already; stop it with: iceflix farm down")
            if any(service.kind in _KINDS for service in self.ready()):
                raise SetupError(
                    "a farm runs here already, one that iceflix farm did not start (run_iceflix "
                    "with --Farm.System=off starts none); stop that, or set ICEFLIX_HOME"
                )
            (self.home / "logs").mkdir(exist_ok=True)
            (self.home / "images").mkdir(exist_ok=True)
            started: list[Running] = []
            try:
                for start in plan.starts(self.home):
                    started.append(self._launch(start, properties))
                    self._remember(started)
            except OSError as error:
                self.stop()
                raise SetupError(f"a process could not be started: {error}") from error
        return started

    def add(self, start: Start, properties: Mapping[str, str]) -> Running:
        """Start one more process, a node that joins for instance."""
        with exclusive_lock(self._state):
            process = self._launch(start, properties)
            self._remember([*self.processes(), process])
        return process

    def wait_ready(self, processes: Iterable[Running], seconds: float) -> None:
        """Wait until all of them say that they are ready. Raises SetupError if one does not."""
        deadline = time.monotonic() + seconds
        waiting = list(processes)
        while waiting:
            ready = {known.pid for known in self.ready()}
            waiting = [process for process in waiting if process.pid not in ready]
            for process in waiting:
                if not process.alive:
                    raise SetupError(f"{process.name} did not start: {self._last_words(process)}")
            if waiting and time.monotonic() > deadline:
                names = ", ".join(process.name for process in waiting)
                raise SetupError(f"not ready within {seconds:g} s: {names}; see {self.home}/logs")
            time.sleep(_POLL_SECONDS if waiting else 0)

    def ready(self) -> list[Ready]:
        """The services of this home that are ready, whoever started them."""
        found = []
        for file in sorted((self.home / "run").glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                facts = json.loads(file.read_bytes())
                ready = Ready(facts["kind"], facts["id"], facts["pid"], facts["proxy"])
                if psutil.pid_exists(ready.pid):
                    found.append(ready)
        return found

    def stop(self) -> int:
        """Stop all of it, by force what does not end by itself; returns how many ran."""
        running = [process for process in self.processes() if process.alive]
        for process in running:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        _wait(lambda: not any(process.alive for process in running), _STOP_SECONDS)
        for process in running:
            process.signal(signal.SIGKILL)
        _wait(lambda: not any(process.alive for process in running), 1.0)
        _reap()
        self._state.unlink(missing_ok=True)
        return len(running)

    # -- inside

    def _launch(self, start: Start, properties: Mapping[str, str]) -> Running:
        given, secret = hidden({**start.properties, **properties})
        command = [sys.executable, "-P", "-m", "iceflix.ops.serve", start.kind]
        command += [f"--{key}={value}" for key, value in given.items()]
        with self._log(start.name).open("wb") as log:
            process = subprocess.Popen(  # pylint: disable=consider-using-with  # it outlives us
                command,
                env={**os.environ, **secret, "ICEFLIX_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        created = psutil.Process(process.pid).create_time()
        _adopted.append(process)
        return Running(start.name, start.kind, process.pid, created)

    def _remember(self, processes: Iterable[Running]) -> None:
        listed = [asdict(process) for process in processes]
        atomic_write(self._state, json.dumps({"processes": listed}, indent=1).encode(), 0o644)

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"farm-{name}.txt"

    def _last_words(self, process: Running) -> str:
        with suppress(OSError):
            lines = self._log(process.name).read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1][:300]
        return "it did not say why"


# Our children, kept so that Python does not complain of processes that run on without us.
_adopted: list[subprocess.Popen[bytes]] = []


def _wait(predicate: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not predicate() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _reap() -> None:
    """Take note of the children that have ended."""
    _adopted[:] = [process for process in _adopted if process.poll() is None]
