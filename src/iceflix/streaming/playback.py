"""The stream of one controller: started, moved, started again, described."""

import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from iceflix.runtime.errors import InvalidRequest
from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Medium
from iceflix.streaming.sdp import PORTS, Session, session_description
from iceflix.streaming.sender import MediaError, Order, Sender, Stream, Target

_log = get_logger(__name__)


@dataclass(frozen=True)
class Studio:
    """What playbacks work with; ``find`` gives a medium's place at this moment."""

    sender: Sender
    find: Callable[[str], Medium | None]
    audio: bool


class Playback:
    """Thread-safe. Nothing is sent until ``play``; ``close`` is for good."""

    def __init__(self, media_id: str, studio: Studio) -> None:
        self.media_id = media_id
        self._studio = studio
        self._lock = threading.Lock()  # held while a stream starts, moves or stops
        self._stream: Stream | None = None
        self._closed = False
        self._session = (secrets.randbits(62), 0)  # identifier, version: RFC 8866, 5.2

    @property
    def sending(self) -> bool:
        """Whether packets are leaving."""
        stream = self._stream
        return stream is not None and not stream.over

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
        with self._lock:
            if self._closed:
                return None
            medium = self._studio.find(self.media_id)
            if medium is None:
                raise InvalidRequest("this medium is not here any more")
            if self._stream is None or self._stream.over:
                self._stream = self._start(medium, target)
            else:
                self._stream.retarget(target)
            tracks = self._stream.tracks
            self._session = (self._session[0], self._session[1] + 1)
        _log.info("sending", media=self.media_id, to=f"{target.address} port {target.port}")
        session = Session(
            *self._session,
            medium.title,
            _own_address_towards(target),
            target.address,
            medium.format.duration_seconds,
        )
        return session_description(session, tracks, target.port)

    def close(self) -> None:
        """Send nothing more, ever; returns when no packet leaves any more."""
        with self._lock:
            self._closed = True
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.stop()

    def _start(self, medium: Medium, target: Target) -> Stream:
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

        try:
            return self._studio.sender.start(Order(medium, target, self._studio.audio), ended)
        except MediaError as error:
            raise InvalidRequest(f"{medium.title!r} cannot be played: {error}") from None


def _own_address_towards(target: Target) -> str:
    """The address from which packets to this target leave; the target's own when unknown."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target.address, target.port))
        except OSError:
            return target.address
        return str(probe.getsockname()[0])
