"""MP4 files made by hand: any tables, right or wrong."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import ClassVar

from tests.unit.streaming.samples import AUDIO as AAC
from tests.unit.streaming.samples import VIDEO as H264

SPS, PPS = bytes.fromhex("67640015acd94141fb0110"), bytes.fromhex("68ebe3cb22c0")
CONFIG = bytes.fromhex("1190")
VIDEO = replace(
    H264,
    parameters=(
        ("packetization-mode", "1"),
        ("profile-level-id", "640015"),
        ("sprop-parameter-sets", "Z2QAFazZQUH7ARA=,aOvjyyLA"),
    ),
)
AUDIO = replace(
    AAC,
    parameters=tuple((dict(AAC.parameters) | {"config": CONFIG.hex()}).items()),
)


@dataclass(frozen=True)
class Reel:
    """One track: the samples' bytes, time steps, offsets of presentation, keys, per chunk."""

    samples: Sequence[bytes]
    steps: Sequence[int]
    offsets: Sequence[int] = ()
    keys: Sequence[int] | None = None  # counted from zero; None: all
    per_chunk: Sequence[int] = ()
    timescale: int = 90000
    edits: Sequence[tuple[int, int]] = ()  # duration, media time
    video: ClassVar[bool] = True
    wide: ClassVar[bool] = False  # 64-bit places of chunks

    def chunks(self) -> list[int]:
        """How many samples lie in each chunk."""
        left, found = len(self.samples), []
        for number in (*self.per_chunk, *[1] * left):
            if left:
                found.append(min(number, left))
                left -= found[-1]
        return found


@dataclass(frozen=True)
class WideReel(Reel):
    """With 64-bit places of its chunks."""

    wide = True


@dataclass(frozen=True)
class SoundReel(Reel):
    """AAC."""

    timescale: int = 48000
    video = False


@dataclass
class Film:
    """The tracks, one after the other in the file, the index in front or at the end."""

    reels: Sequence[Reel]
    places: list[list[int]] = field(default_factory=list)  # where each sample went

    def pack(self) -> bytes:
        """The file."""
        head = box("ftyp", b"isom" + bytes(4))
        data, starts = b"", []
        for reel in self.reels:
            offset, chunk_starts, samples_at = len(head) + 8 + len(data), [], []
            samples = iter(reel.samples)
            for number in reel.chunks():
                chunk_starts.append(offset)
                for _ in range(number):
                    sample = next(samples)
                    samples_at.append(offset)
                    offset += len(sample)
                    data += sample
            starts.append(chunk_starts)
            self.places.append(samples_at)
        tracks = (track(reel, starts[at]) for at, reel in enumerate(self.reels))
        header = full("mvhd", bytes(8) + struct.pack(">II", 1000, 0) + bytes(80))
        return head + box("mdat", data) + box("moov", header, *tracks)


def box(kind: str, *content: bytes) -> bytes:
    """A box."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def full(kind: str, *content: bytes, version: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, bytes((version, 0, 0, 0)), *content)


def track(reel: Reel, starts: Sequence[int]) -> bytes:
    """A track's box."""
    handler = b"vide" if reel.video else b"soun"
    table = box("stbl", entry(reel), *times(reel), *places(reel, starts))
    edits = b""
    if reel.edits:
        rows = b"".join(struct.pack(">IiI", *edit, 0x10000) for edit in reel.edits)
        edits = box("edts", full("elst", struct.pack(">I", len(reel.edits)), rows))
    media = box(
        "mdia",
        full("mdhd", bytes(8) + struct.pack(">II", reel.timescale, 0) + bytes(4)),
        full("hdlr", bytes(4), handler, bytes(13)),
        box("minf", table),
    )
    return box("trak", full("tkhd", bytes(80)), edits, media)


def entry(reel: Reel) -> bytes:
    """The description of its samples."""
    if reel.video:
        sets = b"\xe1" + counted(SPS) + b"\x01" + counted(PPS)
        config = box("avcC", bytes((1, SPS[1], SPS[2], SPS[3], 0xFF)) + sets)
        described = box("avc1", bytes(78), config)
    else:
        specific = bytes((5, len(CONFIG))) + CONFIG
        decoder = bytes((4, 13 + len(specific), 0x40)) + bytes(12) + specific
        descriptor = bytes((3, 3 + len(decoder))) + bytes(3) + decoder
        described = box("mp4a", bytes(28), full("esds", descriptor))
    return full("stsd", struct.pack(">I", 1), described)


def counted(data: bytes) -> bytes:
    """Bytes behind their number."""
    return struct.pack(">H", len(data)) + data


def times(reel: Reel) -> list[bytes]:
    """stts, and ctts and stss where there are any."""
    tables = [full("stts", runs(reel.steps))]
    if reel.offsets:
        tables.append(full("ctts", runs([offset & 0xFFFFFFFF for offset in reel.offsets])))
    if reel.keys is not None:
        keys = b"".join(struct.pack(">I", key + 1) for key in reel.keys)
        tables.append(full("stss", struct.pack(">I", len(reel.keys)), keys))
    return tables


def places(reel: Reel, starts: Sequence[int]) -> list[bytes]:
    """stsz, stsc, and stco or co64."""
    sizes = [len(sample) for sample in reel.samples]
    uniform = sizes[0] if len(set(sizes)) == 1 else 0
    listed = b"" if uniform else b"".join(struct.pack(">I", size) for size in sizes)
    rows, chunk = [], 1
    for number, same in groupby(reel.chunks()):
        rows.append(struct.pack(">III", chunk, number, 1))
        chunk += len(list(same))
    form = ">Q" if reel.wide else ">I"
    return [
        full("stsz", struct.pack(">II", uniform, len(sizes)), listed),
        full("stsc", struct.pack(">I", len(rows)), *rows),
        full(
            "co64" if reel.wide else "stco",
            struct.pack(">I", len(starts)),
            *(struct.pack(form, start) for start in starts),
        ),
    ]


def runs(values: Sequence[int]) -> bytes:
    """A table of runs."""
    rows = [struct.pack(">II", len(list(same)), value) for value, same in groupby(values)]
    return struct.pack(">I", len(rows)) + b"".join(rows)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """Reads from memory as a file is read."""
    return lambda offset, size: data[offset : offset + size]


def nal(kind: int, size: int) -> bytes:
    """A NAL unit of H.264 behind its length."""
    unit = bytes((0x60 | kind,)) + bytes(number % 251 + 1 for number in range(size - 1))
    return struct.pack(">I", len(unit)) + unit
