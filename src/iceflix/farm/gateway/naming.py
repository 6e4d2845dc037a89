"""The naming service (omniNames) as a process of the gateway's."""

import contextlib
import importlib.util
import os
import select
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from iceflix.farm.gateway.orb import Address, CorbaServer, NamingFailed
from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write
from iceflix.runtime.log import get_logger

ADDRESS = "address"  # the file that says where it listens when the port was left to us
_CONNECT_SECONDS = 0.3
_PAUSE_SECONDS = 1.0
_PAUSE_BOUND_SECONDS = 15.0  # nobody but us stops our naming service, and its end wakes us up
_STOP_SECONDS = 2.0
_NAMES_SECONDS = 0.7  # it writes down every change, so that nothing is lost by force
_BOUND = "bound"
_log = get_logger(__name__)


def resolve(configured: Address, folder: Path) -> Address:
    """Where the naming service is, for a client: port 0 means what the file says.

    Raises SetupError when nothing says it.
    """
    if configured.port:
        return configured
    try:
        return Address.parse((folder / ADDRESS).read_text("ascii").strip(), "Gateway.Naming")
    except OSError as error:
        raise SetupError(
            f"no naming service was started below {folder}; start the farm, or set Gateway.Naming "
            "to the host:port of its naming service"
        ) from error


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _answers(address: Address) -> bool:
    with contextlib.suppress(OSError):
        target = (address.host, address.port)
        with socket.create_connection(target, _CONNECT_SECONDS):
            return True
    return False


def _program() -> str:
    found = importlib.util.find_spec("omniORB")
    own = Path(found.origin).parent / "bin" / "omniNames" if found and found.origin else None
    program = str(own) if own is not None and own.exists() else shutil.which("omniNames")
    if program is None:
        raise SetupError(
            "CORBA needs omniNames, which comes with salome-omniorb; run scripts/setup"
        )
    return program


class NamingServer:
    """Runs omniNames unless something answers there already; starts it anew when it dies.

    Its data is kept in a folder, so that bindings survive it. The kernel ends it when the thread
    that started it ends, so one thread does all: ``Naming``'s.
    """

    def __init__(self, configured: Address, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.handle: int | None = None  # can be polled: readable when our process has ended
        self.address = configured if configured.port else self._own(configured.host)

    def _own(self, host: str) -> Address:
        """The port of last time if it is free, so that clients find it again."""
        with contextlib.suppress(SetupError):
            earlier = resolve(Address(host, 0), self._folder)
            if earlier.host == host and not _answers(earlier):
                return earlier
        address = Address(host, _free_port(host))
        atomic_write(self._folder / ADDRESS, f"{address}\n".encode(), 0o644)
        return address

    def check(self) -> None:
        """Start it if it is not there. Raises SetupError."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            _log.warning("the naming service has ended", code=self._process.returncode)
            self._forget()
        if not _answers(self.address):
            self._start()

    def stop(self) -> None:
        """End the process, if it is ours."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_NAMES_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        self._process = None
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def _start(self) -> None:
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", _program()]
        command += ["-start", str(self.address.port), "-always", "-ignoreport"]
        command += ["-datadir", str(self._folder), "-ORBendPoint", f"giop:tcp:{self.address}"]
        with (self._folder / "omniNames.log").open("ab") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.handle = os.pidfd_open(self._process.pid)
        _log.info("naming service started", address=str(self.address), pid=self._process.pid)


class Naming:
    """Keeps the gateway bound in the naming service, and that service running, from one thread."""

    def __init__(self, corba: CorbaServer, address: Address, server: NamingServer | None) -> None:
        self.address = server.address if server is not None else address
        self._corba = corba
        self._server = server
        self._bell = os.eventfd(0)
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naming", daemon=True)
        self._state = "not bound yet"

    def start(self, wait_seconds: float) -> None:
        """Begin; wait at most so long to be bound."""
        self._thread.start()
        self._first.wait(wait_seconds)

    def stop(self) -> None:
        """Unbind, as far as the service answers, and end it if it is ours."""
        os.eventfd_write(self._bell, 1)
        self._thread.join(_STOP_SECONDS + 1)

    def details(self) -> dict[str, str]:
        """What the status says."""
        return {"naming": f"corbaname::{self.address}#IceFlix/Proxy, {self._state}"}

    def _run(self) -> None:
        going_on = True
        while going_on:
            if self._keep():
                self._first.set()
            going_on = self._rest()
        with contextlib.suppress(NamingFailed):
            self._corba.unbind(self.address)
        if self._server is not None:
            self._server.stop()

    def _rest(self) -> bool:
        """Wait until something may have to be done; returns False when it is to stop."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        seconds = _PAUSE_SECONDS if self._first.is_set() else _PAUSE_SECONDS / 20
        if self._server is not None and self._server.handle is not None:
            poll.register(self._server.handle, select.POLLIN)
            if self._state == _BOUND:
                seconds = _PAUSE_BOUND_SECONDS
        return all(ready != self._bell for ready, _ in poll.poll(seconds * 1000))

    def _keep(self) -> bool:
        try:
            if self._server is not None:
                self._server.check()
            bound = self._corba.bind(self.address)
        except (NamingFailed, SetupError, OSError) as error:
            self._say("not bound", reason=str(error))
            return False
        self._say(_BOUND if bound else "another gateway is bound; ready to take its place")
        return True

    def _say(self, state: str, **facts: str) -> None:
        if state != self._state:
            self._state = state
            _log.info("naming", state=state, **facts)
