"""One viewer's stream: its lanes, its place in the film, its controls."""

import threading
from concurrent.futures import Executor
from dataclasses import dataclass, field

from iceflix.runtime.log import get_logger
from iceflix.streaming.paced import rtcp
from iceflix.streaming.paced.lane import Lane
from iceflix.streaming.paced.pacer import NEVER, Pacer
from iceflix.streaming.paced.packets import Unit
from iceflix.streaming.paced.source import CutOff, Shelf, Source
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.paced.wire import Post, Wire
from iceflix.streaming.sdp import Track
from iceflix.streaming.sender import Ended, MediaError, Order, Sent, Target

_FIRST_PACKET_SECONDS = 8.0
# Pictures leave at their time; sound with the picture before it, at most so much ahead.
_AHEAD = {"video": 0.0005, "audio": 0.045}
_LATE_SECONDS = 0.5  # what is later than this is not caught up: the film goes on from there
_MOST_UNITS = 48  # of a track at once: a file that has all of them due now must not stop the others
_STEP_SECONDS = 0.04  # by which RTP's time goes on at least over a seek
_log = get_logger(__name__)


@dataclass(frozen=True)
class Desk:
    """What all streams work with; ``post`` sends RTCP, if it is to be sent."""

    pacer: Pacer
    readers: Executor
    shelf: Shelf
    post: Post | None


@dataclass
class _Time:
    """How the film lies in the clock's time; seconds."""

    since: float = 0.0  # the clock at the stream's beginning: RTP's zero
    origin: float = 0.0  # the clock at the film's beginning, as it is being sent
    slip: float = 0.0  # how much RTP's time is ahead of the clock, after seeks
    paused_at: float | None = None  # of the film


@dataclass
class _State:
    target: Target
    ended: Ended
    time: _Time = field(default_factory=_Time)
    begun: threading.Event = field(default_factory=threading.Event)  # first packet or the end
    over: bool = False
    failure: str = ""
    report_due: float = 0.0


class PacedStream:
    """Built and begun by PacedSender. The pacer's thread sends, others control."""

    def __init__(self, order: Order, source: Source, ended: Ended, desk: Desk) -> None:
        """Takes over the caller's hold of the source."""
        self.ticket = 0
        self.order = order
        self._source = source
        self._desk = desk
        self._lock = threading.RLock()
        self._state = _State(order.target, ended)
        self._lanes = [
            Lane(part, source.units[part], _AHEAD[part.track.media], self._fetch)
            for part in source.parts
            if order.audio or part.track.media == "video"
        ]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is sent."""
        return self.order.tracks

    @property
    def over(self) -> bool:
        """Whether nothing more will be sent."""
        return self._state.over

    @property
    def position(self) -> float:
        """Second of the film."""
        state = self._state
        if state.time.paused_at is not None:
            return state.time.paused_at
        end = max(lane.part.end for lane in self._lanes)
        return min(max(0.0, self._desk.pacer.clock() - state.time.origin), end)

    @property
    def seekable(self) -> bool:
        """Whether it goes on."""
        return not self._state.over

    @property
    def paused(self) -> bool:
        """Whether it has been paused."""
        return self._state.time.paused_at is not None

    @property
    def sent(self) -> Sent:
        """How much has left."""
        numbers = [lane.numbers for lane in self._lanes]
        return Sent(sum(one.packets for one in numbers), sum(one.octets for one in numbers))

    # -- what viewers do

    def begin(self) -> None:
        """Send from the order's start on."""
        with self._lock:
            self._state.time.since = self._desk.pacer.clock()
            self._connect(self.order.target)
            self._enter(self.order.start)

    def await_first_packet(self) -> None:
        """Return when the first packet has left. Raises MediaError when none does."""
        if not self._state.begun.wait(_FIRST_PACKET_SECONDS):
            raise MediaError("it gives no picture in time")
        if self._state.failure:
            raise MediaError(self._state.failure)

    def retarget(self, target: Target) -> None:
        """Send there instead, from the next packet on."""
        with self._lock:
            if not self._state.over and target != self._state.target:
                self._connect(target)
                self._state.report_due = 0.0

    def pause(self) -> None:
        """Hold."""
        with self._lock:
            state = self._state
            if state.time.paused_at is None and not state.over:
                state.time.paused_at = max(0.0, self._desk.pacer.clock() - state.time.origin)

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            state = self._state
            if state.time.paused_at is not None and not state.over:
                now = self._desk.pacer.clock()
                self._anchor(now - state.time.paused_at)
                state.time.paused_at = None
                self._desk.pacer.wake(self, now)

    def seek(self, seconds: float) -> float:
        """Go on at the key frame at or before. Raises MediaError."""
        with self._lock:
            if self._state.over:
                raise MediaError("it has ended")
            duration = self.order.medium.format.duration_seconds
            if seconds < 0 or (duration is not None and seconds > duration):
                raise MediaError("there is no such position in it")
            return self._enter(seconds)

    def stop(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._finish()
        self._state.begun.set()

    # -- what the pacer and the readers do

    def advance(self, now: float) -> float | None:
        """Send what is due; returns when there will be more."""
        with self._lock:
            state = self._state
            if state.over:
                return None
            if now >= state.report_due:
                self._report(now)
            if state.time.paused_at is not None:
                return state.report_due
            film = now - state.time.origin
            due = self._send(film)
            if not state.begun.is_set() and any(lane.begun for lane in self._lanes):
                state.begun.set()
            if due < NEVER:
                return min(due + state.time.origin, state.report_due)
            if any(lane.waits is not None for lane in self._lanes):
                return state.report_due  # the disk is slow: ``_deliver`` wakes us
            finish = max(lane.finish for lane in self._lanes)
            if film < finish:
                return min(finish + state.time.origin, state.report_due)
            self._finish()
        self._tell("")
        return None

    def fail(self, reason: str) -> None:
        """End with a reason, if it has not ended."""
        with self._lock:
            if self._state.over:
                return
            self._state.failure = reason
            self._finish()
        self._tell(reason)

    # -- inside, with the lock held

    def _send(self, film: float) -> float:
        """Send from all lanes; returns when the next unit is due, NEVER when none is known."""
        first = NEVER
        for lane in self._lanes:
            late = film - lane.due
            if late > _LATE_SECONDS:
                self._anchor(self._state.time.origin + late)
                film -= late
            limit = film + lane.ahead
            for _ in range(_MOST_UNITS):
                if lane.due > limit:
                    break
                lane.send(film)
            first = min(first, lane.due)
        return first

    def _enter(self, seconds: float) -> float:
        """Go on with the key frame at or before; returns its position."""
        picture, *others = self._lanes
        key = picture.part.key_before(seconds)
        position = picture.part.seconds(key.pts)
        if others and key.number == 0:
            # The film may begin with sound alone.
            position = min(position, max(0.0, seconds))
        starts = [key, *(lane.part.samples.at(lane.part.at(position)) for lane in others)]
        now = self._desk.pacer.clock()
        state = self._state
        for lane, sample in zip(self._lanes, starts, strict=True):
            # RTP's time must not go back, though sound and pictures have been sent ahead.
            ahead = lane.high + _STEP_SECONDS - lane.part.seconds(sample.pts)
            state.time.slip = max(
                state.time.slip, ahead - (now - position - self._state.time.since)
            )
        self._anchor(now - position)
        if state.time.paused_at is not None:
            state.time.paused_at = position
        for lane, sample in zip(self._lanes, starts, strict=True):
            lane.enter(sample)
        self._desk.pacer.wake(self, now)
        return position

    def _anchor(self, origin: float) -> None:
        """Let the film's beginning be at this time of the clock."""
        self._state.time.origin = origin
        for lane in self._lanes:
            lane.anchor(origin - self._state.time.since + self._state.time.slip)

    def _connect(self, target: Target) -> None:
        self._state.target = target
        ports = {"video": target.port, "audio": target.audio_port}
        for lane in self._lanes:
            port = ports[lane.part.track.media]
            try:
                # Sound never takes more than a packet: nothing to cut up.
                cut = lane.part.track.media == "video"
                lane.move(None if port is None else Wire(target.address, port, segments=cut))
            except OSError as error:
                lane.move(None)
                _log.warning("no way there", address=target.address, reason=error.strerror)

    def _report(self, now: float, *, bye: bool = False) -> None:
        """Tell the players what time it is (RFC 3550, 6.4.1)."""
        self._state.report_due = now + rtcp.REPORT_SECONDS
        post, target = self._desk.post, self._state.target
        if post is None:
            return
        ports = {"video": target.port, "audio": target.audio_port}
        for lane in self._lanes:
            port = ports[lane.part.track.media]
            if port is not None and lane.wire is not None:
                account = lane.account(now - self._state.time.since + self._state.time.slip)
                post.send(target.address, port + 1, account, bye=bye)

    def _finish(self) -> None:
        """Nothing more leaves; everything is freed."""
        if self._state.over:
            return
        self._report(self._desk.pacer.clock(), bye=True)
        self._state.over = True
        for lane in self._lanes:
            lane.move(None)
            lane.leave()
        self._source.release()

    def _tell(self, reason: str) -> None:
        if self._state.begun.is_set():
            self._state.ended(reason)
        else:
            self._state.failure = reason or "it ends before its first picture"
            self._state.begun.set()

    def _fetch(self, lane: Lane, sample: Sample, needed: bool) -> Unit | None:
        """The sample's unit; None when the disk has to be waited for, which is done if needed."""
        data = self._source.peek(sample)
        if data is None:
            if needed:
                self._request(lane, sample)
            return None
        unit = lane.part.unit(sample, data)
        if self._source.holders > 1:
            self._desk.shelf.put(self._source.units[lane.part], sample.number, unit)
        return unit

    def _request(self, lane: Lane, sample: Sample) -> None:
        """Have a sample read by somebody who may wait."""

        def read() -> None:
            try:
                unit = lane.part.unit(sample, self._source.read(sample))
            except CutOff:
                self.fail("its file has been cut short")
            except OSError as error:
                self.fail(f"its file cannot be read: {error.strerror}")
            else:
                self._deliver(lane, sample, unit)
            finally:
                self._source.release()

        if self._source.hold():
            self._desk.readers.submit(read)

    def _deliver(self, lane: Lane, sample: Sample, unit: Unit) -> None:
        with self._lock:
            if not self._state.over and lane.delivered(sample, unit):
                self._desk.pacer.wake(self, self._desk.pacer.clock())
