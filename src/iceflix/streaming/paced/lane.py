"""One track on its way to one viewer: which unit is next, when, and under which numbers."""

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from iceflix.streaming.paced import rtcp
from iceflix.streaming.paced.index import Part
from iceflix.streaming.paced.pacer import NEVER
from iceflix.streaming.paced.packets import HEADER_BYTES, Unit
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.paced.wire import Wire

_BURST_SECONDS = 0.003  # between the calls that a large unit takes
_MOST_SKIPPED = 32  # pictures after a key frame that are shown before it: no codec has more
_SPREAD_SECONDS = 0.02  # after its time; what is left then goes at once
# Made at one go, as long as they are small: one at each waking costs twice as much altogether,
# as the processor has forgotten the code by then.
_BATCH, _BATCH_BYTES = 8, 128 << 10
# Makes a unit; None where the disk would have to be waited for. If it is needed now, the last
# argument, it will be ``delivered`` then.
Fetch = Callable[["Lane", Sample, bool], Unit | None]


@dataclass(slots=True)
class Numbers:
    """What RTP counts for one source (RFC 3550, 5.1); begins at random, as it asks."""

    source: int = field(default_factory=lambda: secrets.randbits(32))
    sequence: int = field(default_factory=lambda: secrets.randbits(16))
    base: int = field(default_factory=lambda: secrets.randbits(32))
    packets: int = 0
    octets: int = 0


class Lane:  # pylint: disable=too-many-instance-attributes  # what is touched for every unit
    """Times are seconds of the film; who sends also says how they lie in time."""

    __slots__ = (
        "_at", "_burst", "_fetch", "_floor", "_lead", "_number", "_ready", "_shared", "_shift",
        "_ticks", "_unit", "_walk", "ahead", "due", "high", "numbers", "part", "waits", "wire",
    )  # fmt: skip

    def __init__(self, part: Part, shared: Mapping[int, Unit], ahead: float, fetch: Fetch) -> None:
        """``shared``: units by number; ``ahead``: how early a unit may leave, seconds."""
        self.part = part
        self.ahead = ahead
        self.numbers = Numbers()
        self.wire: Wire | None = None
        self.due = NEVER  # when the next unit is to leave; NEVER while there is none to send
        self.waits: Sample | None = None  # what has to be ``delivered`` first
        self.high = -NEVER  # the latest presentation that was sent, in RTP's time
        self._shift, self._ticks = 0.0, 0  # RTP's time at the film's beginning
        self._shared = shared
        self._fetch = fetch
        self._unit: Unit | None = None
        self._ready: dict[int, Unit] = {}  # made already, by number
        self._burst = self._number = 0
        self._walk: Iterator[Sample] = iter(())
        self._at = -1  # the number of the sample that the walk gives next
        self._lead = 0.0
        self._floor = 0.0

    def enter(self, sample: Sample) -> None:
        """Go on with this sample, due at the time at which it is shown."""
        self._number = sample.number - 1
        self._at = -1
        self._ready.clear()
        self._lead = (sample.pts - sample.dts) / self.part.timescale
        # What is shown before the key frame it follows needs pictures that were not sent.
        self._floor = self.part.seconds(sample.pts)
        self._advance()

    def anchor(self, shift: float) -> None:
        """Let RTP's time be this at the film's beginning, seconds."""
        self._shift = shift
        self._ticks = round(shift * self.part.track.clock_rate)

    @property
    def begun(self) -> bool:
        """Whether anything has left."""
        return self.numbers.packets > 0 or self.high > -NEVER

    @property
    def finish(self) -> float:
        """When the last sample of the track has been shown."""
        return self.part.end + self._lead

    def send(self, now: float) -> None:
        """Send the unit that is due, or as much of it as may leave at once."""
        unit, numbers, wire = self._unit, self.numbers, self.wire
        if unit is None:
            raise AssertionError("nothing is due")
        if self._burst < len(unit.bursts):
            burst = unit.bursts[self._burst]
            stamp = (numbers.base + unit.stamp + self._ticks) & 0xFFFFFFFF
            unit.address(burst, numbers.sequence, stamp, numbers.source)
            if wire is not None:
                wire.send(unit, burst)
                count = len(burst.starts)
                numbers.sequence += count
                numbers.packets += count
                numbers.octets += burst.end - burst.first - HEADER_BYTES * count
            self._burst += 1
            if self._burst < len(unit.bursts):
                in_time = now - unit.dts - self._lead < _SPREAD_SECONDS
                self.due = now + _BURST_SECONDS if burst.pause and in_time else now
                return
            high = unit.pts + self._shift
            self.high = max(self.high, high)
        self._advance()

    def delivered(self, sample: Sample, unit: Unit) -> bool:
        """A unit has been read; whether that is the one that is waited for."""
        if sample is not self.waits:
            return False
        self.waits = None
        self._unit = unit
        self.due = unit.dts + self._lead
        return True

    def account(self, seconds: float) -> rtcp.Account:
        """The source's account; ``seconds`` is RTP's time at this moment."""
        numbers = self.numbers
        time = numbers.base + int(seconds * self.part.track.clock_rate)
        return rtcp.Account(numbers.source, time & 0xFFFFFFFF, numbers.packets, numbers.octets)

    def move(self, wire: Wire | None) -> None:
        """Send there from now on."""
        before, self.wire = self.wire, wire
        if before is not None:
            before.close()

    def leave(self) -> None:
        """Free what it holds."""
        self._walk, self._unit, self.waits, self.due = iter(()), None, None, NEVER
        self._ready.clear()

    def _advance(self) -> None:
        """Make the next unit ready."""
        self._burst = 0
        self.waits = None
        for skipped in itertools.count():
            self._number += 1
            unit = self._ready.pop(self._number, None) or self._shared.get(self._number)
            if unit is None:
                unit = self._make()
            if unit is None:
                self._unit, self.due = None, NEVER
                return
            if unit.pts >= self._floor or skipped == _MOST_SKIPPED:
                self._unit, self.due = unit, unit.dts + self._lead
                return

    def _make(self) -> Unit | None:
        """The unit of the sample that is next; None at the end, or when it has to be waited for."""
        fresh = self._at != self._number
        if fresh:
            self._walk = self.part.samples.walk(self._number)
        sample = next(self._walk, None)
        if sample is None:
            return None
        self._at = self._number + 1
        unit = self._fetch(self, sample, True)
        if unit is None:
            self.waits = sample
        elif not fresh:  # the first one must not wait for others
            self._make_more(_BATCH_BYTES - sample.size)
        return unit

    def _make_more(self, room: int) -> None:
        """The units after it, as many as there is room for in bytes."""
        while room > 0 and len(self._ready) < _BATCH - 1:
            sample = next(self._walk, None)
            if sample is None:
                return
            unit = self._fetch(self, sample, False)
            if unit is None:
                self._at = -1  # the walk has passed it
                return
            self._at = sample.number + 1
            self._ready[sample.number] = unit
            room -= sample.size
