"""The paced sender: few threads for all streams, another sender for what it does not know."""

import threading
from concurrent.futures import ThreadPoolExecutor

from iceflix.runtime.log import get_logger
from iceflix.streaming.library import Medium
from iceflix.streaming.paced.boxes import Unfit
from iceflix.streaming.paced.pacer import Pacer
from iceflix.streaming.paced.source import Shelf, Source, Sources
from iceflix.streaming.paced.stream import Desk, PacedStream
from iceflix.streaming.paced.wire import Post
from iceflix.streaming.plans import COPY, NOTHING
from iceflix.streaming.sender import Ended, MediaError, Order, Sender, Stream

_READERS = 4  # they wait for disks
_log = get_logger(__name__)


class PacedSender:
    """Sends H.264 and H.265 with AAC, MP3 or Opus out of MP4 files; the rest goes to ``other``."""

    def __init__(self, other: Sender, *, reports: bool = True) -> None:
        """``reports``: whether RTCP's sender reports go to the ports above those of RTP."""
        self._other = other
        self._sources = Sources()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="stream-read")
        self._desk = Desk(Pacer(), self._readers, Shelf(), Post() if reports else None)
        self._lock = threading.Lock()
        self._streams: set[PacedStream] = set()
        self._closed = False

    def start(self, order: Order, ended: Ended) -> Stream:
        """Send a medium. Raises MediaError."""
        source = self._source(order.medium)
        if source is None:
            return self._other.start(order, ended)

        def over(reason: str) -> None:
            self._forget(stream)
            ended(reason)

        stream = PacedStream(order, source, over, self._desk)
        with self._lock:
            closed = self._closed
            self._streams = {one for one in self._streams if not one.over} | {stream}
        try:
            if closed:
                raise MediaError("the service is stopping")
            stream.begin()
            stream.await_first_packet()
        except MediaError:
            stream.stop()
            self._forget(stream)
            raise
        return stream

    def close(self) -> None:
        """Stop everything."""
        with self._lock:
            closed, self._closed = self._closed, True
            streams, self._streams = self._streams, set()
        if closed:
            return
        for stream in streams:
            stream.stop()
        self._desk.pacer.close()
        self._readers.shutdown(wait=True)
        if self._desk.post is not None:
            self._desk.post.close()
        self._other.close()

    def _source(self, medium: Medium) -> Source | None:
        """What the medium is sent from; None when it is the other's. Raises MediaError."""
        plan = medium.format.plan
        if plan.demuxer != "qtdemux" or plan.video != COPY or plan.audio not in (COPY, NOTHING):
            return None
        try:
            return self._sources.open(medium)
        except Unfit as reason:
            _log.debug("not for the paced sender", media=medium.id, reason=str(reason))
            return None

    def _forget(self, stream: PacedStream) -> None:
        with self._lock:
            self._streams.discard(stream)
