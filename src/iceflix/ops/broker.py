"""IceStorm as this project runs it: whether one answers, and how one is started."""

import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iceflix.contract import Ice
from iceflix.ops.endpoints import Address, addresses, listening_addresses
from iceflix.ops.guard import Occupied
from iceflix.ops.project import configuration
from iceflix.runtime.communicator import proxy_from, with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.files import atomic_write
from iceflix.runtime.settings import Settings

PROXY = "IceStorm.TopicManager.Proxy"
ENDPOINTS = "IceStorm.TopicManager.Endpoints"
TYPE_ID = "::IceStorm::TopicManager"
_ANSWER_MILLIS = 1000
# Given to the services, meaningless or harmful inside the IceBox.
_NOT_PASSED_ON = {PROXY, "Ice.Config", "Ice.Default.Host"}
# LMDB found its file unusable, or crashed on it. IceStorm keeps nothing that services do not
# bring back by themselves, so a fresh database is the cure.
_UNUSABLE = ("MDB_INVALID", "MDB_CORRUPTED", "MDB_PAGE_NOTFOUND", "MDB_VERSION_MISMATCH")
_CRASHES = (-4, -6, -7, -11)  # SIGILL, SIGABRT, SIGBUS, SIGSEGV


@dataclass(frozen=True)
class Plan:
    """How to start IceStorm: the command, the folder to start it in, where it will listen."""

    folder: Path
    command: tuple[str, ...]
    listens: tuple[Address, ...]


class Broker:
    """The topic manager that the properties name."""

    def __init__(self, communicator: Ice.Communicator, settings: Settings) -> None:
        self._communicator = communicator
        self._settings = settings
        self.folder = settings.home / "icestorm"
        proxy = proxy_from(communicator, settings.text(PROXY), PROXY)
        self.proxy = proxy.ice_invocationTimeout(_ANSWER_MILLIS)

    def answers(self) -> bool:
        """Whether a topic manager answers there; takes a second at most."""
        try:
            return self.proxy.ice_isA(TYPE_ID)
        except Ice.LocalException:
            return False

    @property
    def ours(self) -> bool:
        """Whether it can be started here: one endpoint, of this machine."""
        found = addresses(self.proxy)
        return len(found) == 1 and found[0].local

    def claim(self) -> bool:
        """Become the one who runs IceStorm on this home, until this process ends.

        False when somebody else is.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "launcher.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        return True

    def plan(self) -> Plan:
        """Write its configuration. Raises Occupied when its port is in use, and SetupError."""
        properties = self._properties()
        listens = listening_addresses(self._communicator, properties[ENDPOINTS], ENDPOINTS)
        for address in listens:
            if address.port and address.listened:
                raise Occupied(
                    f"port {address.port}, where IceStorm belongs, is used by {address.owner}, "
                    f"which is no IceStorm. Stop it, or give another port with --{PROXY}="
                    f'"IceStorm/TopicManager:tcp -h 127.0.0.1 -p PORT"'
                )
        (self.folder / "db").mkdir(parents=True, exist_ok=True)
        lines = ["# Written at every start, from config/icestorm.config and the command line."]
        lines += [f"{key}={_escaped(value)}" for key, value in sorted(properties.items())]
        atomic_write(self.folder / "icebox.config", "\n".join([*lines, ""]).encode(), 0o644)
        # Relative names: the path of the home may hold anything, commas and blanks too.
        return Plan(self.folder, ("icebox", "--Ice.Config=icebox.config"), tuple(listens))

    def mend(self, code: int, last_words: str) -> str | None:
        """After a failed start: set an unusable database aside; returns a sentence about it."""
        if "FileLockException" in last_words:
            raise Occupied(
                f"another IceStorm uses the database in {self.folder}; stop that icebox process"
            )
        if code not in _CRASHES and not any(word in last_words for word in _UNUSABLE):
            return None
        aside = self.folder / f"db.broken-{time.strftime('%Y%m%dT%H%M%S')}"
        shutil.rmtree(aside, ignore_errors=True)
        (self.folder / "db").rename(aside)
        (self.folder / "db").mkdir()
        return f"its database was unusable and now is {aside}; a fresh one takes its place"

    def _properties(self) -> dict[str, str]:
        given = self._settings.values
        shipped = with_configuration({}, configuration("icestorm"))
        wanted = {key: value for key, value in given.items() if _concerns(key)}
        return {
            "IceBox.Service.IceStorm": "IceStormService,37:createIceStorm",
            "IceBox.InheritProperties": "1",
            "IceStorm.InstanceName": self.proxy.ice_getIdentity().category,
            ENDPOINTS: self._endpoints(given),
            "IceStorm.Publish.Endpoints": f"tcp{self._host(given)}",
            "IceStorm.LMDB.Path": "db",
            **shipped,
            **wanted,
        }

    def _endpoints(self, given: Mapping[str, str]) -> str:
        return f"tcp{self._host(given)} -p {addresses(self.proxy)[0].port}"

    def _host(self, given: Mapping[str, str]) -> str:
        """Where services are told to listen, there IceStorm listens too."""
        host = given.get("Ice.Default.Host", addresses(self.proxy)[0].host)
        return f' -h "{host}"' if host else ""


def _concerns(key: str) -> bool:
    return key.startswith(("Ice.", "IceBox.", "IceSSL.", "IceStorm.")) and key not in _NOT_PASSED_ON


def _escaped(value: str) -> str:
    """A value as Ice's property files want it."""
    if "\n" in value or "\r" in value:
        raise SetupError(f"a property's value cannot have several lines: {value!r}")
    value = value.replace("\\", "\\\\").replace("#", "\\#")
    blanks = len(value) - len(value.lstrip(" "))
    return "\\ " * blanks + value[blanks:]
