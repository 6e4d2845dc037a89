"""The sender that plays anything: one GStreamer pipeline per stream, inside this process.

Nothing outlives the process (V52), and streams share no thread but the one that hears their last
words. The packets go from GStreamer's threads to the network; Python sees none of them.
"""

import os
import select
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from iceflix.runtime.log import get_logger
from iceflix.streaming import gst
from iceflix.streaming.library import Medium, Stamp
from iceflix.streaming.plans import launch
from iceflix.streaming.sdp import Track
from iceflix.streaming.sender import Ended, MediaError, Order, Sent, Target
from iceflix.streaming.transport import Transport

_FIRST_PACKET_SECONDS = 8.0
# async=false: the sinks of one thread must not wait for each other's first packet.
_SINK = "multiudpsink async=false qos=false enable-last-sample=false name="
_VIDEO_SINK, _AUDIO_SINK = "to_video", "to_audio"
_RTP_HEADER_BYTES = 12
_Place = tuple[str, int]
_log = get_logger(__name__)


@dataclass
class _Status:
    target: Target | None = None
    over: bool = False
    failure: str = ""
    begun: threading.Event = field(default_factory=threading.Event)  # first packet or the end
    counted: Sent = field(
        default_factory=Sent
    )  # what went to places to which nothing goes any more


class GstStream:
    """One pipeline that sends. Built by GstSender."""

    def __init__(self, order: Order, ended: Ended, end: Callable[["GstStream"], None]) -> None:
        """Build and start the pipeline; ``end`` takes it down. Raises MediaError."""
        self._order = order
        self._ended = ended
        self._end = end
        self._lock = threading.Lock()
        self._status = _Status()
        plan = order.medium.format.plan
        text = launch(
            plan if order.audio else plan.silent, _SINK + _VIDEO_SINK, _SINK + _AUDIO_SINK
        )
        handle = open_as_read(order.medium)
        try:
            # GStreamer opens this very file, whatever its name is and whatever happens to it.
            self._pipeline = gst.Pipeline(text, f"/proc/self/fd/{handle}")
            pairs = {"video": _VIDEO_SINK, "audio": _AUDIO_SINK}
            wanted = {track.media for track in order.tracks}
            self._transport = Transport(
                self._pipeline, {key: sink for key, sink in pairs.items() if key in wanted}
            )
            try:
                self._begin()
            except MediaError:
                self._transport.close()
                raise
        finally:
            os.close(handle)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is sent."""
        return self._order.tracks

    @property
    def over(self) -> bool:
        """Whether nothing more will be sent."""
        return self._status.over

    @property
    def position(self) -> float:
        """Seconds from the medium's beginning."""
        return self._transport.position

    @property
    def seekable(self) -> bool:
        """Whether ``seek`` works."""
        return not self.over and self._transport.seekable

    @property
    def paused(self) -> bool:
        """Whether it has been paused."""
        return self._transport.paused

    @property
    def sent(self) -> Sent:
        """How much has left."""
        with self._lock:
            going = () if self._status.over else self._places(self._status.target)
            return self._count(self._status.counted, going)

    def pause(self) -> None:
        """Send nothing until ``resume``."""
        self._transport.pause()

    def resume(self) -> None:
        """Go on. Raises MediaError."""
        self._transport.resume()

    def seek(self, seconds: float) -> float:
        """Go on at the key frame at or before. Raises MediaError."""
        duration = self._order.medium.format.duration_seconds
        if seconds < 0 or (duration is not None and seconds > duration):
            raise MediaError("there is no such position in it")
        return self._transport.seek(seconds)

    @property
    def descriptor(self) -> int:
        """Readable while there is something to ``hear``."""
        return self._pipeline.descriptor

    def await_first_packet(self) -> None:
        """Raise MediaError when nothing comes."""
        if not self._status.begun.wait(_FIRST_PACKET_SECONDS):
            raise MediaError("it gives no picture in time")
        if self._status.failure:
            raise MediaError(self._status.failure)

    def retarget(self, target: Target) -> None:
        """Send there instead; to the new place first, so that no packet falls between."""
        with self._lock:
            before, self._status.target = self._status.target, target
            if self._status.over or before == target:
                return
            for sink, new in self._places(target):
                self._pipeline.add_receiver(sink, *new)
            self._leave(before)

    def stop(self) -> None:
        """Send nothing more."""
        self._end(self)

    def hear(self) -> bool:
        """Take note of what the pipeline says; returns whether it has ended."""
        for message in self._pipeline.messages():
            if message.kind == "warning":
                _log.warning("stream trouble", media=self._order.medium.id, reason=message.text)
                continue
            with self._lock:
                if self._status.over:
                    return True
                self._leave(self._status.target)
                self._status.over = True
            self._transport.give_up()
            if self._status.begun.is_set():
                self._ended(message.text)
            else:
                self._status.failure = message.text or "it ends before its first picture"
                self._status.begun.set()
            return True
        return False

    def silence(self) -> None:
        """Nothing more leaves from now on; ``close`` frees the rest."""
        with self._lock:
            if not self._status.over:
                self._leave(self._status.target)
            self._status.over = True
        self._transport.give_up()

    def close(self) -> None:
        """Free the pipeline; waits for its threads."""
        self._transport.close()

    def _begin(self) -> None:
        """Send from the order's start on. Raises MediaError."""
        self._pipeline.on_output("video", self._first_packet)
        if self._order.start > 0:
            # It must have read the file's head before it can seek; nobody gets that first packet.
            self._pipeline.pause()
            self.await_first_packet()
            self._transport.seek(self._order.start, going=False)
        self.retarget(self._order.target)
        self._pipeline.play()

    def _first_packet(self, _timed: bool) -> bool:
        self._status.begun.set()
        return False

    def _leave(self, target: Target | None) -> None:
        """Send there no more; with the lock held."""
        places = self._places(target)
        self._status.counted = self._count(self._status.counted, places)
        for sink, place in places:
            self._pipeline.remove_receiver(sink, *place)

    def _count(self, counted: Sent, places: Iterable[tuple[str, _Place]]) -> Sent:
        packets, octets = counted.packets, counted.bytes
        for sink, place in places:
            found, gross = self._pipeline.served(sink, *place)
            packets, octets = packets + found, octets + gross - _RTP_HEADER_BYTES * found
        return Sent(packets, octets)

    def _places(self, target: Target | None) -> list[tuple[str, _Place]]:
        """Which sink sends where for this target."""
        if target is None:
            return []
        found = [(_VIDEO_SINK, (target.address, target.port))]
        heard = any(track.media == "audio" for track in self.tracks)
        if heard and target.audio_port is not None:
            found.append((_AUDIO_SINK, (target.address, target.audio_port)))
        return found


class GstSender:
    """Starts pipelines and hears when they end."""

    def __init__(self) -> None:
        """Load GStreamer. Raises SetupError."""
        gst.require()
        self._lock = threading.Lock()
        self._streams: dict[int, GstStream] = {}
        self._poll = select.epoll()
        self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll.register(self._wake[0], select.EPOLLIN)
        # Taking a pipeline down waits for its threads: one slow disk must not hold up the others.
        self._undertakers = ThreadPoolExecutor(4, thread_name_prefix="stream-end")
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name="streams", daemon=True)
        self._thread.start()

    def start(self, order: Order, ended: Ended) -> GstStream:
        """Send a medium. Raises MediaError."""
        stream = GstStream(order, ended, self._end)
        with self._lock:
            if self._closed:
                stream.close()
                raise MediaError("the service is stopping")
            self._streams[stream.descriptor] = stream
            self._poll.register(stream.descriptor, select.EPOLLIN)
        try:
            stream.await_first_packet()
        except MediaError:
            self._end(stream)
            raise
        return stream

    def close(self) -> None:
        """Stop everything."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            streams = list(self._streams.values())
        for stream in streams:
            self._end(stream)
        os.write(self._wake[1], b"x")
        self._thread.join(2)
        self._undertakers.shutdown(wait=True)
        self._poll.close()
        for pipe in self._wake:
            os.close(pipe)

    def _end(self, stream: GstStream) -> None:
        """Silence a stream at once and free it soon."""
        stream.silence()
        with self._lock:
            if self._streams.get(stream.descriptor) is not stream:
                return
            del self._streams[stream.descriptor]
            self._poll.unregister(stream.descriptor)
        self._undertakers.submit(stream.close)

    def _listen(self) -> None:
        while not self._closed:
            for descriptor, _events in self._poll.poll():
                with self._lock:
                    stream = self._streams.get(descriptor)
                if stream is None:
                    continue
                try:
                    over = stream.hear()
                except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                    _log.exception("a stream's end went wrong")
                    over = True
                if over:
                    self._end(stream)


def open_as_read(medium: Medium) -> int:
    """Open the medium's file, if it is still the one whose digest is known. Raises MediaError."""
    try:
        handle = os.open(medium.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MediaError(f"its file cannot be opened: {error.strerror}") from None
    if Stamp.of(os.fstat(handle)) != medium.stamp:
        os.close(handle)
        raise MediaError("its file has changed")
    return handle
