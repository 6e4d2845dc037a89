"""The one door to GStreamer: loaded when first needed, checked, and typed.

Nothing else imports ``gi``. What passes through here are plain strings, numbers and callables.
"""

import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from iceflix.runtime.errors import SetupError
from iceflix.streaming.sender import MediaError

# Element -> the Debian package that brings it.
_ELEMENTS = {
    "filesrc": "libgstreamer1.0-0",
    "fakesink": "libgstreamer1.0-0",
    "queue": "libgstreamer1.0-0",
    "decodebin": "gstreamer1.0-plugins-base",
    "videoconvert": "gstreamer1.0-plugins-base",
    "audioresample": "gstreamer1.0-plugins-base",
    "qtdemux": "gstreamer1.0-plugins-good",
    "matroskademux": "gstreamer1.0-plugins-good",
    "avidemux": "gstreamer1.0-plugins-good",
    "aacparse": "gstreamer1.0-plugins-good",
    "rtph264pay": "gstreamer1.0-plugins-good",
    "multiudpsink": "gstreamer1.0-plugins-good",
    "h264parse": "gstreamer1.0-plugins-bad",
    "tsdemux": "gstreamer1.0-plugins-bad",
    "x264enc": "gstreamer1.0-plugins-ugly",
    "avenc_aac": "gstreamer1.0-libav",
}
_BINDINGS = "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"
_NANOSECONDS = 1_000_000_000
_HEAD_BYTES = 65536
_load_lock = threading.Lock()


@dataclass(frozen=True)
class Message:
    """What a pipeline has to say: ``kind`` is "end", "error" or "warning"."""

    kind: str
    text: str = ""


@functools.cache
def _modules() -> dict[str, ModuleType]:
    try:
        gi = importlib.import_module("gi")
        for name in ("Gst", "GstBase", "GstPbutils"):
            gi.require_version(name, "1.0")
        found = {
            name: importlib.import_module(f"gi.repository.{name}")
            for name in ("GLib", "Gst", "GstBase", "GstPbutils")
        }
    except (ImportError, ValueError) as error:
        raise SetupError(
            f"GStreamer's Python bindings are missing; install them with: apt install {_BINDINGS}"
        ) from error
    found["Gst"].init(None)
    missing = {
        package
        for element, package in _ELEMENTS.items()
        if found["Gst"].ElementFactory.find(element) is None
    }
    if missing:
        raise SetupError(
            "GStreamer lacks plugins; install them with: apt install " + " ".join(sorted(missing))
        )
    return found


def _gst() -> Any:
    with _load_lock:
        return _modules()["Gst"]


def modules() -> dict[str, ModuleType]:
    """GStreamer's modules by their names, loaded and checked. Raises SetupError."""
    with _load_lock:
        return _modules()


@functools.cache
def further(name: str, package: str) -> ModuleType:
    """One more of GStreamer's modules. Raises SetupError naming the package that brings it."""
    modules()
    try:
        importlib.import_module("gi").require_version(name, "1.0")
        return importlib.import_module(f"gi.repository.{name}")
    except (ImportError, ValueError) as error:
        raise SetupError(f"install what is missing with: apt install {package}") from error


def require() -> None:
    """Load GStreamer. Raises SetupError naming the Debian packages when something is missing."""
    _gst()


def version() -> str:
    """GStreamer's version, to tell results of different versions apart."""
    return ".".join(str(number) for number in _gst().version()[:3])


def media_type(head: bytes) -> str | None:
    """The media type of a file that begins like this; None when nothing recognises it."""
    _gst()
    found = _modules()["GstBase"].type_find_helper_for_data(None, head[:_HEAD_BYTES])
    caps = found[0] if isinstance(found, tuple) else found
    return None if caps is None else str(caps.get_structure(0).get_name())


def _presentation(info: Any) -> int | None:
    """The presentation time of what a probe is shown, in ns."""
    gst = _modules()["Gst"]
    if info.type & gst.PadProbeType.BUFFER:
        buffer = info.get_buffer()
    else:
        packets = info.get_buffer_list()
        buffer = packets.get(0) if packets.length() else None
    return None if buffer is None or buffer.pts == gst.CLOCK_TIME_NONE else buffer.pts


class Pipeline:
    """One GStreamer pipeline. Close it; nothing else ends its threads."""

    def __init__(self, launch: str, location: str) -> None:
        """Build what ``launch`` says; its element ``source`` reads ``location``."""
        self._gst = _gst()
        try:
            self._pipeline = self._gst.parse_launch(launch)
        except _modules()["GLib"].Error as error:
            raise MediaError(f"GStreamer does not accept {launch!r}: {error.message}") from None
        self._bus = self._pipeline.get_bus()
        self._probes: dict[str, tuple[Any, int]] = {}  # element -> pad and number
        self._element("source").set_property("location", location)

    @property
    def descriptor(self) -> int:
        """A file descriptor that is readable while there are messages."""
        return int(self._bus.get_pollfd().fd)

    def play(self) -> None:
        """Start. What goes wrong later is told by ``messages``."""
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            said = [message.text for message in self.messages() if message.kind == "error"]
            raise MediaError(said[0] if said else "the pipeline does not start")

    def pause(self) -> None:
        """Hold everything where it is; ``play`` goes on."""
        self._pipeline.set_state(self._gst.State.PAUSED)

    @property
    def seekable(self) -> bool:
        """Whether the source can be positioned. Known once something has come out."""
        query = self._gst.Query.new_seeking(self._gst.Format.TIME)
        return bool(self._pipeline.query(query) and query.parse_seeking()[1])

    @property
    def running_seconds(self) -> float:
        """For how long it has played since its start or its last seek, pauses left out."""
        clock, paused = self._pipeline.get_clock(), self._gst.State.PAUSED
        if clock is None or self._pipeline.current_state == paused:
            return float(self._pipeline.get_start_time() / _NANOSECONDS)
        return float((clock.get_time() - self._pipeline.get_base_time()) / _NANOSECONDS)

    def seek(self, seconds: float) -> bool:
        """Go to the key frame at or before this position; False when that cannot be. Paused only.

        ``running_seconds`` begins at zero again.
        """
        flags = self._gst.SeekFlags
        how = flags.FLUSH | flags.KEY_UNIT | flags.SNAP_BEFORE
        return bool(
            self._pipeline.seek_simple(self._gst.Format.TIME, how, round(seconds * _NANOSECONDS))
        )

    def postpone(self, payloader: str, sink: str, seconds: float) -> None:
        """Make this payloader's timestamps later by so much; the sink sends no later for that."""
        fed = self._element(payloader).get_static_pad("sink").get_peer()
        fed.set_offset(round(seconds * _NANOSECONDS))
        self._element(sink).set_property("ts-offset", -round(seconds * _NANOSECONDS))

    def close(self) -> None:
        """Stop all threads and free everything. Not to be called from a callback of its own."""
        self._pipeline.set_state(self._gst.State.NULL)
        # A probe holds its callback, which holds us, who hold the pipeline: nobody would be freed.
        while self._probes:
            _, (pad, number) = self._probes.popitem()
            pad.remove_probe(number)

    def messages(self) -> Iterator[Message]:
        """What has been said since the last time."""
        kinds = self._gst.MessageType
        while (message := self._bus.pop()) is not None:
            if message.type == kinds.EOS:
                yield Message("end")
            elif message.type == kinds.ERROR:
                error, _debug = message.parse_error()
                yield Message("error", f"{message.src.get_name()}: {error.message}")
            elif message.type == kinds.WARNING:
                warning, _debug = message.parse_warning()
                yield Message("warning", f"{message.src.get_name()}: {warning.message}")

    def wait(self, seconds: float) -> Message | None:
        """The next end or error, if there is one within this time."""
        kinds = self._gst.MessageType
        message = self._bus.timed_pop_filtered(int(seconds * _NANOSECONDS), kinds.EOS | kinds.ERROR)
        if message is None:
            return None
        if message.type == kinds.EOS:
            return Message("end")
        return Message("error", message.parse_error()[0].message)

    def caps(self, element: str) -> dict[str, str | int] | None:
        """The caps with which data leaves this element; None as long as there are none."""
        found = self._pipeline.get_by_name(element)
        caps = found.get_static_pad("src").get_current_caps() if found else None
        if caps is None:
            return None
        structure = caps.get_structure(0)
        fields = (structure.nth_field_name(index) for index in range(structure.n_fields()))
        return {name: structure.get_value(name) for name in fields}

    def on_output(self, element: str, callback: Callable[[bool], bool]) -> None:
        """Call back, in a streaming thread, for all that leaves this element until ``close``.

        The argument says whether the buffer has a presentation time. Once False is returned there
        are no more calls. One at a time per element.
        """
        answer = self._gst.PadProbeReturn

        def probe(_pad: Any, info: Any) -> Any:
            if callback(_presentation(info) is not None):
                return answer.OK
            self._probes.pop(element, None)
            return answer.REMOVE

        kinds = self._gst.PadProbeType
        self._watch(element, kinds.BUFFER | kinds.BUFFER_LIST, probe)

    def on_landing(self, element: str, callback: Callable[[float | None, float], None]) -> None:
        """Call back, once, when the first buffer leaves after a flush.

        The arguments are its position, None when it lies before the segment that is being played,
        and the segment's position; seconds.
        """
        kinds, answer = self._gst.PadProbeType, self._gst.PadProbeReturn
        flushed = False

        def probe(pad: Any, info: Any) -> Any:
            nonlocal flushed
            if info.type & kinds.EVENT_FLUSH:
                flushed = flushed or info.get_event().type == self._gst.EventType.FLUSH_STOP
                return answer.OK
            time = _presentation(info)
            if not flushed or time is None:
                return answer.OK
            event = pad.get_sticky_event(self._gst.EventType.SEGMENT, 0)
            segment = event.parse_segment()
            position = segment.to_stream_time(self._gst.Format.TIME, time)
            outside = position == self._gst.CLOCK_TIME_NONE
            callback(None if outside else position / _NANOSECONDS, segment.time / _NANOSECONDS)
            self._probes.pop(element, None)
            return answer.REMOVE

        self._watch(element, kinds.BUFFER | kinds.BUFFER_LIST | kinds.EVENT_FLUSH, probe)

    def _watch(self, element: str, kinds: Any, probe: Callable[[Any, Any], Any]) -> None:
        before = self._probes.pop(element, None)
        if before is not None:
            before[0].remove_probe(before[1])
        pad = self._element(element).get_static_pad("src")
        self._probes[element] = (pad, pad.add_probe(kinds, probe))

    def add_receiver(self, sink: str, address: str, port: int) -> None:
        """Have a multiudpsink send there as well."""
        self._element(sink).emit("add", address, port)

    def remove_receiver(self, sink: str, address: str, port: int) -> None:
        """Have a multiudpsink no longer send there."""
        self._element(sink).emit("remove", address, port)

    def served(self, sink: str, address: str, port: int) -> tuple[int, int]:
        """How many packets and bytes, headers included, a multiudpsink has sent there."""
        told = self._element(sink).emit("get-stats", address, port)
        if told is None or not told.has_field("packets-sent"):
            return 0, 0
        return told.get_value("packets-sent"), told.get_value("bytes-sent")

    def _element(self, name: str) -> Any:
        element = self._pipeline.get_by_name(name)
        if element is None:
            raise MediaError(f"the pipeline has no element {name!r}")
        return element
