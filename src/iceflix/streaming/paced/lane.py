"""One track on its way to one viewer: which unit is next, when, and under which numbers."""

import contextlib
import secrets
from collections.abc import Callable, Iterator

from iceflix.streaming.paced import rtcp
from iceflix.streaming.paced.index import Part
from iceflix.streaming.paced.packets import HEADER_BYTES, Burst, Unit
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.paced.wire import Wire

NEVER = float("inf")
_BURST_SECONDS = 0.003  # between the calls that a large unit takes
_SPREAD_SECONDS = 0.02  # after its time; what is left then goes at once
Fetch = Callable[["Lane", Sample], Unit | None]  # None: it will be ``delivered``


class Numbers:
    """What RTP counts for one source (RFC 3550, 5.1); begins at random, as it asks."""

    __slots__ = ("base", "octets", "packets", "sequence", "source")

    def __init__(self) -> None:
        self.source = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self.base = secrets.randbits(32)
        self.packets = self.octets = 0

    def count(self, burst: Burst) -> None:
        """These have been sent."""
        packets = len(burst.starts)
        self.sequence += packets
        self.packets += packets
        self.octets += burst.end - burst.first - HEADER_BYTES * packets


class Lane:  # pylint: disable=too-many-instance-attributes  # what is touched for every unit
    """Times are seconds of the film; who sends also says how they lie in time."""

    __slots__ = (
        "_burst",
        "_fetch",
        "_floor",
        "_lead",
        "_shift",
        "_ticks",
        "_unit",
        "_walk",
        "ahead",
        "due",
        "head",
        "high",
        "numbers",
        "part",
        "wire",
    )  # fmt: skip

    def __init__(self, part: Part, ahead: float, fetch: Fetch) -> None:
        """``ahead``: how many seconds before its time a unit may leave."""
        self.part = part
        self.ahead = ahead
        self.numbers = Numbers()
        self.wire: Wire | None = None
        self.due = NEVER  # when the next unit is to leave; NEVER while there is none to send
        self.head: Sample | None = None  # what comes next; None at the end
        self.high = -NEVER  # the latest presentation that was sent, with its shift
        self._shift, self._ticks = 0.0, 0  # RTP's time at the film's beginning
        self._fetch = fetch
        self._walk: Iterator[Sample] = iter(())
        self._unit: Unit | None = None
        self._burst = 0
        self._lead = 0.0
        self._floor = 0

    def enter(self, sample: Sample) -> None:
        """Go on with this sample, due at the time at which it is shown."""
        self._walk = self.part.samples.walk(sample.number)
        self._lead = (sample.pts - sample.dts) / self.part.timescale
        # What is shown before the key frame it follows needs pictures that were not sent.
        self._floor = sample.pts
        self._advance()

    def anchor(self, shift: float) -> None:
        """Let RTP's time be this at the film's beginning, seconds."""
        self._shift = shift
        self._ticks = round(shift * self.part.track.clock_rate)

    @property
    def finish(self) -> float:
        """When the last sample of the track has been shown."""
        return self.part.end + self._lead

    def send(self, now: float) -> None:
        """Send the unit that is due, or as much of it as may leave at once."""
        unit, head, numbers = self._unit, self.head, self.numbers
        if unit is None or head is None:
            raise AssertionError("nothing is due")
        bursts = unit.bursts
        if bursts:
            burst = bursts[self._burst]
            stamp = numbers.base + self.part.stamp(head.pts) + self._ticks
            unit.address(burst, numbers.sequence, stamp & 0xFFFFFFFF, numbers.source)
            if self.wire is not None:
                self.wire.send(unit, burst)
                numbers.count(burst)
            self._burst += 1
            if self._burst < len(bursts):
                in_time = now - self._time(head) < _SPREAD_SECONDS
                self.due = now + _BURST_SECONDS if burst.pause and in_time else now
                return
            self.high = max(self.high, self.part.seconds(head.pts) + self._shift)
        self._advance()

    def delivered(self, sample: Sample, unit: Unit) -> bool:
        """A unit has been read; whether that is the one we wait for."""
        if sample is not self.head or self._unit is not None:
            return False
        self._unit = unit
        self.due = self._time(sample)
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
            with contextlib.suppress(OSError):
                before.close()

    def leave(self) -> None:
        """Free what it holds."""
        self._walk, self._unit, self.head, self.due = iter(()), None, None, NEVER

    def _advance(self) -> None:
        self._burst = 0
        self._unit, self.due = None, NEVER
        for sample in self._walk:
            if sample.pts >= self._floor or self.part.track.media == "audio":
                break
        else:
            self.head = None
            return
        self.head = sample
        unit = self._fetch(self, sample)
        if unit is not None:
            self._unit = unit
            self.due = self._time(sample)

    def _time(self, sample: Sample) -> float:
        return self.part.seconds(sample.dts) + self._lead
