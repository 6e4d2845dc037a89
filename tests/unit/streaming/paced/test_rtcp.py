"""Sender reports, byte by byte (RFC 3550, 6.4.1)."""

import struct

import pytest

from iceflix.streaming.paced.rtcp import Account, report


@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd", "x" * 300])
def test_a_report_is_a_compound_packet(name: str) -> None:
    """Report, canonical name, goodbye; each as long as it says."""
    data = report(Account(1, 2, 3, 4), 1_000_000_000.25, name, bye=True)
    kinds = []
    while data:
        flags, kind, words = struct.unpack_from(">BBH", data)
        assert flags >> 6 == 2
        body, data = data[4 : 4 + 4 * words], data[4 + 4 * words :]
        kinds.append(kind)
        if kind == 200:
            ntp = (3_208_988_800, 1 << 30)
            assert struct.unpack(">I5I", body) == (1, *ntp, 2, 3, 4)
        elif kind == 202:
            source, item, size = struct.unpack_from(">IBB", body)
            assert (source, item) == (1, 1)
            assert body[6 : 6 + size].decode() == name[:255] and body[6 + size] == 0
        else:
            assert body == struct.pack(">I", 1)
    assert kinds == [200, 202, 203]


def test_counters_wrap() -> None:
    """They are of 32 bits."""
    data = report(Account(1, 0, 1 << 32 | 5, 1 << 33 | 6), 0.0, "n")
    assert struct.unpack_from(">II", data, 20) == (5, 6)
