"""The sockets of a stream, and how many packets leave by one call of the system."""

import contextlib
import errno
import secrets
import socket
import threading
import time

from iceflix.streaming.paced import rtcp
from iceflix.streaming.paced.packets import PACKET_BYTES, Burst, Unit

_UDP_SEGMENT = 103  # of level UDP: cut what is longer into datagrams of this length (Linux 4.18)
_SEND_BUFFER_BYTES = 1 << 20
_LAST_PORT = 65535
# What another datagram may get through: the peer is not there yet, buffers are full for a moment.
_PASSING = {errno.ECONNREFUSED, errno.ENOBUFS, errno.EAGAIN, errno.EPERM, errno.EHOSTUNREACH}
_PASSING |= {errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
# What the kernel says when this way out cannot cut up packets, or only smaller ones.
_REFUSED = {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.EOPNOTSUPP}


class Wire:
    """A UDP socket to one place. Closed by its owner."""

    __slots__ = ("_segments", "_socket")

    def __init__(self, address: str, port: int, *, segments: bool) -> None:
        """Raises OSError for a place to which there is no way."""
        self._socket = connected(address, port)
        self._segments = False
        if segments:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, PACKET_BYTES)
                self._segments = True

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()

    def send(self, unit: Unit, burst: Burst) -> None:
        """Send these packets; what finds no way is lost, as datagrams may be."""
        first, end, starts, _ = burst
        whole = end - first == len(unit.buffer)
        data = unit.buffer if whole else memoryview(unit.buffer)[first:end]
        try:
            if self._segments or len(starts) == 1:
                self._socket.send(data)
                return
        except OSError as error:
            if self._passing(error, data) or len(starts) == 1:
                return
        for start, following in zip(starts, [*starts[1:], end], strict=True):
            with contextlib.suppress(OSError):
                self._socket.send(memoryview(unit.buffer)[start:following])

    def _passing(self, error: OSError, data: bytearray | memoryview) -> bool:
        """Deal with an error; False when the packets are to be sent one by one, from now on."""
        if error.errno == errno.ECONNREFUSED:
            # It is about what was sent before, and it kept this from being sent.
            try:
                self._socket.send(data)
            except OSError as again:
                return again.errno not in _REFUSED
            return True
        if error.errno in _REFUSED and self._segments:
            self._segments = False
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 0)
            return False
        return True


def connected(address: str, port: int) -> socket.socket:
    """A socket that sends there, IPv4 or IPv6, with a zone if need be. Raises OSError."""
    family, kind, protocol, _, place = socket.getaddrinfo(
        address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    found = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        found.connect(place)
    except OSError:
        found.close()
        raise
    return found


class Post:
    """Sends RTCP for all streams, from one socket per family."""

    def __init__(self) -> None:
        self._name = f"{secrets.token_hex(12)}@iceflix"  # RFC 7022: says nothing of the machine
        self._sockets: dict[int, socket.socket] = {}
        self._lock = threading.Lock()

    def send(self, address: str, port: int, account: rtcp.Account, *, bye: bool) -> None:
        """Send a report, and the goodbye if it is one; what finds no way is lost."""
        if port > _LAST_PORT:
            return
        packet = rtcp.report(account, time.time(), self._name, bye=bye)
        with contextlib.suppress(OSError):
            family, kind, protocol, _, place = socket.getaddrinfo(
                address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
            )[0]
            with self._lock:
                if family not in self._sockets:
                    flags = socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
                    self._sockets[family] = socket.socket(family, kind | flags, protocol)
                self._sockets[family].sendto(packet, place)

    def close(self) -> None:
        """Free the sockets."""
        with self._lock:
            while self._sockets:
                self._sockets.popitem()[1].close()
