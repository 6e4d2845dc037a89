"""The engines that are farms: System A and System B, whole, as ``iceflix farm up`` starts them."""

import functools
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.farm.compare.plan import CHAIN, WORKERS
from iceflix.farm.compare.storm import Storm
from iceflix.farm.filters.parse import parse_filters
from iceflix.farm.launch import SERVICES, Farm, Plan, Running, Start
from iceflix.runtime.communicator import proxy_from
from iceflix.runtime.errors import SetupError

_USER = "compare@example.org"
_SECRET = hashlib.sha256(b"compare").hexdigest()
_READY_SECONDS = 60.0
_DEADLINE_SECONDS = 55.0
_CALL_MILLIS = 60_000
_STEPS = [IceFlix.Step(s.name, dict(s.parameters)) for s in parse_filters(CHAIN)]


class FarmEngine:
    """A farm of one multiserver. A: one ring of two nodes. B: a ring of one node for each filter.

    Work comes in at central; ``single`` goes through the gateway and the Authenticator as well.
    """

    def __init__(self, system: str, images: str, home: Path) -> None:
        rings, nodes = (1, WORKERS) if system == "A" else (len(CHAIN), 1)
        services = ("auth", *SERVICES)
        self._plan = Plan(system, 1, rings, nodes, slots=1, services=services)
        self._farm = Farm(home)
        self._ice = Ice.initialize(["--Ice.ThreadPool.Client.Size=2", "--Ice.RetryIntervals=-1"])
        self._storm = Storm(home / "storm")
        self._properties = {
            "Farm.Images": images,
            "Auth.File": str(home / "users.csv"),
            "Gateway.Naming": "127.0.0.1:0",
            "IceStorm.TopicManager.Proxy": self._storm.proxy,
        }
        self._processes: dict[str, Running] = {}
        self._proxy = functools.cache(self._find)

    def start(self) -> None:
        """Start everything and wait until every node is in its ring. Raises SetupError."""
        home = self._farm.home
        home.mkdir(parents=True, exist_ok=True)
        (home / "users.csv").write_text(f"user,password_hash\n{_USER},{_SECRET}\n")
        names = [step.filter for step in _STEPS]
        rings = {f"ring{number}": name for number, name in enumerate(names, start=1)}
        (home / "assignments.json").write_text(json.dumps(rings))
        self._storm.start(self._ice)
        started = self._farm.start(self._plan, self._properties)
        self._processes = {process.name: process for process in started}
        self._farm.wait_ready(started, _READY_SECONDS)
        self._await(lambda: len(self._multiserver().health().rings) == self._plan.rings)
        for ring in rings if self._plan.system == "B" else ("ring1",):
            self._await_members(ring, self._plan.nodes)
        self._await(lambda: set(names) <= set(self._central().running()))

    def submit(self, image: str) -> "Future[Any]":
        """Hand one image to central."""
        job = IceFlix.Job(uuid.uuid4().hex, image, _STEPS, _DEADLINE_SECONDS)
        return _plain(self._central().processAsync(job))

    def single(self, image: str) -> "Future[Any]":
        """Hand one image to the gateway."""
        proxy = IceFlix.GatewayPrx.uncheckedCast(self._proxy("gateway"))
        return _plain(proxy.filterAsync(_USER, _SECRET, image, list(CHAIN)))

    def victim(self) -> int:
        """A node that is not master. B: the ring in question gets a second node first."""
        if self._plan.system == "B" and "spare" not in self._processes:
            own = {"Farm.System": "B", "Node.Ring": "ring2", "Node.Slots": "1"}
            own["Node.Folder"] = str(self._farm.home / "nodes" / "spare")
            spare = self._farm.add(Start("ring2-node2", "node", own), self._properties)
            self._processes["spare"] = spare
            self._farm.wait_ready([spare], _READY_SECONDS)
            self._await_members("ring2", 2)
        ring = "ring1" if self._plan.system == "A" else "ring2"
        token = self._token(ring)
        ids = {ready.pid: ready.id for ready in self._farm.ready()}
        nodes = [p for p in self._farm.processes() if p.name.startswith(f"{ring}-") and p.alive]
        return next(node.pid for node in nodes if ids.get(node.pid) != token.master)

    def settle(self) -> None:
        """Wait until a node that was frozen is in its ring again. Raises SetupError."""
        self._await_members("ring1" if self._plan.system == "A" else "ring2", 2)

    def stop(self) -> None:
        """End everything; safe in any state."""
        self._farm.stop()
        self._storm.stop()
        self._ice.destroy()

    # -- inside

    def _find(self, name: str) -> Ice.ObjectPrx:
        pid = self._processes[name].pid
        text = next(ready.proxy for ready in self._farm.ready() if ready.pid == pid)
        return proxy_from(self._ice, text, name).ice_invocationTimeout(_CALL_MILLIS)

    def _central(self) -> IceFlix.CentralPrx:
        return IceFlix.CentralPrx.uncheckedCast(self._proxy("central"))

    def _multiserver(self) -> IceFlix.MultiserverPrx:
        return IceFlix.MultiserverPrx.uncheckedCast(self._proxy("multiserver1"))

    def _token(self, ring: str) -> IceFlix.Token:
        running = [p for p in self._farm.processes() if p.name.startswith(f"{ring}-") and p.alive]
        pids = {process.pid for process in running}
        nodes = [ready.proxy for ready in self._farm.ready() if ready.pid in pids]
        rings = (proxy_from(self._ice, node, ring).ice_invocationTimeout(1000) for node in nodes)
        seen = [IceFlix.RingPrx.uncheckedCast(proxy).lastSeen() for proxy in rings]
        return max(seen, key=lambda token: (token.epoch, token.passes))

    def _await_members(self, ring: str, count: int) -> None:
        self._await(lambda: len(self._token(ring).members) == count)

    def _await(self, predicate: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                if predicate():
                    return
            except Ice.LocalException:
                pass  # not yet
            if time.monotonic() > deadline:
                raise SetupError(f"the farm did not come together; see {self._farm.home}/logs")
            time.sleep(0.05)


def _plain(asked: "Ice.Future[Any]") -> "Future[Any]":
    """The same as a future of Python's own."""
    future: Future[Any] = Future()

    def ended(done: "Ice.Future[Any]") -> None:
        error = done.exception()
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    asked.add_done_callback(ended)
    return future
