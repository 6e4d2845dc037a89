"""The stream of one controller: started, moved, paused, positioned, started again, described."""

import contextlib
import math
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from iceflix.runtime.errors import ControlRefusal, InvalidRequest
from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Format, Medium
from iceflix.streaming.sdp import PORTS, Session, Track, session_description
from iceflix.streaming.sender import MediaError, Order, Sender, Sent, Stream, Target

_log = get_logger(__name__)
_GONE = "this medium is not here any more"


class Offer(Protocol):
    """A medium that is offered over RTSP under a path of its own."""

    def url(self, address: str) -> str:
        """The URL for somebody who reaches us at this IP address."""

    def withdraw(self) -> None:
        """Offer it no more and end its RTSP sessions; returns when no packet leaves any more."""


@dataclass(frozen=True)
class Studio:
    """What playbacks work with; ``find`` gives a medium's place at this moment.

    ``offer`` offers a medium over RTSP, with its sound or without, and raises MediaError or
    ControlRefusal; None where there is no RTSP.
    """

    sender: Sender
    find: Callable[[str], Medium | None]
    audio: bool
    offer: Callable[[Medium, bool], Offer] | None = None


@dataclass(frozen=True)
class Progress:
    """How a playback stands, in seconds of the medium; the duration is None when unknown."""

    position: float = 0.0
    duration: float | None = None
    sending: bool = False
    paused: bool = False
    seekable: bool = False
    sent: Sent = field(default_factory=Sent)


@dataclass
class _Course:
    """What a playback has come to. Guarded by the playback's lock."""

    stream: Stream | None = None
    target: Target | None = None
    start: float | None = None  # where the next description is to begin, if somebody said so
    earlier: Sent = field(default_factory=Sent)  # by streams that have ended
    offer: Offer | None = None
    closed: bool = False
    form: Format | None = None  # the medium's, as it was when it was last here


class Playback:
    """Thread-safe. Nothing is sent until ``play``; ``close`` is for good."""

    def __init__(self, media_id: str, studio: Studio) -> None:
        self.media_id = media_id
        self._studio = studio
        self._lock = threading.Lock()  # held while a stream starts, moves or stops
        self._course = _Course()
        self._session = (secrets.randbits(62), 0)  # identifier, version: RFC 8866, 5.2

    @property
    def sending(self) -> bool:
        """Whether packets are leaving, or would if it were not paused."""
        stream = self._course.stream
        return stream is not None and not stream.over

    @property
    def progress(self) -> Progress:
        """Where it is. Waits for nobody."""
        stream, earlier = self._course.stream, self._course.earlier
        form = self.form
        duration = form.duration_seconds if form is not None else None
        if stream is None:
            return Progress(self._course.start or 0.0, duration)
        sent = Sent(earlier.packets + stream.sent.packets, earlier.bytes + stream.sent.bytes)
        sending = not stream.over
        return Progress(
            stream.position, duration, sending, sending and stream.paused, stream.seekable, sent
        )

    @property
    def form(self) -> Format | None:
        """The format of the file; None when it has not been here since the playback began."""
        medium = self._studio.find(self.media_id)
        if medium is not None:
            self._course.form = medium.format
        return self._course.form

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is sent, video first."""
        form, audio = self.form, self._studio.audio
        everything = form.tracks if form is not None else ()
        return tuple(track for track in everything if audio or track.media == "video")

    @staticmethod
    def require_port(port: int) -> None:
        """Raise InvalidRequest for a port to which nothing is sent (V44)."""
        if port not in PORTS:
            raise InvalidRequest(f"the port must be between 1024 and 65535, not {port}")

    def play(self, target: Target) -> str | None:
        """Send to this target and return the session description; None after the end.

        A stream that is running goes on to the new target (V44); after the end of the medium a
        new one begins (V51). Raises InvalidRequest when the medium cannot be played.
        """
        course = self._course
        with self._lock:
            if course.closed:
                return None
            medium = self._medium(InvalidRequest)
            try:
                stream, first = self._direct(medium, target)
            except MediaError as error:
                raise InvalidRequest(f"{medium.title!r} cannot be played: {error}") from None
            tracks = stream.tracks
            self._session = (self._session[0], self._session[1] + 1)
        _log.info("sending", media=self.media_id, to=f"{target.address} port {target.port}")
        session = Session(
            *self._session,
            medium.title,
            _own_address_towards(target),
            target.address,
            medium.format.duration_seconds,
            first,
        )
        return session_description(session, tracks, target.port)

    def start_at(self, seconds: float) -> None:
        """Begin there at the next ``play``. Raises ControlRefusal."""
        with self._lock:
            self._require_position(seconds)
            if self._running() is not None and not self._require_stream().seekable:
                raise ControlRefusal("this stream cannot be positioned while it runs")
            self._course.start = seconds

    def pause(self) -> None:
        """Send nothing until ``resume``. Raises ControlRefusal."""
        with self._lock, _refusing():
            self._require_stream().pause()

    def resume(self) -> None:
        """Go on after ``pause``. Raises ControlRefusal."""
        with self._lock, _refusing():
            self._require_stream().resume()

    def seek(self, seconds: float) -> float:
        """Go on at the key frame at or before this position, and return where that is.

        After the end of the medium sending begins again, to the same target. Raises
        ControlRefusal.
        """
        with self._lock, _refusing():
            self._require_position(seconds)
            target = self._course.target
            if target is None:
                raise ControlRefusal("nothing has been sent yet: call getSDP first, or startAt")
            stream = self._running()
            if stream is not None:
                try:
                    return stream.seek(seconds)
                except MediaError:
                    if not stream.over:
                        raise
            return self._start(self._medium(ControlRefusal), target, seconds).position

    def offer(self, address: str) -> str | None:
        """An RTSP URL of this playback, for somebody who reaches us at this address.

        None after the end. Raises ControlRefusal.
        """
        course = self._course
        with self._lock, _refusing():
            if course.closed:
                return None
            if self._studio.offer is None:
                raise ControlRefusal("this provider offers no RTSP (Stream.RtspPort=off)")
            if course.offer is None:
                medium = self._medium(ControlRefusal)
                course.offer = self._studio.offer(medium, self._studio.audio)
            return course.offer.url(address)

    def close(self) -> None:
        """Send nothing more, ever; returns when no packet leaves any more."""
        course = self._course
        with self._lock:
            course.closed = True
            stream, course.stream = course.stream, None
            offer, course.offer = course.offer, None
            if stream is not None:
                stream.stop()
        if offer is not None:
            offer.withdraw()

    # -- inside, under the lock

    def _direct(self, medium: Medium, target: Target) -> tuple[Stream, float]:
        """Have it sent to this target; returns the stream and the position that it sends first."""
        stream, start = self._running(), self._course.start
        if stream is None:
            stream = self._start(medium, target, start or 0.0)
            first = stream.position if start else 0.0
        else:
            stream.retarget(target)
            first = stream.position if start is None else stream.seek(start)
        self._course.target, self._course.start = target, None
        return stream, first

    def _start(self, medium: Medium, target: Target, start: float) -> Stream:
        plan = medium.format.plan
        if plan.transcodes:
            _log.info(
                "transcoding", media=self.media_id, picture=plan.video, sound=plan.audio or "none"
            )

        def ended(reason: str) -> None:
            if reason:
                _log.warning("stream broke", media=self.media_id, reason=reason)
            else:
                _log.info("end of the medium", media=self.media_id)

        order = Order(medium, target, self._studio.audio, start)
        stream = self._studio.sender.start(order, ended)
        course = self._course
        if course.stream is not None:
            before, last = course.earlier, course.stream.sent
            course.earlier = Sent(before.packets + last.packets, before.bytes + last.bytes)
        course.stream = stream
        return stream

    def _running(self) -> Stream | None:
        stream = self._course.stream
        return None if stream is None or stream.over else stream

    def _require_stream(self) -> Stream:
        stream = self._running()
        if stream is None:
            raise ControlRefusal("nothing is being sent: call getSDP first, or again at the end")
        return stream

    def _require_position(self, seconds: float) -> None:
        duration = self._medium(ControlRefusal).format.duration_seconds
        if not (math.isfinite(seconds) and 0 <= seconds <= (duration or math.inf)):
            lasts = "" if duration is None else f"; it lasts {duration:.3f} seconds"
            raise ControlRefusal(f"this medium has no position {seconds:g} seconds{lasts}")

    def _medium(self, error: type[ControlRefusal | InvalidRequest]) -> Medium:
        medium = self._studio.find(self.media_id)
        if medium is None:
            raise error(_GONE)
        return medium


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Let what the medium does not allow be a refusal."""
    try:
        yield
    except MediaError as error:
        raise ControlRefusal(f"this medium does not allow it: {error}") from None


def _own_address_towards(target: Target) -> str:
    """The address from which packets to this target leave; the target's own when unknown."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target.address, target.port))
        except OSError:
            return target.address
        return str(probe.getsockname()[0])
