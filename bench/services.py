"""IceFlix's own processes, on free ports, in a temporary home, with an IceStorm of their own."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.machine import BenchError
from iceflix.contract import Ice, IceFlix
from iceflix.farm.compare.storm import Storm
from iceflix.farm.launch import Farm, Running, Start
from iceflix.runtime.communicator import proxy_from
from iceflix.runtime.errors import SetupError

USER = "bench"
SECRET = hashlib.sha256(b"bench").hexdigest()
_READY_SECONDS = 60.0
_TRY_SECONDS = 30.0


class Services:
    """A platform for the time of a ``with``: IceStorm, and what is started on it."""

    def __init__(self) -> None:
        """Start IceStorm. Raises BenchError."""
        self.home = Path(tempfile.mkdtemp(prefix="iceflix-bench-"))
        users = {USER: {"password_hash": SECRET}}
        (self.home / "users.json").write_text(json.dumps(users), encoding="utf-8")
        (self.home / "media").mkdir()
        (self.home / "logs").mkdir()
        self.ice = Ice.initialize(["--Ice.RetryIntervals=-1", "--Ice.Default.Host=127.0.0.1"])
        self.storm = Storm(self.home / "storm")
        self._farm = Farm(self.home)
        try:
            self.storm.start(self.ice)
        except SetupError as error:
            self.__exit__()
            raise BenchError(str(error)) from error

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_error: object) -> None:
        self._farm.stop()
        self.storm.stop()
        self.ice.destroy()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self, name: str, kind: str, properties: Mapping[str, str] | None = None) -> Running:
        """Start a service and wait until it is ready; ``pid`` is that of its process.

        ``kind``: auth, main, catalog, streaming. Raises BenchError.
        """
        given = {
            "IceStorm.TopicManager.Proxy": self.storm.proxy,
            "Main.Endpoints": "tcp -h 127.0.0.1",
            **(properties or {}),
        }
        try:
            running = self._farm.add(Start(name, kind, {}), given)
            self._farm.wait_ready([running], _READY_SECONDS)
        except SetupError as error:
            raise BenchError(str(error)) from error
        return running

    def proxy(self, service: Running) -> Ice.ObjectPrx:
        """A service's main object."""
        text = next(ready.proxy for ready in self._farm.ready() if ready.pid == service.pid)
        return proxy_from(self.ice, text, service.name).ice_invocationTimeout(10_000)

    def running(self) -> list[Running]:
        """What was started here."""
        return self._farm.processes()

    def authenticator(self, service: Running) -> IceFlix.AuthenticatorPrx:
        """The Authenticator that was started under this name."""
        return IceFlix.AuthenticatorPrx.uncheckedCast(self.proxy(service))


def login(authenticator: IceFlix.AuthenticatorPrx) -> str:
    """A new token."""
    return authenticator.refreshAuthorization(USER, SECRET)


def wait_for(predicate: Callable[[], object], what: str, seconds: float = _TRY_SECONDS) -> None:
    """Poll until the predicate holds. Raises BenchError when it does not."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise BenchError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def attempt(action: Callable[[], object], what: str, seconds: float = _TRY_SECONDS) -> None:
    """Try until it works: services find each other in their own time. Raises BenchError."""

    def works() -> bool:
        with contextlib.suppress(Ice.Exception):
            action()
            return True
        return False

    wait_for(works, what, seconds)
