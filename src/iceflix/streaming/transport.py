"""Play, pause and seek in one GStreamer pipeline, as a tape transport does it."""

import contextlib
import queue
import threading

from iceflix.streaming import gst
from iceflix.streaming.sender import MediaError

_POLL_SECONDS = 0.05
_LANDING_SECONDS = 8.0
# A demuxer that rounds to its own time scale would miss the key frame that it is told exactly; and
# where the sound before a key frame is what it lands on, it begins at a picture further back that
# no sink would send: then a little later.
_NUDGES_SECONDS = (0.001, 0.03, 0.1, 0.3)


class Transport:
    """Drives a pipeline whose payloaders and sinks are paired by name. Thread-safe.

    RTP's sequence numbers and timestamps go on over a seek, but for the few packets that had been
    numbered and not been sent; the time of a pause does not count.
    """

    def __init__(self, pipeline: gst.Pipeline, pairs: dict[str, str]) -> None:
        """``pairs``: payloader -> sink; the payloader "video" is the one that tells positions."""
        self._pipeline = pipeline
        self._pairs = pairs
        self._lock = threading.Lock()  # held while the pipeline changes its state
        self._closed = threading.Event()
        self._from = 0.0  # position at which the running time was zero
        self._before = 0.0  # running time, in all, before that
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether it has been paused."""
        return self._paused

    @property
    def position(self) -> float:
        """Seconds of the medium."""
        return self._from + max(0.0, self._pipeline.running_seconds)

    @property
    def seekable(self) -> bool:
        """Whether the source can be positioned."""
        return not self._closed.is_set() and self._pipeline.seekable

    def pause(self) -> None:
        """Hold; again: nothing."""
        with self._lock:
            if not self._paused and not self._closed.is_set():
                self._pipeline.pause()
                self._paused = True

    def resume(self) -> None:
        """Go on; if it does: nothing. Raises MediaError."""
        with self._lock:
            if self._paused and not self._closed.is_set():
                self._pipeline.play()
                self._paused = False

    def seek(self, seconds: float, *, going: bool = True) -> float:
        """Go to the key frame at or before; returns its position. Raises MediaError.

        With ``going`` off the pipeline has not been started yet and is left in pause.
        """
        with self._lock:
            if self._closed.is_set():
                raise MediaError("it has ended")
            if not self._pipeline.seekable:
                raise MediaError("one cannot seek in it")
            if going and not self._paused:
                self._pipeline.pause()
            try:
                return self._seek(seconds)
            finally:
                if going and not self._paused and not self._closed.is_set():
                    self._pipeline.play()

    def close(self) -> None:
        """Take the pipeline down; waits for its threads."""
        self._closed.set()
        with self._lock:
            self._pipeline.close()

    def give_up(self) -> None:
        """Hold nobody up any more: ``close`` follows."""
        self._closed.set()

    def _seek(self, seconds: float) -> float:
        ran = self._before + max(0.0, self._pipeline.running_seconds)
        for payloader, sink in self._pairs.items():
            self._pipeline.postpone(payloader, sink, ran)
        self._from = seconds
        for nudge in _NUDGES_SECONDS:
            landed = self._jump(seconds + nudge)
            self._before = ran
            if landed is not None:
                self._from = landed
                return landed
        raise MediaError("there is no picture at that position")

    def _jump(self, seconds: float) -> float | None:
        """Seek once; returns where the picture goes on, None where it would not be whole."""
        landings: queue.SimpleQueue[float | None] = queue.SimpleQueue()

        def see(picture: float | None, _segment: float) -> None:
            landings.put(picture)

        def hear(_sound: float | None, segment: float) -> None:
            # In pause one thread may hold the sound that comes first, and with it the picture.
            landings.put(segment)

        self._pipeline.on_landing("video", see)
        if "audio" in self._pairs:
            self._pipeline.on_landing("audio", hear)
        if not self._pipeline.seek(seconds):
            raise MediaError("there is no such position in it")
        for _ in range(round(_LANDING_SECONDS / _POLL_SECONDS)):
            with contextlib.suppress(queue.Empty):
                return landings.get(timeout=_POLL_SECONDS)
            if self._closed.is_set():
                break
        raise MediaError("there is no picture at that position")
