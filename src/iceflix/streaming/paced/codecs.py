"""Whether a track of a file is what the session description says of it, and its parameters. Pure.

The description comes from GStreamer's payloaders. What is sent must be what it promises: parameter
sets, the decoder's configuration and the sizes of the AU headers are compared; Unfit otherwise.
"""

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from iceflix.streaming.paced.boxes import TrackBox, Unfit
from iceflix.streaming.sdp import Track

_AVC, _HEVC = {b"avc1", b"avc3"}, {b"hvc1", b"hev1"}
_AAC_OBJECTS, _MP3_OBJECTS = {0x40, 0x66, 0x67, 0x68}, {0x69, 0x6B}
_ES, _DECODER, _SPECIFIC = 3, 4, 5  # descriptors of ISO/IEC 14496-1
_VPS, _SPS, _PPS = 32, 33, 34  # of H.265
_AAC_HBR = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}


@dataclass(frozen=True)
class VideoConfig:
    """How NAL units lie in a sample: bytes of their lengths; what stands before a key frame."""

    length_bytes: int
    parameter_sets: tuple[bytes, ...]


def video_config(box: TrackBox, track: Track) -> VideoConfig:
    """The configuration of a video track that fits its description. Raises Unfit."""
    told = dict(track.parameters)
    try:
        if track.encoding == "H264" and box.codec in _AVC:
            config = _avc(box.boxes[b"avcC"])
            sprop = told.get("sprop-parameter-sets", "").split(",")
            if told.get("packetization-mode") != "1":
                raise Unfit("its packets are to be of another kind")
        elif track.encoding == "H265" and box.codec in _HEVC:
            config = _hevc(box.boxes[b"hvcC"])
            names = ("sprop-vps", "sprop-sps", "sprop-pps")
            sprop = [text for name in names for text in told.get(name, "").split(",")]
        else:
            raise Unfit("its pictures are of another kind")
        described = tuple(base64.b64decode(text, validate=True) for text in sprop)
    except (KeyError, IndexError, ValueError, struct.error):
        raise Unfit("its decoder's configuration cannot be read") from None
    if config.parameter_sets != described:
        raise Unfit("its parameter sets are not those that were described")
    return config


def require_audio(box: TrackBox, track: Track) -> None:
    """Raise Unfit unless an audio track is what its description says."""
    if track.encoding == "OPUS":
        if box.codec != b"Opus" or track.clock_rate != 48000:
            raise Unfit("its sound is of another kind")
        return
    try:
        kind, config = _elementary(box.boxes[b"esds"]) if b"esds" in box.boxes else (0, b"")
    except (IndexError, struct.error):
        raise Unfit("its decoder's configuration cannot be read") from None
    if track.encoding == "MPA":
        if box.codec != b".mp3" and not (box.codec == b"mp4a" and kind in _MP3_OBJECTS):
            raise Unfit("its sound is of another kind")
        return
    told = dict(track.parameters)
    if track.encoding != "MPEG4-GENERIC" or box.codec != b"mp4a" or kind not in _AAC_OBJECTS:
        raise Unfit("its sound is of another kind")
    if _AAC_HBR.items() - told.items() or told.get("config", "").lower() != config.hex():
        raise Unfit("its sound is not as it was described")


def _avc(data: bytes) -> VideoConfig:
    """ISO/IEC 14496-15, 5.3.3.1.2."""
    if data[0] != 1:
        raise ValueError("not a configuration of version 1")
    sets, offset = [], 5
    for mask in (0x1F, 0xFF):
        number, offset = data[offset] & mask, offset + 1
        for _ in range(number):
            unit, offset = _counted(data, offset)
            sets.append(unit)
    return VideoConfig((data[4] & 3) + 1, tuple(sets))


def _hevc(data: bytes) -> VideoConfig:
    """ISO/IEC 14496-15, 8.3.3.1.2."""
    if data[0] != 1:
        raise ValueError("not a configuration of version 1")
    found: dict[int, list[bytes]] = {_VPS: [], _SPS: [], _PPS: []}
    offset = 23
    for _ in range(data[22]):
        kind, number = data[offset] & 0x3F, struct.unpack_from(">H", data, offset + 1)[0]
        offset += 3
        for _ in range(number):
            unit, offset = _counted(data, offset)
            found.setdefault(kind, []).append(unit)
    sets = tuple(unit for kind in (_VPS, _SPS, _PPS) for unit in found[kind])
    return VideoConfig((data[21] & 3) + 1, sets)


def _counted(data: bytes, offset: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", data, offset)
    end = offset + 2 + size
    if end > len(data) or size == 0:
        raise ValueError("cut off")
    return data[offset + 2 : end], end


def _elementary(data: bytes) -> tuple[int, bytes]:
    """Object type and specific configuration of an elementary stream (ISO/IEC 14496-1, 7.2.6)."""
    kind, config = 0, b""
    for tag, body in _descriptors(data[4:]):
        if tag != _ES:
            continue
        skip = 3 + (2 if body[2] & 0x80 else 0) + (2 if body[2] & 0x20 else 0)
        if body[2] & 0x40:
            skip += 1 + body[skip]
        for inner, decoder in _descriptors(body[skip:]):
            if inner == _DECODER:
                kind = decoder[0]
                config = next(
                    (rest for t, rest in _descriptors(decoder[13:]) if t == _SPECIFIC), b""
                )
    return kind, config


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 2 <= len(data):
        tag, size, offset = data[offset], 0, offset + 1
        for _ in range(4):
            byte, offset = data[offset], offset + 1
            size = size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        yield tag, data[offset : offset + size]
        offset += size
