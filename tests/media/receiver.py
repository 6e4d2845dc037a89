"""The other end of a stream: records RTP (RFC 3550) and takes H.264 (RFC 6184) out of it."""

import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_START_CODE = b"\0\0\0\1"
_STAP_A, _FU_A = 24, 28


@dataclass(frozen=True)
class Packet:
    """One RTP packet; ``arrival`` is monotonic time in seconds."""

    arrival: float
    payload_type: int
    sequence: int
    timestamp: int
    source: int
    marker: bool
    payload: bytes


def parse(arrival: float, data: bytes) -> Packet:
    """Parse a packet that has no extension and no padding."""
    flags, kind, sequence, timestamp, source = struct.unpack_from("!BBHII", data)
    assert flags == 0x80, f"not a plain RTP packet of version 2: {flags:#x}"
    return Packet(arrival, kind & 0x7F, sequence, timestamp, source, bool(kind & 0x80), data[12:])


class Receiver:
    """Records what comes to a UDP port of this machine."""

    def __init__(self, port: int = 0, *, parity: int | None = None) -> None:
        """Bind ``port``, else any free port of this parity (0: even, 1: odd)."""
        self._socket = bind(port, parity)
        self.port: int = self._socket.getsockname()[1]
        self.packets: list[Packet] = []
        self._open = True
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop recording."""
        self._open = False
        self._thread.join(5)
        self._socket.close()

    @property
    def lost(self) -> int:
        """How many sequence numbers are missing between the first and the last packet."""
        span = (self.packets[-1].sequence - self.packets[0].sequence) % 65536 + 1
        return span - len(self.packets)

    def silent_for(self, seconds: float, within: float) -> bool:
        """Whether there is a pause of so many seconds, which ends before ``within`` is over."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            last = self.packets[-1].arrival if self.packets else 0.0
            if time.monotonic() - last >= seconds:
                return True
            time.sleep(0.02)
        return False

    def write_h264(self, file: Path) -> Path:
        """Write the pictures that came as an elementary stream (Annex B)."""
        file.write_bytes(b"".join(_START_CODE + unit for unit in nal_units(self.packets)))
        return file

    def _record(self) -> None:
        self._socket.settimeout(0.05)
        while self._open:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            self.packets.append(parse(time.monotonic(), data))


def bind(port: int = 0, parity: int | None = None) -> socket.socket:
    """A UDP socket on loopback whose port and port + 2 are free."""
    while True:
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        found.bind(("127.0.0.1", port))
        number = found.getsockname()[1]
        fits = parity is None or number % 2 == parity
        if port or (fits and number < 65000 and _is_free(number + 2)):
            return found
        found.close()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def nal_units(packets: list[Packet]) -> list[bytes]:
    """The NAL units in packets of RFC 6184's non-interleaved mode."""
    units: list[bytes] = []
    for packet in packets:
        kind = packet.payload[0] & 0x1F
        if kind == _STAP_A:
            rest = packet.payload[1:]
            while rest:
                size = int.from_bytes(rest[:2], "big")
                units.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == _FU_A:
            if packet.payload[1] & 0x80:
                header = packet.payload[0] & 0xE0 | packet.payload[1] & 0x1F
                units.append(bytes([header]))
            units[-1] += packet.payload[2:]
        else:
            units.append(packet.payload)
    return units
