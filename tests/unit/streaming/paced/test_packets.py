"""Packets taken apart again are what was put in (RFC 6184, 7798, 3640, 2250)."""

import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as some

from iceflix.streaming.paced import packets
from iceflix.streaming.paced.packets import BURST_PACKETS, PACKET_BYTES, Times
from tests.media.hevc import nal_units as hevc_units
from tests.media.receiver import Packet, nal_units, parse

NOW = Times(0.0, 0.0, 0)
SETS = [b"\x67abc", b"\x68de"]
H265_SETS = [b"\x40\x01vps", b"\x42\x01sps", b"\x44\x01pps"]


def _sent(payloads: Sequence[tuple[packets.Payload, bool]], kind: int = 96) -> list[Packet]:
    """What arrives of a unit, cut up as the kernel does it."""
    unit = packets.pack(payloads, kind, NOW)
    found, sequence = [], 65530
    for burst in unit.bursts:
        unit.address(burst, sequence, 77, 0xDEADBEEF)
        sequence += len(burst.starts)
        data = unit.buffer[burst.first : burst.end]
        pieces = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
        assert len(pieces) == len(burst.starts) <= BURST_PACKETS
        found += [parse(0.0, bytes(piece)) for piece in pieces]
    assert [packet.sequence for packet in found] == [
        (65530 + number) % 65536 for number in range(len(found))
    ]
    assert {(packet.timestamp, packet.source) for packet in found} <= {(77, 0xDEADBEEF)}
    assert {packet.payload_type for packet in found} <= {kind}
    return found


def _sample(units: Sequence[bytes], length_bytes: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


_SIZES = some.one_of(some.integers(3, 40), some.integers(1380, 1400), some.integers(3, 60_000))


@given(some.lists(some.tuples(some.sampled_from([1, 5, 6, 7, 8]), _SIZES), max_size=6))
def test_h264_arrives_whole(units: list[tuple[int, int]]) -> None:
    """Single units, aggregates and fragments; the marker ends the picture."""
    given_units = [bytes((0x60 | kind,)) + b"\x55" * (size - 1) for kind, size in units]
    found = _sent(packets.avc(4, SETS)(_sample(given_units), False))
    kinds = {kind for kind, _ in units}
    expected = SETS + given_units if 5 in kinds and 7 not in kinds else given_units
    assert nal_units(found) == expected
    assert [packet.marker for packet in found] == [False] * (len(found) - 1) + [True] * bool(found)
    assert all(len(packet.payload) <= PACKET_BYTES - 12 for packet in found)


@given(some.lists(some.tuples(some.sampled_from([0, 1, 19, 33, 39]), _SIZES), max_size=6))
def test_h265_arrives_whole(units: list[tuple[int, int]]) -> None:
    """The same with two bytes of header."""
    given_units = [bytes((kind << 1, 1)) + b"\x55" * (size - 2) for kind, size in units]
    found = _sent(packets.hevc(4, H265_SETS)(_sample(given_units), True))
    in_band = any(kind == 33 for kind, _ in units)
    assert hevc_units(found) == (given_units if in_band else H265_SETS + given_units)
    assert found[-1].marker and all(len(one.payload) <= PACKET_BYTES - 12 for one in found)


@given(some.integers(1, 3), some.lists(some.integers(1, 200), max_size=5), some.binary())
def test_lengths_of_any_size_and_lies(length: int, sizes: list[int], rest: bytes) -> None:
    """What follows a length that cannot be is left out; nothing is read beyond the end."""
    units = [bytes([97]) * size for size in sizes]
    lie = (1 << 8 * length) - 1
    data = _sample(units, length) + lie.to_bytes(length, "big") + rest[: lie - 1]
    assert list(packets.nal_units(data, length)) == units


def test_delimiters_and_filler_are_not_sent() -> None:
    """No decoder needs them."""
    units = [b"\x09\x10", b"\x41" + b"a" * 30, b"\x0c\xff\xff"]
    assert nal_units(_sent(packets.avc(4, SETS)(_sample(units), False))) == [units[1]]
    units = [b"\x46\x01\x10", b"\x02\x01" + b"a" * 30, b"\x4c\x01\xff"]
    assert hevc_units(_sent(packets.hevc(4, H265_SETS)(_sample(units), False))) == [units[1]]


def test_parameter_sets_of_the_stream_itself_are_enough() -> None:
    """They are not sent twice."""
    units = [b"\x67own", b"\x68own", b"\x65" + b"a" * 30]
    assert nal_units(_sent(packets.avc(4, SETS)(_sample(units), True))) == units


@given(some.binary(min_size=1, max_size=8191))
def test_aac_arrives_whole(data: bytes) -> None:
    """Its size stands in every fragment (RFC 3640, 3.2.3)."""
    found = _sent(packets.aac(data))
    for packet in found:
        assert struct.unpack(">HH", packet.payload[:4]) == (16, len(data) << 3)
    assert b"".join(packet.payload[4:] for packet in found) == data
    assert [packet.marker for packet in found] == [False] * (len(found) - 1) + [True]


@given(some.binary(max_size=5000))
def test_mp3_arrives_whole(data: bytes) -> None:
    """Each fragment says where it belongs."""
    found, at = _sent(packets.mp3(data), 14), 0
    for packet in found:
        assert struct.unpack(">HH", packet.payload[:4]) == (0, at)
        at += len(packet.payload) - 4
    assert b"".join(packet.payload[4:] for packet in found) == data


def test_sizes_that_cannot_be_sent_are_left_out() -> None:
    """A sample without bytes, and more than 13 bits can say."""
    assert packets.aac(b"") == packets.aac(bytes(8192)) == packets.opus(b"") == []
    assert [packet.payload for packet in _sent(packets.opus(b"abc"), 97)] == [b"abc"]
