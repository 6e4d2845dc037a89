"""What a controller needs of whoever puts a medium on the wire. Pure.

The seam between the life of a stream and its packets. ``pipeline.GstSender`` sends anything, one
GStreamer pipeline per stream. A sender for the common case (H.264 and AAC in MP4 or Matroska, many
streams paced and batched by few threads) fits behind the same two protocols: it takes the tracks as
the library has them, so both describe a medium in the same words, and hands whatever it does not
know on to the other one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from iceflix.runtime.errors import ServiceError
from iceflix.streaming.library import Medium
from iceflix.streaming.sdp import Track, audio_port

Ended = Callable[[str], None]  # called once, with "" at the end of the medium, else with a reason


class MediaError(ServiceError):
    """A medium cannot be played; says why."""


@dataclass(frozen=True)
class Target:
    """Where the packets go: an IP address, the UDP port for video; audio goes to the port + 2."""

    address: str
    port: int

    @property
    def audio_port(self) -> int | None:
        """The port for audio, None when there is none so high."""
        return audio_port(self.port)


@dataclass(frozen=True)
class Order:
    """What is to be sent where; ``audio`` off leaves the sound out.

    It begins at the key frame at or before ``start``, seconds from the medium's beginning.
    """

    medium: Medium
    target: Target
    audio: bool = True
    start: float = 0.0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks that will be sent, video first."""
        wanted = self.medium.format.tracks
        return tuple(track for track in wanted if self.audio or track.media == "video")


@dataclass(frozen=True)
class Sent:
    """What has left so far: RTP packets and the bytes of their payload, all tracks."""

    packets: int = 0
    bytes: int = 0


class Stream(Protocol):
    """One stream that is being sent. Thread-safe; does nothing after its end."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is sent, as the session description is to say it."""

    @property
    def over(self) -> bool:
        """Whether it has come to an end, by itself or by ``stop``."""

    @property
    def position(self) -> float:
        """What is on the wire now, in seconds from the medium's beginning."""

    @property
    def seekable(self) -> bool:
        """Whether ``seek`` works."""

    @property
    def paused(self) -> bool:
        """Whether it has been paused."""

    @property
    def sent(self) -> Sent:
        """How much has left so far."""

    def pause(self) -> None:
        """Send nothing until ``resume``; nothing is lost. Again: nothing. Raises MediaError."""

    def resume(self) -> None:
        """Go on after ``pause``; otherwise nothing happens. Raises MediaError."""

    def seek(self, seconds: float) -> float:
        """Go on at the key frame at or before this position; returns where that is.

        RTP's sequence numbers and timestamps go on. A paused stream stays paused. Raises
        MediaError where it cannot be, and after the end.
        """

    def retarget(self, target: Target) -> None:
        """Go on to another address or port, without a gap and without a second stream."""

    def stop(self) -> None:
        """Send nothing more from now on, and free everything; not an end of its own."""


class Sender(Protocol):
    """Whoever puts media on the wire."""

    def start(self, order: Order, ended: Ended) -> Stream:
        """Send a medium, paced by its own clock.

        Returns when the first packet is on its way. ``ended`` is called from a thread of the
        sender, which it may hold up for a moment only. Raises MediaError when it cannot be played.
        """

    def close(self) -> None:
        """Stop everything."""
