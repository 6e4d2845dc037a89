"""A farm of real processes for the tests: broker, multiservers, nodes, and filters to run.

The filter administrator is played by the test, with the real signer: what is tested here is the
ring. Images are small, filters are the shipped ones.
"""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import hashlib
import importlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iceflix.contract import Ice, IceFlix
from iceflix.farm.discovery import FILTERADMIN, farm_channel
from iceflix.farm.filters import library
from iceflix.farm.filters.catalogue import Publisher
from iceflix.farm.filters.parse import Step, parse_filters
from iceflix.farm.filters.signing import Signer
from iceflix.farm.filters.spec import read_spec
from iceflix.farm.launch import Farm, Plan, Running
from iceflix.farm.model import Token
from iceflix.farm.wire import from_slice
from iceflix.runtime.host import Host
from tests.conftest import Broker, strike, wait_until

IMAGES = 6


class Administrator(IceFlix.FilterAdmin):
    """Assigns shipped filters to rings."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, signer: Signer, rings: dict[str, str]) -> None:
        self._signer = signer
        self.assignment = rings

    def assigned(
        self, ring: str, have: str, _current: Ice.Current | None = None
    ) -> list[IceFlix.FilterCode]:
        """Tell a ring's master what to run."""
        name = self.assignment.get(ring)
        if name is None or have == library_sha256(name):
            return []
        code = library.code(name)
        signature = self._signer.sign(name, code)
        return [IceFlix.FilterCode(name, library_sha256(name), code, signature)]

    def publicKey(self, _current: Ice.Current | None = None) -> bytes:
        """The key that the nodes check against."""
        return self._signer.public

    def build(self, host: Host) -> None:
        """Announce it."""
        proxy = host.publish(self)
        host.listen(farm_channel((FILTERADMIN,)))
        host.announce(FILTERADMIN, proxy, farm_channel(()))


def library_sha256(name: str) -> str:
    """The digest of a shipped filter."""
    return hashlib.sha256(library.code(name)).hexdigest()


class Stage:
    """A farm and a client of its multiservers."""

    def __init__(self, home: Path, broker: Broker, signer: Signer) -> None:
        self.farm = Farm(home)
        self.processes: dict[str, Running] = {}
        self.ice = Ice.initialize(["--Ice.ThreadPool.Client.Size=4", "--Ice.RetryIntervals=-1"])
        self.properties = {"IceStorm.TopicManager.Proxy": broker.proxy}
        self._signer = signer
        self._jobs = 0

    def up(self, plan: Plan) -> None:
        """Write images and filters, start the processes, wait for the rings."""
        home = self.farm.home
        (home / "images").mkdir(parents=True)
        for number in range(IMAGES):
            noise = np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)
            cv2.imwrite(str(home / "images" / f"p{number}.png"), noise)
        if plan.system == "A":
            Publisher(home / "filters", self._signer).seed()
            (home / "filters.pub").write_text(self._signer.public.hex())
        started = self.farm.start(plan, self.properties)
        self.processes = {process.name: process for process in started}
        self.farm.wait_ready(started, 30)
        for number in range(1, plan.multiservers + 1):
            count = 1 if plan.system == "A" else plan.rings
            proxy = self.multiserver(f"multiserver{number}")
            wait_until(lambda p=proxy, c=count: len(p.health().rings) == c, 20, "rings")  # type: ignore[misc]
        for ring in range(1, plan.rings + 1):
            wait_until(lambda r=f"ring{ring}": len(self.token(r).members) == plan.nodes, 20)  # type: ignore[misc]

    def close(self) -> None:
        """Stop everything."""
        self.farm.stop()
        self.ice.destroy()

    def ready(self, name: str) -> str:
        """A process's proxy."""
        pid = self.processes[name].pid
        return next(each.proxy for each in self.farm.ready() if each.pid == pid)

    def multiserver(self, name: str) -> IceFlix.MultiserverPrx:
        """A multiserver's proxy."""
        proxy = self.ice.stringToProxy(self.ready(name))
        assert proxy is not None
        return IceFlix.MultiserverPrx.uncheckedCast(proxy).ice_invocationTimeout(70_000)

    def tokens(self, ring: str) -> dict[str, Token]:
        """What each live node of a ring saw last, by the process's name."""
        seen = {}
        for name, process in self.processes.items():
            if name.startswith(f"{ring}-") and process.alive:
                proxy = self.ice.stringToProxy(self.ready(name))
                assert proxy is not None
                node = IceFlix.RingPrx.uncheckedCast(proxy.ice_invocationTimeout(500))
                try:
                    seen[name] = from_slice(Token, node.lastSeen())
                except Ice.InvocationTimeoutException:
                    continue
        return seen

    def token(self, ring: str) -> Token:
        """The newest of them."""
        seen = self.tokens(ring).values()
        return max(seen, key=lambda token: (token.key, token.passes))

    def one_token(self, ring: str, members: int) -> bool:
        """Whether all live nodes see one and the same token go round among so many members."""
        seen = list(self.tokens(ring).values())
        keys = {(token.key, token.master, token.members) for token in seen}
        return len(seen) == members and len(keys) == 1 and len(seen[0].members) == members

    def master(self, ring: str) -> str:
        """The name of the master's process."""
        pids = {each.pid: each.id for each in self.farm.ready()}
        wanted = self.token(ring).master
        return next(n for n, process in self.processes.items() if pids.get(process.pid) == wanted)

    def others(self, ring: str) -> list[str]:
        """The names of the other nodes' processes."""
        master = self.master(ring)
        return [name for name in self.processes if name.startswith(f"{ring}-") and name != master]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal one process, not its helpers."""
        strike(self.processes[name].pid, number)

    def submit(
        self,
        multiserver: IceFlix.MultiserverPrx,
        chain: Sequence[str],
        count: int,
        seconds: float = 25.0,
    ) -> "list[Ice.Future[IceFlix.JobResult]]":
        """Send so many jobs that have so long."""
        futures = []
        for _ in range(count):
            self._jobs += 1
            steps = [IceFlix.Step(s.name, dict(s.parameters)) for s in parse_filters(chain)]
            image = f"p{self._jobs % IMAGES}.png"
            job = IceFlix.Job(f"job{self._jobs}", image, steps, seconds)
            futures.append(multiserver.submitAsync(job))
        return futures

    def check(
        self, futures: "Sequence[Ice.Future[IceFlix.JobResult]]", chain: Sequence[str]
    ) -> None:
        """Every job was answered with the pixels that the same filters give here (F35)."""
        for future in futures:
            result = future.result(30)
            images = self.farm.home / "images"
            expected = cv2.imread(str(images / f"{result.image.split('__')[0]}.png"))
            made = cv2.imread(str(images / result.image))
            assert expected is not None and made is not None
            for step in parse_filters(chain):
                expected = reference(step, expected)
            assert np.array_equal(made, expected)
            digests = [library_sha256(step.name) for step in parse_filters(chain)]
            assert list(result.filterSha256) == digests


def reference(step: Step, image: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """What a step gives here, in this process."""
    module = importlib.import_module(f"iceflix.farm.filters.library.{step.name}")
    values = read_spec(step.name, library.code(step.name)).values(step.parameters)
    made: np.ndarray[Any, Any] = module.apply(image, **values)
    return made
