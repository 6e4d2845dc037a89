"""Takes H.265 out of RTP packets (RFC 7798), and sound (RFC 2250, RFC 3640, RFC 7587)."""

import subprocess
from pathlib import Path

from tests.media.receiver import Packet

_START_CODE = b"\0\0\0\1"
_AGGREGATION, _FRAGMENT = 48, 49


def write_h265(packets: list[Packet], file: Path) -> Path:
    """Write the pictures that came as an elementary stream (Annex B)."""
    file.write_bytes(b"".join(_START_CODE + unit for unit in nal_units(packets)))
    return file


def nal_units(packets: list[Packet]) -> list[bytes]:
    """The NAL units in packets without decoding order numbers."""
    units: list[bytes] = []
    for packet in packets:
        kind = packet.payload[0] >> 1 & 0x3F
        if kind == _AGGREGATION:
            rest = packet.payload[2:]
            while rest:
                size = int.from_bytes(rest[:2], "big")
                units.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == _FRAGMENT:
            if packet.payload[2] & 0x80:
                first = packet.payload[0] & 0x81 | (packet.payload[2] & 0x3F) << 1
                units.append(bytes([first, packet.payload[1]]))
            units[-1] += packet.payload[3:]
        else:
            units.append(packet.payload)
    return units


def sound(packets: list[Packet], encoding: str) -> bytes:
    """The frames of sound, one after the other, without what RTP puts around them."""
    if encoding == "OPUS":
        return b"".join(packet.payload for packet in packets)
    if encoding == "MPA":
        return b"".join(packet.payload[4:] for packet in packets)
    frames = b""
    for packet in packets:  # AAC-hbr: one header of two bytes per access unit
        headers = int.from_bytes(packet.payload[:2], "big") // 8
        frames += packet.payload[2 + headers :]
    return frames


def sound_of(file: Path) -> bytes:
    """The frames of sound in a file, one after the other, without what the container adds."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(file), "-map", "0:a:0", "-c", "copy"]
    if file.suffix == ".ts":
        command += ["-bsf:a", "aac_adtstoasc"] if "aac" in file.name else []
    done = subprocess.run(
        [*command, "-f", "data", "-"], check=True, timeout=60, capture_output=True
    )
    return done.stdout
