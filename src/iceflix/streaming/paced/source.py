"""A file that is being sent: its index, its bytes, and units that several viewers share."""

import errno
import os
import threading
from collections import OrderedDict, deque

from iceflix.streaming.library import Medium, Stamp
from iceflix.streaming.paced.boxes import Unfit
from iceflix.streaming.paced.index import Part, index
from iceflix.streaming.paced.packets import Unit
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.pipeline import open_as_read

_SHARED_BYTES = 12 << 20  # ready-made units, of all files
_UNIT_BYTES = 700  # of a unit beside its packets
_INDEXES = 32
_MOST_SAMPLE_BYTES = 64 << 20
_NOT_NOW = {errno.EAGAIN}
Units = dict[int, Unit]  # by the number of the sample


class CutOff(Exception):
    """The file ends before the sample does."""


class Shelf:
    """Units that were made lately, for viewers who follow closely. Thread-safe."""

    def __init__(self, most_bytes: int = _SHARED_BYTES) -> None:
        self._kept: deque[tuple[Units, int, int]] = deque()
        self._most = self._room = most_bytes
        self._lock = threading.Lock()

    @property
    def taken_bytes(self) -> int:
        """How much memory they take."""
        return self._most - self._room

    def put(self, units: Units, number: int, unit: Unit) -> None:
        """Keep it among these; the oldest of all go."""
        with self._lock:
            if number in units:
                return
            units[number] = unit
            size = len(unit.buffer) + _UNIT_BYTES
            self._kept.append((units, number, size))
            self._room -= size
            while self._room < 0:
                old, number, size = self._kept.popleft()
                old.pop(number, None)
                self._room += size


class Source:
    """An open file with its parts, for all who watch it. ``hold`` and ``release`` count them."""

    def __init__(self, handle: int, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.units: dict[Part, Units] = {part: {} for part in parts}
        self._handle = handle
        self._lock = threading.Lock()
        self.holders = 0
        self._at_once = True  # whether the file system can say that it would have to wait

    def hold(self) -> bool:
        """One more; False when the last one has gone and the file is closed."""
        with self._lock:
            if self._handle < 0:
                return False
            self.holders += 1
            return True

    def release(self) -> None:
        """One less; the last one closes the file."""
        with self._lock:
            self.holders -= 1
            if self.holders == 0:
                os.close(self._handle)
                self._handle = -1
                for units in self.units.values():
                    units.clear()

    def peek(self, sample: Sample) -> bytearray | None:
        """A sample's bytes if they are in memory; None when reading would have to wait."""
        if not self._at_once or sample.size > _MOST_SAMPLE_BYTES:
            return None
        data = bytearray(sample.size)
        try:
            found = os.preadv(self._handle, (data,), sample.offset, os.RWF_NOWAIT)
        except OSError as error:
            self._at_once = error.errno in _NOT_NOW
            return None
        return data if found == sample.size else None

    def read(self, sample: Sample) -> bytes:
        """A sample's bytes. Raises CutOff or OSError."""
        if sample.size > _MOST_SAMPLE_BYTES:
            raise CutOff
        data = os.pread(self._handle, sample.size, sample.offset)
        if len(data) != sample.size:
            raise CutOff
        return data


class Sources:
    """The files that are being sent, and the indexes of those that were, by their stamps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: OrderedDict[tuple[str, Stamp], tuple[Part, ...] | str] = OrderedDict()
        self._open: dict[tuple[str, Stamp], Source] = {}

    @property
    def opened(self) -> int:
        """How many files are open."""
        with self._lock:
            return sum(source.holders > 0 for source in self._open.values())

    def open(self, medium: Medium) -> Source:
        """The medium's source, held once for the caller. Raises Unfit; MediaError as ever."""
        handle = open_as_read(medium)
        try:
            key = (medium.id, medium.stamp)
            parts = self._index(handle, medium)
            with self._lock:
                source = self._open.get(key)
                if source is not None and source.hold():
                    return source
                source = self._open[key] = Source(handle, parts)
                source.hold()
                handle = -1
                self._open = {key: one for key, one in self._open.items() if one.holders}
            return source
        finally:
            if handle >= 0:
                os.close(handle)

    def _index(self, handle: int, medium: Medium) -> tuple[Part, ...]:
        key = (medium.id, medium.stamp)
        with self._lock:
            known = self._parts.get(key)
            if known is not None:
                self._parts.move_to_end(key)
        if known is None:
            known = _read_index(handle, medium)
            with self._lock:
                self._parts[key] = known
                if len(self._parts) > _INDEXES:
                    self._parts.popitem(last=False)
        if isinstance(known, str):
            raise Unfit(known)
        return known


def _read_index(handle: int, medium: Medium) -> tuple[Part, ...] | str:
    """The parts of an open file, or why it has none."""
    try:
        return index(
            lambda offset, size: os.pread(handle, size, offset),
            medium.stamp.size,
            medium.format.tracks,
        )
    except (Unfit, OSError) as error:
        return str(error)
