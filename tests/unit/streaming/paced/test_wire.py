"""What the kernel may answer, and what happens to the packets then."""

import errno
import socket
from collections.abc import Iterator

import pytest

from iceflix.streaming.paced import wire as wire_module
from iceflix.streaming.paced.packets import PACKET_BYTES, Times, Unit, avc, pack
from iceflix.streaming.paced.rtcp import Account
from iceflix.streaming.paced.wire import Post, Wire

_SAMPLE = (10_000).to_bytes(4, "big") + b"\x41" * 10_000


class Kernel:
    """A socket that answers as it is told, and remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.errors: list[int] = []
        self.options: list[int] = []

    def send(self, data: bytes) -> int:
        """Take it, or refuse it."""
        if self.errors and (error := self.errors.pop(0)):
            raise OSError(error, "refused")
        self.taken.append(bytes(data))
        return len(data)

    def setsockopt(self, _level: int, _option: int, value: int) -> None:
        """Take note."""
        self.options.append(value)

    def close(self) -> None:
        """Nothing."""


@pytest.fixture(name="kernel")
def _kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(wire_module, "connected", lambda address, port: kernel)
    return kernel


def _unit() -> Unit:
    return pack(avc(4, [])(_SAMPLE, False), 96, Times(0, 0, 0))


def _send(wire: Wire, unit: Unit) -> None:
    for burst in unit.bursts:
        wire.send(unit, burst)


def _lengths(unit: Unit) -> list[int]:
    starts = [start for burst in unit.bursts for start in burst.starts]
    return [end - start for start, end in zip(starts, [*starts[1:], len(unit.buffer)], strict=True)]


def test_a_picture_is_one_call(kernel: Kernel) -> None:
    """The kernel cuts it up."""
    unit = _unit()
    _send(Wire("host", 1, segments=True), unit)
    assert kernel.options == [PACKET_BYTES] and kernel.taken == [bytes(unit.buffer)]


def test_packets_go_one_by_one_where_the_kernel_does_not_cut(kernel: Kernel) -> None:
    """Told so, or found out: then for good."""
    unit = _unit()
    _send(Wire("host", 1, segments=False), unit)
    assert [len(data) for data in kernel.taken] == _lengths(unit) and not kernel.options
    for refusal in (errno.EINVAL, errno.EIO, errno.EMSGSIZE):
        kernel.taken.clear()
        wire = Wire("host", 1, segments=True)
        kernel.errors = [refusal]
        _send(wire, unit)
        assert b"".join(kernel.taken) == bytes(unit.buffer)
        assert kernel.options[-1] == 0
        _send(wire, unit)
        assert [len(data) for data in kernel.taken] == 2 * _lengths(unit)


def test_a_peer_that_was_not_there_loses_nothing_now(kernel: Kernel) -> None:
    """The error is about an earlier packet; this one is sent again."""
    unit = _unit()
    kernel.errors = [errno.ECONNREFUSED]
    _send(Wire("host", 1, segments=True), unit)
    assert kernel.taken == [bytes(unit.buffer)]


@pytest.mark.parametrize("trouble", [errno.ENOBUFS, errno.EAGAIN, errno.EPERM, errno.ENETUNREACH])
def test_trouble_that_passes_loses_packets_only(trouble: int, kernel: Kernel) -> None:
    """As a network may; the next ones leave as before."""
    unit, wire = _unit(), Wire("host", 1, segments=True)
    kernel.errors = [trouble, 0, errno.ECONNREFUSED, trouble]
    for _ in range(4):
        _send(wire, unit)
    assert kernel.taken == 2 * [bytes(unit.buffer)]


@pytest.fixture(name="receiver", params=["127.0.0.1", "::1"])
def _receiver(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    address: str = request.param
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        receiver.settimeout(5)
        yield receiver


def test_the_real_kernel_cuts_as_we_think(receiver: socket.socket) -> None:
    """Over both families, cut by the kernel or by us."""
    address, port, *_ = receiver.getsockname()
    unit = _unit()
    for segments in (True, False):
        wire = Wire(address, port, segments=segments)
        _send(wire, unit)
        wire.close()
        came = [receiver.recv(65536) for _ in _lengths(unit)]
        assert [len(data) for data in came] == _lengths(unit)
        assert b"".join(came) == bytes(unit.buffer)


def test_reports_find_their_way(receiver: socket.socket) -> None:
    """Unless there is no such port."""
    address, port, *_ = receiver.getsockname()
    post = Post()
    post.send(address, port, Account(1, 2, 3, 4), bye=False)
    post.send(address, 65536, Account(1, 2, 3, 4), bye=True)
    assert receiver.recv(100)[1] == 200
    post.close()
