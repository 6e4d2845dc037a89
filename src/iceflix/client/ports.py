"""UDP ports that are open before anybody is asked to send to them."""

import contextlib
import random
import socket
from dataclasses import dataclass

from iceflix.client.sentences import ClientError, say

# Video, its control, audio, its control: on consecutive ports, from an even one (RFC 3550, 11).
TOGETHER = 4
_ATTEMPTS = 50
_RANGE = range(20_000, 60_000, 2)
_BUFFER_BYTES = 4 << 20  # a key frame arrives at once, and this process may be busy
_SO_RCVBUFFORCE = 33


@dataclass
class Ports:
    """Open sockets on consecutive ports of one address. ``sockets`` are given away as files."""

    first: int
    sockets: list[socket.socket]

    @classmethod
    def open(cls, address: str, first: int = 0) -> "Ports":
        """Bind; ``first`` 0 means any. Raises ClientError when they are taken."""
        wanted = [first] if first else random.sample(_RANGE, _ATTEMPTS)
        for port in wanted:
            with contextlib.suppress(OSError):
                return cls(port, _bind_all(address, port))
        if first:
            raise ClientError(
                say("The UDP ports {first} to {last} are in use; choose others.",
                    first=str(first), last=str(first + TOGETHER - 1))
            )  # fmt: skip
        raise ClientError(say("No UDP ports are free on {address}.", address=address))

    def close(self) -> None:
        """Close what was not given away."""
        for one in self.sockets:
            one.close()
        self.sockets = []


def _bind_all(address: str, first: int) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened: list[socket.socket] = []
    try:
        for port in range(first, first + TOGETHER):
            one = socket.socket(family, socket.SOCK_DGRAM)
            opened.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            with contextlib.suppress(OSError):  # beyond the system's bound: for root only
                one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            one.bind((address, port))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened
