"""The receivers count what a small stream of known faults brings."""

import itertools
import os
import shutil
import socket
import struct
from collections.abc import Iterator

import pytest
from bench import meter
from bench.viewers import HERE, Viewers

pytestmark = [
    pytest.mark.slow,  # a C program is built, once
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc"),
]

_SOURCE = 7


@pytest.fixture(name="viewers")
def _viewers() -> Iterator[Viewers]:
    with Viewers(2) as viewers:
        yield viewers


@pytest.fixture(name="sender")
def _sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        yield sender


def packet(sequence: int, timestamp: int, payload: bytes, *, marker: bool = False) -> bytes:
    """One RTP packet."""
    kind = 96 | (0x80 if marker else 0)
    head = struct.pack("!BBHII", 0x80, kind, sequence % 65536, timestamp % 2**32, _SOURCE)
    return head + payload


def video(sequence: int, frame: int) -> bytes:
    """A whole picture that is no key frame."""
    return packet(sequence, frame * 3000, b"\x41slice", marker=True)


def test_packets_lost_and_out_of_order_are_counted_across_the_end_of_the_numbers(
    viewers: Viewers, sender: socket.socket
) -> None:
    """Three are lost, two are swapped, the numbers begin again at 0."""
    sequences = [65533, 65534, 0, 1, 3, 2, 6]  # 65535, 4 and 5 never come
    for number, sequence in enumerate(sequences):
        sender.sendto(video(sequence, number), (HERE, viewers.port(0)))
    sender.sendto(packet(9, 0, b"sound"), (HERE, viewers.port(1) + 2))
    sender.sendto(b"\x80\xc8control", (HERE, viewers.port(0) + 1))
    heard = viewers.report_in_full()
    first, second = heard["streams"]
    assert first["video"]["packets"] == len(sequences)
    assert first["video"]["lost"] == 3
    assert first["video"]["reordered"] == 1
    assert first["audio"]["packets"] == 0
    assert first["control"] == 1
    assert second["audio"]["packets"] == 1
    assert second["video"]["packets"] == 0


def test_a_new_window_forgets(viewers: Viewers, sender: socket.socket) -> None:
    """What came before does not count, nor does its end count as a gap."""
    sender.sendto(video(1, 1), (HERE, viewers.port(0)))
    viewers.await_streams(1, 5)
    viewers.begin()
    for number in (50, 51):
        sender.sendto(video(number, number), (HERE, viewers.port(0)))
    heard = viewers.report()
    assert (heard.packets, heard.lost, heard.streams) == (2, 0, 1)


def test_packets_within_a_millisecond_are_a_burst(viewers: Viewers, sender: socket.socket) -> None:
    """However the socket hands them over."""
    for number in range(200):
        sender.sendto(packet(number, 0, b"\x41slice"), (HERE, viewers.port(0)))
    heard = viewers.report()
    assert 1 < heard.pace.burst.greatest <= 200
    assert heard.lost == 0


@pytest.mark.parametrize("fragmented", [True, False])
def test_a_key_frame_is_complete_with_its_last_packet(
    viewers: Viewers, sender: socket.socket, fragmented: bool
) -> None:
    """Parameter sets first, in a packet together or alone; then the slices, whole or in parts."""
    sets = b"\x18" + b"".join(len(u).to_bytes(2, "big") + u for u in (b"\x67sps", b"\x68pps"))
    pieces = [b"\x7c\x85one", b"\x7c\x05two", b"\x7c\x45end"] if fragmented else [b"\x65one"]
    payloads = [sets, *pieces]
    numbers = itertools.count(65534)
    viewers.arm(1)
    for number in range(3):  # no key frames
        sender.sendto(video(next(numbers), number), (HERE, viewers.port(1)))
    for payload in payloads:
        last = payload is payloads[-1]
        sender.sendto(packet(next(numbers), 99000, payload, marker=last), (HERE, viewers.port(1)))
    key = viewers.await_key()
    assert key.parameters
    assert key.first < key.complete


def test_a_key_frame_with_a_hole_is_none(viewers: Viewers, sender: socket.socket) -> None:
    """The next whole one is."""
    viewers.arm(0)
    for sequence, payload in ((1, b"\x7c\x85one"), (3, b"\x7c\x45end")):
        sender.sendto(
            packet(sequence, 3000, payload, marker=sequence == 3), (HERE, viewers.port(0))
        )
    sender.sendto(packet(4, 6000, b"\x65whole", marker=True), (HERE, viewers.port(0)))
    key = viewers.await_key()
    assert not key.parameters
    assert viewers.report().packets == 3


def test_a_process_costs_time_and_memory_and_one_that_is_gone_nothing() -> None:
    """Of this one, for instance."""
    (own, *_rest) = meter.family([1 << 22, os.getpid()])
    before = meter.cpu_seconds([own])
    sum(range(200_000))
    assert meter.cpu_seconds([own]) > before
    assert meter.megabytes([own]) > 1
    assert meter.threads([own]) >= 1
    assert meter.cpu_seconds([1 << 22]) == 0
