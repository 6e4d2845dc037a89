"""Access units as RTP packets, ready but for twelve bytes (RFC 3550, 6184, 7798, 3640, 2250). Pure.

A unit's packets lie behind each other in one buffer, headers included. Sequence number, timestamp
and source are written into it for every viewer, and what is as long as a full packet leaves in one
call of the system: the kernel cuts it up.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PACKET_BYTES = 1400  # with RTP's header; as GStreamer's payloaders have it
HEADER_BYTES = 12
ROOM = PACKET_BYTES - HEADER_BYTES
# The most that leaves at once, of one stream: 33.6 KB, 0.27 ms of a gigabit.
BURST_PACKETS = 24
_patch = struct.Struct(">HII").pack_into
_STAP_A, _FU_A = 24, 28
_AP, _FU = 48, 49
_START, _END = 0x80, 0x40
_MOST_AAC_BYTES = 1 << 13
_H264_IDR, _H264_SPS = 5, 7
_H264_DROPPED = {9, 12}  # delimiters and filler: nothing that a decoder needs
_H265_DROPPED = {35, 38}
_H265_SPS = 33
Payload = tuple[bytes | bytearray, ...]  # its pieces
Data = bytes | bytearray
Packetise = Callable[[Data, bool], Sequence[tuple[Payload, bool]]]  # with the marker


class Burst(NamedTuple):
    """What leaves in one call: bytes of the buffer, where its packets start in it.

    All of them but the last are of the full length. After some a ``pause`` is due.
    """

    first: int
    end: int
    starts: tuple[int, ...]
    pause: bool


class Times(NamedTuple):
    """When a unit is decoded and shown, seconds of the film; and shown, in RTP's clock."""

    dts: float
    pts: float
    stamp: int


@dataclass(eq=False, slots=True)
class Unit:
    """The packets of one access unit. Not thread-safe: whoever sends owns it meanwhile."""

    buffer: bytearray
    bursts: tuple[Burst, ...]
    dts: float
    pts: float
    stamp: int

    def address(self, burst: Burst, sequence: int, timestamp: int, source: int) -> None:
        """Write the numbers of one stream into these packets."""
        buffer, patch = self.buffer, _patch
        for start in burst.starts:
            patch(buffer, start + 2, sequence & 0xFFFF, timestamp, source)
            sequence += 1


def pack(payloads: Sequence[tuple[Payload, bool]], payload_type: int, times: Times) -> Unit:
    """A unit of these payloads."""
    pieces: list[Data] = []
    starts, offset = [], 0
    heads = [
        bytes((0x80, payload_type | marker << 7)) + bytes(HEADER_BYTES - 2)
        for marker in (False, True)
    ]
    for payload, marker in payloads:
        starts.append(offset)
        pieces.append(heads[marker])
        pieces += payload
        offset += HEADER_BYTES + sum(map(len, payload))
    return Unit(bytearray().join(pieces), tuple(_bursts(starts, offset)), *times)


def _bursts(starts: Sequence[int], end: int) -> Iterator[Burst]:
    first = 0
    for number, start in enumerate(starts, 1):
        following = starts[number] if number < len(starts) else end
        full, most = following - start == PACKET_BYTES, number - first == BURST_PACKETS
        if full and not most and following < end:
            continue
        yield Burst(starts[first], following, tuple(starts[first:number]), most and following < end)
        first = number


def avc(length_bytes: int, parameter_sets: Sequence[bytes]) -> Packetise:
    """RFC 6184, packetisation mode 1; parameter sets go before every key frame that lacks them."""

    def packetise(data: Data, key: bool) -> list[tuple[Payload, bool]]:
        units = [
            unit for unit in nal_units(data, length_bytes) if unit[0] & 0x1F not in _H264_DROPPED
        ]
        kinds = {unit[0] & 0x1F for unit in units}
        if (key or _H264_IDR in kinds) and _H264_SPS not in kinds:
            units[:0] = parameter_sets
        return _marked(_aggregated(units, 1, _stap, _fragments_avc))

    return packetise


def hevc(length_bytes: int, parameter_sets: Sequence[bytes]) -> Packetise:
    """RFC 7798; parameter sets go before every key frame that lacks them."""

    def packetise(data: Data, key: bool) -> list[tuple[Payload, bool]]:
        units = [
            unit
            for unit in nal_units(data, length_bytes)
            if len(unit) > 2 and unit[0] >> 1 & 0x3F not in _H265_DROPPED
        ]
        if key and all(unit[0] >> 1 & 0x3F != _H265_SPS for unit in units):
            units[:0] = parameter_sets
        return _marked(_aggregated(units, 2, _ap, _fragments_hevc))

    return packetise


def aac(data: Data, _key: bool = True) -> list[tuple[Payload, bool]]:
    """RFC 3640, AAC-hbr: one access unit behind a header of 13 and 3 bits, cut up if need be."""
    if not 0 < len(data) < _MOST_AAC_BYTES:
        return []
    head = struct.pack(">HH", 16, len(data) << 3)
    room = ROOM - len(head)
    return _marked([(head, data[at : at + room]) for at in range(0, len(data), room)])


def mp3(data: Data, _key: bool = True) -> list[tuple[Payload, bool]]:
    """RFC 2250, 3.5: one frame, in fragments if need be."""
    room = ROOM - 4
    return [
        ((struct.pack(">HH", 0, at), data[at : at + room]), False)
        for at in range(0, min(len(data), 0xFFFF), room)
    ]


def opus(data: Data, _key: bool = True) -> list[tuple[Payload, bool]]:
    """RFC 7587: one packet, whatever its length."""
    return [((data,), False)] if data else []


def nal_units(data: Data, length_bytes: int) -> Iterator[bytes]:
    """The NAL units of a sample; what comes after a length that cannot be is left out."""
    offset, view = 0, memoryview(data)
    while offset + length_bytes < len(view):
        start = offset + length_bytes
        offset = start + int.from_bytes(view[offset:start], "big")
        if offset > len(view):
            return
        if offset > start:
            yield bytes(view[start:offset])


def _marked(payloads: Iterable[Payload]) -> list[tuple[Payload, bool]]:
    """The marker stands on the last packet of an access unit."""
    found = [(payload, False) for payload in payloads]
    if found:
        found[-1] = (found[-1][0], True)
    return found


def _aggregated(
    units: Sequence[bytes],
    head_bytes: int,
    aggregate: Callable[[list[bytes]], Payload],
    fragments: Callable[[bytes], Iterator[Payload]],
) -> Iterator[Payload]:
    """Small units together, large ones in pieces."""
    waiting: list[bytes] = []
    taken = head_bytes
    for unit in units:
        if waiting and taken + 2 + len(unit) > ROOM:
            yield aggregate(waiting)
            waiting, taken = [], head_bytes
        if len(unit) > ROOM:
            yield from fragments(unit)
            continue
        waiting.append(unit)
        taken += 2 + len(unit)
    if waiting:
        yield aggregate(waiting)


def _stap(units: list[bytes]) -> Payload:
    """A single NAL unit, or several in a STAP-A (RFC 6184, 5.7.1)."""
    if len(units) == 1:
        return (units[0],)
    forbidden = max(unit[0] & 0x80 for unit in units)
    importance = max(unit[0] & 0x60 for unit in units)
    return _counted(bytes((forbidden | importance | _STAP_A,)), units)


def _ap(units: list[bytes]) -> Payload:
    """A single NAL unit, or several in an aggregation packet (RFC 7798, 4.4.2)."""
    if len(units) == 1:
        return (units[0],)
    layer = min((unit[0] & 1) << 5 | unit[1] >> 3 for unit in units)
    temporal = min(unit[1] & 7 for unit in units)
    return _counted(bytes((_AP << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal)), units)


def _counted(head: bytes, units: list[bytes]) -> Payload:
    sized = [piece for unit in units for piece in (len(unit).to_bytes(2, "big"), unit)]
    return (head, *sized)


def _fragments_avc(unit: bytes) -> Iterator[Payload]:
    """FU-A (RFC 6184, 5.8)."""
    indicator = unit[0] & 0xE0 | _FU_A
    for flags, piece in _pieces(unit, 1, ROOM - 2):
        yield bytes((indicator, flags | unit[0] & 0x1F)), piece


def _fragments_hevc(unit: bytes) -> Iterator[Payload]:
    """Fragmentation units (RFC 7798, 4.4.3)."""
    first = unit[0] & 0x81 | _FU << 1
    for flags, piece in _pieces(unit, 2, ROOM - 3):
        yield bytes((first, unit[1], flags | unit[0] >> 1 & 0x3F)), piece


def _pieces(unit: bytes, head_bytes: int, room: int) -> Iterator[tuple[int, bytes]]:
    for at in range(head_bytes, len(unit), room):
        start = _START if at == head_bytes else 0
        yield start | (_END if at + room >= len(unit) else 0), unit[at : at + room]
