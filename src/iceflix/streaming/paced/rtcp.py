"""Sender reports and goodbyes (RFC 3550, 6.4.1, 6.5 and 6.6). Pure."""

import struct
from typing import NamedTuple

REPORT_SECONDS = 5.0
_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_SENDER_REPORT, _DESCRIPTION, _BYE = 200, 202, 203
_CNAME = 1


class Account(NamedTuple):
    """What a source has sent: its RTP time at this moment, packets and bytes of payload."""

    source: int
    rtp_time: int
    packets: int
    octets: int


def report(account: Account, wall_seconds: float, name: str, *, bye: bool = False) -> bytes:
    """A compound packet: report, canonical name, and the goodbye if it is one.

    ``wall_seconds`` is the time of day since 1970. Sources of one ``name`` share a clock: players
    synchronise them by it.
    """
    whole = int(wall_seconds)
    fraction = int((wall_seconds - whole) * 2**32)
    ntp = ((whole + _EPOCH) & 0xFFFFFFFF, fraction)
    numbers = (account.rtp_time, account.packets, account.octets)
    body = struct.pack(">I5I", account.source, *ntp, *(number & 0xFFFFFFFF for number in numbers))
    text = name.encode("ascii", "replace")[:255]
    item = struct.pack(">IBB", account.source, _CNAME, len(text)) + text
    item += bytes(4 - len(item) % 4)  # at least one: the end of the list
    compound = _packet(_SENDER_REPORT, 0, body) + _packet(_DESCRIPTION, 1, item)
    if bye:
        compound += _packet(_BYE, 1, struct.pack(">I", account.source))
    return compound


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body
