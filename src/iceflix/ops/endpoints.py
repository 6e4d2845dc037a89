"""Addresses inside Ice's endpoint texts, and who uses them."""

import socket
from contextlib import suppress
from dataclasses import dataclass

from iceflix.contract import Ice
from iceflix.runtime.communicator import proxy_from
from iceflix.runtime.errors import SetupError
from iceflix.runtime.process import port_owner

_CONNECT_SECONDS = 1.0
_EVERYWHERE = {"", "*", "0.0.0.0", "::"}  # noqa: S104  how Ice writes it, nothing is bound here


@dataclass(frozen=True)
class Address:
    """A host and TCP port. An empty host is every interface of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host or 'every interface'}, port {self.port}"

    @property
    def local(self) -> bool:
        """Whether this machine could listen there."""
        if self.host in _EVERYWHERE:
            return True
        with suppress(OSError):
            family, *_rest, address = socket.getaddrinfo(self.host, 0, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind(address)
                return True
        return False

    @property
    def listened(self) -> bool:
        """Whether somebody accepts connections there."""
        target = "127.0.0.1" if self.host in _EVERYWHERE else self.host
        with suppress(OSError):
            socket.create_connection((target, self.port), _CONNECT_SECONDS).close()
            return True
        return False

    @property
    def owner(self) -> str:
        """Who listens there, for a sentence."""
        return port_owner(self.port) or "a process that cannot be seen from here"


def addresses(proxy: Ice.ObjectPrx) -> list[Address]:
    """The host and port of each endpoint of a proxy."""
    found = []
    for endpoint in proxy.ice_getEndpoints():
        info = endpoint.getInfo()
        while info.underlying is not None:
            info = info.underlying
        if isinstance(info, Ice.IPEndpointInfo):
            found.append(Address(info.host, info.port))
    return found


def listening_addresses(communicator: Ice.Communicator, endpoints: str, key: str) -> list[Address]:
    """The addresses in a property like ``Main.Endpoints``. Raises SetupError naming ``key``."""
    try:
        return addresses(proxy_from(communicator, f"x:{endpoints}", key))
    except SetupError:
        raise SetupError(
            f'{key}={endpoints!r} is no list of endpoints; write them like "tcp -h HOST -p PORT"'
        ) from None
