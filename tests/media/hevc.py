"""H.265 taken out of RTP (RFC 7798)."""

from pathlib import Path

from tests.media.receiver import Packet

_AGGREGATION, _FRAGMENT = 48, 49


def hevc_units(packets: list[Packet]) -> list[bytes]:
    """The NAL units in packets without decoding order numbers."""
    units: list[bytes] = []
    for packet in packets:
        kind, rest = packet.payload[0] >> 1 & 0x3F, packet.payload[2:]
        if kind == _AGGREGATION:
            while rest:
                size = int.from_bytes(rest[:2], "big")
                units.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == _FRAGMENT:
            if rest[0] & 0x80:
                first = packet.payload[0] & 0x81 | (rest[0] & 0x3F) << 1
                units.append(bytes((first, packet.payload[1])))
            units[-1] += rest[1:]
        else:
            units.append(packet.payload)
    return units


def write_hevc(packets: list[Packet], file: Path) -> Path:
    """Write the pictures as an elementary stream (Annex B)."""
    file.write_bytes(b"".join(b"\0\0\0\1" + unit for unit in hevc_units(packets)))
    return file
