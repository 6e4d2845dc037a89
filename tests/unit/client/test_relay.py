"""Packets on their way to another program."""

import struct

from iceflix.client.relay import Continuity

RATE = 90_000


def packet(sequence: int, stamp: int, source: int) -> bytes:
    """An RTP packet with a marker and a payload."""
    return struct.pack("!BBHII", 0x80, 0xE0, sequence, stamp, source) + b"payload"


def header(data: bytes) -> tuple[int, int, int]:
    """Sequence number, time stamp, source."""
    _, _, sequence, stamp, source = struct.unpack_from("!BBHII", data)
    return sequence, stamp, source


def test_one_sender_is_left_alone() -> None:
    """One sender is left alone, whatever its numbers do."""
    continuity = Continuity(RATE)
    for sequence, stamp in ((65535, 2**32 - 1), (0, 3000), (500, 9)):
        given = packet(sequence, stamp, 7)
        assert continuity.packet(given, 0.0) == given
    assert continuity.packet(b"short", 0.0) == b"short"


def test_another_sender_goes_on_where_the_first_ended() -> None:
    """Numbers go on by one, time stamps by the time that has passed; the rest is as it was."""
    continuity = Continuity(RATE)
    continuity.packet(packet(65534, 2**32 - 1000, 7), 10.0)
    first = continuity.packet(packet(100, 5_000, 8), 11.5)
    assert header(first) == (65535, RATE * 3 // 2 - 1000, 7)
    assert first[:2] == packet(0, 0, 0)[:2]
    assert first[12:] == b"payload"
    assert header(continuity.packet(packet(101, 8_000, 8), 11.6)) == (0, RATE * 3 // 2 + 2000, 7)
    third = continuity.packet(packet(9, 1, 9), 12.6)
    assert header(third) == (1, RATE * 5 // 2 + 2000, 7)
