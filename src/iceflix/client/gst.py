"""The client's door to GStreamer: loaded when something is to be played, never before."""

import functools
import importlib
import warnings
from types import SimpleNamespace
from typing import Any

from iceflix.client.sentences import ClientError, say

_PACKAGES = (
    "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-libav"
)
_ELEMENTS = ("udpsrc", "rtpbin", "rtph264depay", "h264parse", "decodebin", "matroskamux", "mp4mux")
SECOND = 1_000_000_000


@functools.cache
def load() -> Any:
    """Return GStreamer's modules as ``Gst``, ``GstSdp``, ``Gio``, ``GLib``. Raises ClientError."""
    try:
        gi = importlib.import_module("gi")
        for name, version in (("Gst", "1.0"), ("GstSdp", "1.0"), ("Gio", "2.0")):
            gi.require_version(name, version)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # the bindings' own way to be imported
            modules = {
                name: importlib.import_module(f"gi.repository.{name}")
                for name in ("Gst", "GstSdp", "Gio", "GLib")
            }
    except (ImportError, ValueError) as error:
        raise _missing() from error
    loaded = SimpleNamespace(**modules)
    loaded.Gst.init(None)
    if any(loaded.Gst.ElementFactory.find(name) is None for name in _ELEMENTS):
        raise _missing()
    return loaded


def _missing() -> ClientError:
    text = "Parts of GStreamer are missing. Install them with: apt install {packages}"
    return ClientError(say(text, packages=_PACKAGES))


def make_bin(launch: str, last: str = "") -> Any:
    """Make a bin from a description that begins with one chain. Raises ClientError.

    Its pad ``sink`` leads to the head of the chain, ``src`` out of the element called ``last``.
    """
    modules = load()
    try:
        made = modules.Gst.parse_bin_from_description(f"identity name=head ! {launch}", False)
    except modules.GLib.Error as error:
        raise ClientError(say("GStreamer: {reason}.", reason=str(error.message))) from error
    # Elements that link later, such as decodebin, confuse GStreamer's own search for these pads.
    head = made.get_by_name("head").get_static_pad("sink")
    made.add_pad(modules.Gst.GhostPad.new("sink", head))
    if last:
        tail = made.get_by_name(last).get_static_pad("src")
        made.add_pad(modules.Gst.GhostPad.new("src", tail))
    return made


def rtp_caps(sdp: str) -> dict[int, Any]:
    """Return the caps of every medium by the number of its m= line. Raises ClientError."""
    modules = load()
    result, message = modules.GstSdp.SDPMessage.new_from_text(sdp)
    if result != modules.GstSdp.SDPResult.OK:
        raise ClientError(say("The server describes its stream in words that make no sense."))
    caps: dict[int, Any] = {}
    for index in range(message.medias_len()):
        media = message.get_media(index)
        if media.formats_len() and media.get_format(0).isdigit():
            found = media.get_caps_from_media(int(media.get_format(0)))
            if found is not None:
                text = found.to_string().replace("application/x-unknown", "application/x-rtp", 1)
                caps[index] = modules.Gst.Caps.from_string(text)
    return caps
