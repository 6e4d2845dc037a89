"""Many clients at once, of Ice's protocol by hand: what is measured is to be the service.

Two hundred proxies of Ice in a Python program measure that program: its thread that takes answers
and its thread that calls wait five milliseconds for one another, whoever answers. Here, one thread
sends the same bytes again and again, each connection's next call when its answer is there.
"""

import selectors
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from bench.machine import BenchError
from iceflix.contract import Ice

_HEADER = struct.Struct("<4s6Bi")  # magic, protocol, encoding, kind, compression, size
_REQUEST, _REPLY, _HELLO = 0, 2, 3
_PREFIX = b"IceP", 1, 0, 1, 0
_STATUS = _HEADER.size + 4  # behind the request's number
_RECEIVE = 1 << 16
_PATIENCE_SECONDS = 30.0


def request(target: Ice.ObjectPrx, operation: str, argument: str) -> bytes:
    """A call of an operation, not idempotent, that takes one string."""
    identity = target.ice_getIdentity()
    parameters = _text(argument)
    body = b"".join(
        (
            struct.pack("<i", 1),  # its number
            _text(identity.name),
            _text(identity.category),
            _size(0),  # no facet
            _text(operation),
            bytes([0]),  # not idempotent
            _size(0),  # no context
            struct.pack("<i2B", len(parameters) + 6, 1, 1),  # an encapsulation, encoding 1.1
            parameters,
        )
    )
    return _HEADER.pack(*_PREFIX, _REQUEST, 0, _HEADER.size + len(body)) + body


def _size(number: int) -> bytes:
    return bytes([number]) if number < 255 else b"\xff" + struct.pack("<i", number)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _size(len(encoded)) + encoded


@dataclass
class _Client:
    """A connection with one call under way."""

    connection: socket.socket
    latencies: list[float] = field(default_factory=list)
    began: float = 0.0
    answer: bytes = b""

    def call(self, message: bytes, now: float) -> None:
        """Send; a call is so short that the system takes it in one piece."""
        self.began, self.answer = now, b""
        self.connection.sendall(message)

    def answered(self) -> bool:
        """Take what has come; whether that is the whole answer. Raises BenchError."""
        got = self.connection.recv(_RECEIVE)
        self.answer += got
        if not got:
            raise BenchError("the service closed a connection")
        if len(self.answer) < _HEADER.size:
            return False
        *_, kind, _, size = _HEADER.unpack_from(self.answer)
        if len(self.answer) < size:
            return False
        if kind != _REPLY or self.answer[_STATUS]:
            raise BenchError("the service answered with an error")
        return True


def latencies(
    target: Ice.ObjectPrx, call: tuple[str, str], clients: int, seconds: float
) -> list[list[float]]:
    """The latencies of each of so many clients, in seconds. ``call``: operation and argument.

    Raises BenchError when the service answers with an error.
    """
    message = request(target, *call)
    info: Any = target.ice_getEndpoints()[0].getInfo()  # of TCP
    with selectors.DefaultSelector() as selector:
        crowd = [_connect((info.host, info.port)) for _ in range(clients)]
        try:
            for one in crowd:
                selector.register(one.connection, selectors.EVENT_READ, one)
            _run(selector, crowd, message, seconds)
        finally:
            for one in crowd:
                one.connection.close()
    return [one.latencies for one in crowd]


def _connect(address: tuple[str, int]) -> _Client:
    connection = socket.create_connection(address, _PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = connection.recv(_HEADER.size, socket.MSG_WAITALL)
    if len(hello) != _HEADER.size or hello[8] != _HELLO:
        connection.close()
        raise BenchError("the service does not greet as Ice does")
    return _Client(connection)


def _run(
    selector: selectors.BaseSelector, crowd: list[_Client], message: bytes, seconds: float
) -> None:
    end = time.perf_counter() + seconds
    for one in crowd:
        one.call(message, time.perf_counter())
    left = len(crowd)
    while left:
        ready = selector.select(_PATIENCE_SECONDS)
        if not ready:
            raise BenchError("the service does not answer")
        for key, _ in ready:
            one = key.data
            if not one.answered():
                continue
            now = time.perf_counter()
            one.latencies.append(now - one.began)
            if now < end:
                one.call(message, now)
            else:
                left -= 1
