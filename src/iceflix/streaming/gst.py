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
        are no more calls. Once per element, before ``play``.
        """
        probe_type, answer = self._gst.PadProbeType, self._gst.PadProbeReturn

        def probe(_pad: Any, info: Any) -> Any:
            if info.type & probe_type.BUFFER:
                buffer = info.get_buffer()
            else:
                packets = info.get_buffer_list()
                buffer = packets.get(0) if packets.length() else None
            timed = buffer is not None and buffer.pts != self._gst.CLOCK_TIME_NONE
            if callback(timed):
                return answer.OK
            self._probes.pop(element, None)
            return answer.REMOVE

        pad = self._element(element).get_static_pad("src")
        number = pad.add_probe(probe_type.BUFFER | probe_type.BUFFER_LIST, probe)
        self._probes[element] = (pad, number)

    def add_receiver(self, sink: str, address: str, port: int) -> None:
        """Have a multiudpsink send there as well."""
        self._element(sink).emit("add", address, port)

    def remove_receiver(self, sink: str, address: str, port: int) -> None:
        """Have a multiudpsink no longer send there."""
        self._element(sink).emit("remove", address, port)

    def _element(self, name: str) -> Any:
        element = self._pipeline.get_by_name(name)
        if element is None:
            raise MediaError(f"the pipeline has no element {name!r}")
        return element
