"""A whole farm of real processes: Authenticator, administrators, gateway, central, rings.

Nothing is played here: requests go by CORBA or Ice through the gateway, as a client's do.
"""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS
from iceflix.farm.client.doors import open_door
from iceflix.farm.filters.signing import Signer
from iceflix.farm.gateway.desk import Request
from iceflix.farm.launch import SERVICES, Plan, Running, Start
from iceflix.runtime.errors import Denial
from iceflix.runtime.settings import Settings
from tests.conftest import Broker, wait_until
from tests.integration.ring_stage import Stage

USER, PASSWORD = "ana@example.org", "secret"
HASH = hashlib.sha256(PASSWORD.encode()).hexdigest()
DEADLINE = 20.0
KINDS = ("auth", *SERVICES)


def iceflix(
    home: Path, *words: str, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command of ``iceflix`` on a home, with this on its standard input."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "iceflix.cli", *words],
        env={**os.environ, "ICEFLIX_HOME": str(home), **variables},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Whole(Stage):
    """The farm, and clients of its gateway."""

    def __init__(self, home: Path, broker: Broker) -> None:
        super().__init__(home, broker, Signer.make())
        self.plan = Plan(services=KINDS)
        self.users = home / "users.csv"
        self.properties |= {
            "Auth.File": str(self.users),
            "Gateway.Naming": "127.0.0.1:0",
            "Gateway.DeadlineSeconds": f"{DEADLINE:g}",
            "Clock.RetrySeconds": "0.2",
        }

    def whole(
        self,
        system: str,
        shape: tuple[int, int, int],
        *,
        images: int = 6,
        size: tuple[int, int] = (40, 60),
    ) -> None:
        """Start multiservers, rings and nodes per ring; wait until requests can come."""
        _multiservers, rings, nodes = shape
        home = self.farm.home
        (home / "images").mkdir(parents=True)
        self.users.write_text(f"user,password_hash\n{USER},{HASH}\n")
        for number in range(images):
            noise = np.random.default_rng(number).integers(0, 255, (*size, 3), dtype=np.uint8)
            cv2.imwrite(str(home / "images" / f"p{number}.png"), noise)
        self.plan = Plan(system, *shape, slots=1, services=KINDS)
        started = self.farm.start(self.plan, self.properties)
        self.processes = {process.name: process for process in started}
        self.farm.wait_ready(started, 40)
        for number in range(1, rings + 1):
            name = f"ring{number}"
            wait_until(lambda r=name: len(self.token(r).members) == nodes, 30, name)  # type: ignore[misc]
        wait_until(self._complete, 30, "the gateway knows what runs")

    def restart(self, name: str) -> Running:
        """Start a process that was killed again, as the supervisor would."""
        start = next(each for each in self.plan.starts(self.farm.home) if each.name == name)
        return self.join(start)

    def join(self, start: Start) -> Running:
        """Start a further process."""
        self.processes[start.name] = self.farm.add(start, self.properties)
        return self.processes[start.name]

    def kill(self, name: str) -> None:
        """Kill one process, as hard as can be, and see it gone."""
        process = self.processes[name]
        self.signal(name, signal.SIGKILL)
        wait_until(lambda: not process.alive, 5, f"{name} is gone")

    @property
    def gateway(self) -> IceFlix.GatewayPrx:
        """The Ice door."""
        proxy = self.ice.stringToProxy(self.ready("gateway"))
        assert proxy is not None
        return IceFlix.GatewayPrx.uncheckedCast(
            proxy.ice_invocationTimeout(int(DEADLINE * 1000) + 5000)
        )

    @property
    def administrator(self) -> IceFlix.FilterAdminPrx:
        """The filter administrator."""
        proxy = self.ice.stringToProxy(self.ready("filteradmin"))
        assert proxy is not None
        return IceFlix.FilterAdminPrx.uncheckedCast(proxy.ice_invocationTimeout(10_000))

    @property
    def key(self) -> str:
        """The administration key."""
        return (self.farm.home / "admin.key").read_text().strip()

    def send(
        self, images: Sequence[str], chain: Sequence[str]
    ) -> "list[Ice.Future[IceFlix.JobResult]]":
        """Ask the gateway for all of these at once, by Ice."""
        gateway = self.gateway
        return [gateway.filterAsync(USER, HASH, image, list(chain)) for image in images]

    def denied(self, image: str, chain: Sequence[str], user: str = USER) -> str:
        """The reason why a request is refused."""
        try:
            result = self.gateway.filter(user, HASH, image, list(chain))
        except IceFlix.Denied as error:
            return error.reason
        raise AssertionError(f"not refused: {result}")

    def command(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """A command of ``iceflix``."""
        given = [f"--{key}={value}" for key, value in self.properties.items()]
        who = {"ICEFLIX_USER": USER, "ICEFLIX_PASSWORD": PASSWORD}
        return iceflix(self.farm.home, *given, *words, typed=typed, **who)

    def results(self) -> list[str]:
        """The results in the shared folder; anything half-made shows too."""
        images = self.farm.home / "images"
        return sorted(file.name for file in images.iterdir() if "__" in file.name)

    def _complete(self) -> bool:
        with contextlib.suppress(Ice.LocalException):
            return bool(self.gateway.getFilters())
        return False


class Persistent:
    """A client that asks again while there are no servers, as the reason tells it to."""

    def __init__(self, stage: Whole, via: str = "ice") -> None:
        self._stage = stage
        self._via = via
        self.longest = 0.0
        self.repeated = 0

    @contextlib.contextmanager
    def stream(self, images: Sequence[str], chain: Sequence[str]) -> "Iterator[list[Future[str]]]":
        """Ask for all of these, six at once."""
        with ThreadPoolExecutor(6) as pool:
            yield [pool.submit(self.ask, image, chain) for image in images]

    def ask(self, image: str, chain: Sequence[str]) -> str:
        """The result's name. No call may outlast its deadline."""
        give_up = time.monotonic() + 60
        settings = Settings(self._stage.farm.home, self._stage.properties)
        while True:
            began = time.monotonic()
            try:
                with open_door(settings, self._via) as door:
                    return door.filter(Request(USER, HASH, image, chain))[0]
            except Denial as denial:
                assert denial.reason == NO_SERVERS, f"{image}: {denial.reason} {denial}"
                self.repeated += 1
            except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
                assert time.monotonic() < give_up, f"{image}: {error!r}"
                self.repeated += 1
            finally:
                self.longest = max(self.longest, time.monotonic() - began)
            assert time.monotonic() < give_up, image
            time.sleep(0.2)
