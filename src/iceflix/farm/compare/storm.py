"""An IceStorm of the comparison's own, on a free port, in a temporary folder."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

from iceflix.contract import Ice
from iceflix.runtime.errors import SetupError

_START_SECONDS = 15.0


class Storm:
    """An IceBox with IceStorm in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    @property
    def proxy(self) -> str:
        """The topic manager's proxy."""
        return f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {self._port}"

    def start(self, ice: Ice.Communicator) -> None:
        """Start it and wait until it answers. Raises SetupError."""
        (self._folder / "db").mkdir(parents=True, exist_ok=True)
        storm, box = self._folder / "storm.config", self._folder / "box.config"
        storm.write_text(
            f"IceStorm.LMDB.Path={self._folder / 'db'}\n"
            f"IceStorm.TopicManager.Endpoints=tcp -h 127.0.0.1 -p {self._port}\n"
            "IceStorm.InstanceName=IceStorm\nIceStorm.Publish.Endpoints=tcp -h 127.0.0.1\n"
        )
        service = f"IceStormService,37:createIceStorm --Ice.Config={storm}"
        box.write_text(f"IceBox.Service.IceStorm={service}\n")
        icebox = shutil.which("icebox")
        if icebox is None:
            raise SetupError("icebox is not installed; run scripts/setup")
        with (self._folder / "storm.txt").open("wb") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
                [icebox, f"--Ice.Config={box}"], stdout=log, stderr=log
            )
        manager = ice.stringToProxy(self.proxy)
        assert manager is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(Ice.LocalException):
                manager.ice_invocationTimeout(1000).ice_ping()
                return
            time.sleep(0.05)
        raise SetupError(f"IceStorm did not start; see {self._folder / 'storm.txt'}")

    def stop(self) -> None:
        """End it; safe in any state."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
