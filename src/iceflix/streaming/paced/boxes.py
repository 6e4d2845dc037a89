"""The boxes of an MP4 file (ISO/IEC 14496-12) that say where its samples are. Pure.

Nothing here trusts a file: whatever does not add up, or is not what the paced sender knows, raises
Unfit, and the medium goes to the sender that plays anything.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Read = Callable[[int, int], bytes]  # offset, size -> the bytes there, fewer at the file's end
_MOST_BYTES = 256 << 20  # of the index: about a day of video
_MOST_BOXES = 100_000
_VISUAL_BYTES, _AUDIO_BYTES = 78, 28  # of a sample entry, before its boxes
_AUDIO_VERSION_1_BYTES = 16  # QuickTime's further fields
_FULL = 4  # version and flags
_TABLES = (b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"stss")


class Unfit(Exception):
    """Not a file that the paced sender can send; says why."""


@dataclass(frozen=True)
class Edit:
    """One entry of an edit list: duration in the movie's time scale, media time in the track's.

    ``media_time`` is -1 where nothing is shown.
    """

    duration: int
    media_time: int
    plain: bool  # at normal speed


@dataclass(frozen=True)
class TrackBox:
    """A track: ``codec`` is its sample entry's type, ``boxes`` what that entry holds."""

    handler: bytes
    timescale: int
    codec: bytes
    boxes: Mapping[bytes, bytes]
    tables: Mapping[bytes, bytes] = field(repr=False)
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Movie:
    """What the file's index holds."""

    timescale: int
    tracks: tuple[TrackBox, ...]


def read_movie(read: Read, size: int) -> Movie:
    """The index of a file of so many bytes. Raises Unfit."""
    offset = 0
    for _ in range(_MOST_BOXES):
        kind, start, end = _header(read(offset, 16), offset, size)
        if kind == b"moof":
            raise Unfit("it is fragmented")
        if kind == b"moov":
            if end - start > _MOST_BYTES:
                raise Unfit("its index is too large")
            data = read(start, end - start)
            if len(data) != end - start:
                raise Unfit("its index is cut off")
            return _movie(data)
        offset = end
    raise Unfit("it consists of too many boxes")


def children(data: bytes) -> dict[bytes, bytes]:
    """The first box of each type in here. Raises Unfit."""
    found: dict[bytes, bytes] = {}
    for kind, body in _boxes(data):
        found.setdefault(kind, body)
    return found


def _header(head: bytes, offset: int, size: int) -> tuple[bytes, int, int]:
    """Type, first byte and end of the box at ``offset``. Raises Unfit."""
    if len(head) < 8:
        raise Unfit("it has no index")
    length, kind = struct.unpack_from(">I4s", head)
    start = offset + 8
    if length == 1:
        if len(head) < 16:
            raise Unfit("a box is cut off")
        (length,) = struct.unpack_from(">Q", head, 8)
        start = offset + 16
    end = size if length == 0 else offset + length
    if not start <= end <= size:
        raise Unfit("a box goes beyond its end")
    return kind, start, end


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + 8 <= len(data):
        kind, start, end = _header(data[offset : offset + 16], offset, len(data))
        yield kind, data[start:end]
        offset = end


def _movie(data: bytes) -> Movie:
    if b"mvex" in children(data):
        raise Unfit("it is fragmented")
    head = _need(children(data), b"mvhd")
    timescale = _number(">I", head, 20 if head[:1] == b"\1" else 12)
    tracks = tuple(_track(body) for kind, body in _boxes(data) if kind == b"trak")
    return Movie(timescale, tracks)


def _track(data: bytes) -> TrackBox:
    boxes = children(data)
    media = children(_need(boxes, b"mdia"))
    head = _need(media, b"mdhd")
    timescale = _number(">I", head, 20 if head[:1] == b"\1" else 12)
    handler = _need(media, b"hdlr")[8:12]
    found = children(_need(children(_need(media, b"minf")), b"stbl"))
    codec, entry = _sample_entry(_need(found, b"stsd"), handler)
    tables = {name: found[name] for name in _TABLES if name in found}
    edits = _edits(children(boxes.get(b"edts", b"")).get(b"elst", b""))
    if timescale == 0:
        raise Unfit("a track has no time scale")
    return TrackBox(handler, timescale, codec, entry, tables, edits)


def _sample_entry(data: bytes, handler: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Type and boxes of the one description of a track's samples."""
    if _number(">I", data, _FULL) != 1:
        return b"", {}  # samples of several kinds
    for kind, body in _boxes(data[_FULL + 4 :]):
        if handler == b"vide":
            return kind, children(body[_VISUAL_BYTES:])
        if handler == b"soun":
            version = _number(">H", body, 8)
            if version > 1:
                return b"", {}
            boxes = children(body[_AUDIO_BYTES + version * _AUDIO_VERSION_1_BYTES :])
            return kind, {**children(boxes.get(b"wave", b"")), **boxes}
        return kind, {}
    return b"", {}


def _edits(data: bytes) -> tuple[Edit, ...]:
    if not data:
        return ()
    form = struct.Struct(">QqI" if data[0] == 1 else ">IiI")
    count = _number(">I", data, _FULL)
    if count > 64 or len(data) < _FULL + 4 + count * form.size:
        raise Unfit("its edit list does not add up")
    found = (form.unpack_from(data, _FULL + 4 + number * form.size) for number in range(count))
    return tuple(Edit(duration, time, rate == 0x10000) for duration, time, rate in found)


def _need(boxes: Mapping[bytes, bytes], kind: bytes) -> bytes:
    try:
        return boxes[kind]
    except KeyError:
        raise Unfit(f"it lacks a box {kind.decode('ascii', 'replace')}") from None


def _number(form: str, data: bytes, offset: int) -> int:
    try:
        return int(struct.unpack_from(form, data, offset)[0])
    except struct.error:
        raise Unfit("a box is cut off") from None
