"""The samples of one track of an MP4 file: where they lie and when they are due. Pure.

The tables stay as compact as in the file, so that a film of hours is indexed in milliseconds; a
walk through them unpacks one sample after the other.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from iceflix.streaming.paced.boxes import Unfit

if TYPE_CHECKING:
    Numbers = array[int]
else:
    Numbers = array  # not generic when it runs
_HEAD = 8  # version, flags and count


class Sample(NamedTuple):
    """Byte range in the file; decoding and presentation time in the track's time scale."""

    number: int
    offset: int
    size: int
    dts: int
    pts: int


class _Runs:
    """Values that hold for so many samples each; ``starts`` tells the first sample of each."""

    def __init__(self, counts: Numbers, values: Numbers) -> None:
        self.counts = counts
        self.values = values
        self.ends = array("Q", accumulate(counts))

    @property
    def total(self) -> int:
        """How many samples are covered."""
        return self.ends[-1] if self.ends else 0

    def find(self, index: int) -> tuple[int, int]:
        """The run of a sample, and how many samples of that run come before it."""
        run = bisect_right(self.ends, index)
        return run, index - (self.ends[run - 1] if run else 0)


class Samples:
    """All samples of a track. Raises Unfit for tables that do not add up."""

    def __init__(self, tables: Mapping[bytes, bytes]) -> None:
        try:
            self._sizes, self._uniform, self.count = _sizes(tables[b"stsz"])
            self._chunks = _chunks(tables)
            self._per_chunk = _per_chunk(_words(tables[b"stsc"], 3), len(self._chunks), self.count)
            self._times = _Times(tables, self.count)
            self._keys = _keys(tables.get(b"stss"), self.count)
        except KeyError as error:
            raise Unfit(f"it lacks the table {error}") from None
        except OverflowError:
            raise Unfit("its times are beyond all reason") from None

    @property
    def end(self) -> int:
        """The decoding time at which the last sample ends."""
        return self._times.dts(self.count)

    def walk(self, index: int) -> Iterator[Sample]:
        """The samples in the order of decoding, from this one on."""
        times = self._times.walk(index)
        for place, (dts, pts) in zip(self._places(index), times, strict=True):
            yield Sample(*place, dts, pts)

    def _places(self, index: int) -> Iterator[tuple[int, int, int]]:
        """Number, offset and size of the samples from this one on."""
        number = index
        run, within = self._per_chunk.find(index)
        while number < self.count:
            per_chunk = self._per_chunk.values[run]
            first = self._per_chunk.first_chunks[run]
            last = first + self._per_chunk.counts[run] // per_chunk
            skipped = within % per_chunk
            for chunk in range(first + within // per_chunk, last):
                offset = self._chunks[chunk] + self._bytes(number - skipped, number)
                for _ in range(min(per_chunk - skipped, self.count - number)):
                    size = self._uniform or self._sizes[number]
                    yield number, offset, size
                    offset += size
                    number += 1
                skipped = 0
            run, within = run + 1, 0

    def at(self, index: int) -> Sample:
        """One sample."""
        return next(self.walk(index))

    def key_before(self, pts: int) -> Sample:
        """The last sample with which one can begin that is shown at or before ``pts``.

        The first of them all when there is none.
        """
        low, high = 0, self.count if self._keys is None else len(self._keys)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._key_pts(middle) <= pts else (low, middle)
        return self.at(low if self._keys is None else self._keys[low] - 1)

    def at_time(self, dts: int) -> int:
        """The number of the sample that is decoded at this time, the first or last outside."""
        return self._times.find(dts)

    def is_key(self, index: int) -> bool:
        """Whether one can begin with this sample."""
        if self._keys is None:
            return True
        place = bisect_right(self._keys, index + 1)
        return place > 0 and self._keys[place - 1] == index + 1

    def _key_pts(self, number: int) -> int:
        return self._times.pts(number if self._keys is None else self._keys[number] - 1)

    def _bytes(self, first: int, end: int) -> int:
        return self._uniform * (end - first) or sum(self._sizes[first:end])


class _Times:
    """Decoding times (stts) and the offsets of presentation (ctts)."""

    def __init__(self, tables: Mapping[bytes, bytes], count: int) -> None:
        self._count = count
        self._steps = _runs(tables[b"stts"])
        self._starts = array(
            "Q",
            accumulate(
                (
                    number * step
                    for number, step in zip(self._steps.counts, self._steps.values, strict=True)
                ),
                initial=0,
            ),
        )
        self._offsets = _runs(tables[b"ctts"], signed=True) if b"ctts" in tables else None
        if self._steps.total != count:
            raise Unfit("its times do not fit its samples")
        if self._offsets is not None and self._offsets.total != count:
            raise Unfit("its presentation times do not fit its samples")

    def dts(self, index: int) -> int:
        """When a sample is decoded; the end of all for the number after the last."""
        if index >= self._count:
            return self._starts[-1]
        run, within = self._steps.find(index)
        return self._starts[run] + within * self._steps.values[run]

    def pts(self, index: int) -> int:
        """When a sample is shown."""
        offset = 0
        if self._offsets is not None:
            offset = self._offsets.values[self._offsets.find(index)[0]]
        return self.dts(index) + offset

    def find(self, dts: int) -> int:
        """The last sample whose decoding time is not after this."""
        run = min(max(bisect_right(self._starts, max(dts, 0)) - 1, 0), len(self._steps.counts) - 1)
        within = (max(dts, 0) - self._starts[run]) // max(1, self._steps.values[run])
        return int(
            min(
                self._steps.ends[run],
                self._steps.ends[run]
                - self._steps.counts[run]
                + min(within, self._steps.counts[run] - 1),
            )
        )

    def walk(self, index: int) -> Iterator[tuple[int, int]]:
        """Decoding and presentation times, from this sample on, without end."""
        steps, dts = _values(self._steps, index), self.dts(index)
        if self._offsets is None:
            for step in steps:
                yield dts, dts
                dts += step
            return
        for step, offset in zip(steps, _values(self._offsets, index), strict=True):
            yield dts, dts + offset
            dts += step


class _PerChunk(_Runs):
    """How many samples lie in each chunk, in runs of chunks; ``counts`` are samples."""

    def __init__(self, counts: Numbers, values: Numbers, first_chunks: Numbers) -> None:
        super().__init__(counts, values)
        self.first_chunks = first_chunks


def _values(runs: _Runs, index: int) -> Iterator[int]:
    run, within = runs.find(index)
    for number in range(run, len(runs.counts)):
        value = runs.values[number]
        for _ in range(runs.counts[number] - within):
            yield value
        within = 0


def _words(data: bytes, columns: int) -> Numbers:
    """The numbers of a table of 32-bit columns. Raises Unfit."""
    end = _HEAD + 4 * columns * int.from_bytes(data[4:_HEAD], "big")
    if len(data) < max(end, _HEAD):
        raise Unfit("a table is cut off")
    words = array("I", data[_HEAD:end])
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _runs(data: bytes, *, signed: bool = False) -> _Runs:
    words = _words(data, 2)
    values = words[1::2]
    if signed:
        # Version 0 says unsigned, yet files mean negative numbers by large ones.
        values = array("i", values.tobytes())
    return _Runs(words[0::2], values)


def _sizes(data: bytes) -> tuple[Numbers, int, int]:
    """The size of each sample, or that of all; their number."""
    if len(data) < 12:
        raise Unfit("a table is cut off")
    uniform, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if count == 0:
        raise Unfit("a track is empty")
    return (array("I") if uniform else _words(data[4:], 1)), uniform, count


def _chunks(tables: Mapping[bytes, bytes]) -> Numbers:
    if b"co64" not in tables:
        return _words(tables[b"stco"], 1)
    words = _words(tables[b"co64"], 2)
    return array(
        "Q", (high << 32 | low for high, low in zip(words[0::2], words[1::2], strict=True))
    )


def _per_chunk(words: Numbers, chunks: int, count: int) -> _PerChunk:
    """Runs of chunks with equally many samples."""
    firsts, per_chunk, descriptions = words[0::3], words[1::3], words[2::3]
    rising = all(before < after for before, after in pairwise(firsts))
    if not firsts or firsts[0] != 1 or not rising or firsts[-1] > chunks:
        raise Unfit("its chunks do not add up")
    if 0 in per_chunk or set(descriptions) != {1}:
        raise Unfit("its samples are of several kinds")
    ends = [*firsts[1:], chunks + 1]
    counts = array(
        "Q", ((end - first) * per for first, end, per in zip(firsts, ends, per_chunk, strict=True))
    )
    if sum(counts) < count:
        raise Unfit("its chunks hold too few samples")
    return _PerChunk(counts, per_chunk, array("I", (first - 1 for first in firsts)))


def _keys(data: bytes | None, count: int) -> Numbers | None:
    """The numbers of the key samples, counted from one; None when all of them are."""
    if data is None:
        return None
    keys = _words(data, 1)
    rising = all(before < after for before, after in pairwise(keys))
    if not keys or not rising or keys[0] < 1 or keys[-1] > count:
        raise Unfit("its key frames do not add up")
    return keys
