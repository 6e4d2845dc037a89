"""A gateway process between a fake Authenticator and a fake central."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iceflix.contract import Ice, IceFlix
from iceflix.farm.gateway.naming import ADDRESS
from iceflix.farm.gateway.orb import Address
from iceflix.ops.facts import read_all
from tests.conftest import ROOT, Broker, wait_until
from tests.integration.farm_fakes import (
    FakeAuthenticator,
    FakeCentral,
    farm_topic,
    serve,
    streaming_topic,
)

USER = "ana@example.org"
HASH = hashlib.sha256(b"secret").hexdigest()
DEADLINE = 3.0


@dataclass
class Stage:
    """A gateway process and its fake peers."""

    home: Path
    broker: Broker
    ice: Ice.Communicator
    auth: FakeAuthenticator = field(default_factory=lambda: FakeAuthenticator(USER, HASH))
    central: FakeCentral = field(default_factory=FakeCentral)
    process: "subprocess.Popen[bytes] | None" = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def announce(self) -> None:
        """Say who is there, again and again."""
        auth = IceFlix.AuthenticatorPrx.uncheckedCast(serve(self.ice, self.auth))
        central = IceFlix.CentralPrx.uncheckedCast(serve(self.ice, self.central))
        streaming = streaming_topic(self.broker)
        farm = farm_topic(self.broker)
        while not self.stopping.wait(0.1):
            with contextlib.suppress(Ice.LocalException):
                streaming.authenticationService(auth, "fake")
                farm.centralService(central, "fake")

    def start(self, *properties: str) -> None:
        """Start the gateway and wait until it is bound and knows its peers."""
        self.launch(*properties)
        wait_until(lambda: self._ready, 20, "the gateway is ready")

    def launch(self, *properties: str) -> None:
        """Start the gateway and wait until it answers."""
        command = [sys.executable, "-P", "-m", "iceflix.ops.serve", "gateway"]
        command += [f"--IceStorm.TopicManager.Proxy={self.broker.proxy}"]
        command += [f"--Gateway.DeadlineSeconds={DEADLINE}", "--Gateway.Naming=127.0.0.1:0"]
        command += ["--Gateway.IdleSeconds=4"]
        environment = os.environ | {"ICEFLIX_HOME": str(self.home)}
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
            [*command, *properties], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: self._answers, 20, "the gateway answers")

    @property
    def _answers(self) -> bool:
        with contextlib.suppress(Ice.LocalException):
            self._proxy().ice_ping()
            return True
        return False

    @property
    def _ready(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "the gateway has ended"
        with contextlib.suppress(Ice.LocalException):
            status = self._operations().status()
            kinds = {known.kind for known in status.known}
            return {"authenticator", "central"} <= kinds and "bound" in status.details["naming"]
        return False

    def _proxy(self) -> Ice.ObjectPrx:
        assert self.process is not None
        for entry in read_all(self.home):
            if entry.pid == self.process.pid:
                proxy = self.ice.stringToProxy(entry.proxy)
                assert proxy is not None
                return proxy.ice_invocationTimeout(10000)
        raise Ice.NoEndpointException()

    def _operations(self) -> IceFlix.OperationsPrx:
        return IceFlix.OperationsPrx.uncheckedCast(self._proxy().ice_facet("operations"))

    @property
    def gateway(self) -> IceFlix.GatewayPrx:
        """The Ice door."""
        return IceFlix.GatewayPrx.uncheckedCast(self._proxy())

    @property
    def naming(self) -> Address:
        """Where the naming service is."""
        return Address.parse((self.home / "naming" / ADDRESS).read_text().strip(), "x")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the gateway; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(10)

    def reset(self) -> None:
        """Forget what was asked."""
        self.auth.calls.clear()
        self.auth.delay_seconds = 0.0
        self.central.jobs.clear()
        self.central.answer = FakeCentral().answer


@contextlib.contextmanager
def staged(broker: Broker, home: Path) -> Iterator[Stage]:
    """A stage that is ready; it must end in good order."""
    ice = Ice.initialize(["--Ice.Default.Host=127.0.0.1", "--Ice.ThreadPool.Server.Size=4"])
    made = Stage(home, broker, ice)
    thread = threading.Thread(target=made.announce)
    thread.start()
    try:
        made.start()
        yield made
        assert made.stop() == 0
    finally:
        made.stopping.set()
        thread.join()
        if made.process is not None:
            made.process.kill()
            made.process.wait()
        ice.destroy()
