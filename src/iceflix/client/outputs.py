"""Where the packets go: to a window, to a file, or to another program."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

from iceflix.client import gst, programs
from iceflix.client.description import Description, Track, bound_ports, redirect
from iceflix.client.ports import Ports
from iceflix.client.relay import Continuity
from iceflix.client.sentences import ClientError, Sentence, say
from iceflix.runtime.settings import Settings

# RTP encoding -> what turns its packets into frames that a decoder or a file takes.
_UNPACK = {
    "H264": "rtph264depay ! h264parse",
    "H265": "rtph265depay ! h265parse",
    "MPEG4-GENERIC": "rtpmp4gdepay ! aacparse",
    "OPUS": "rtpopusdepay ! opusparse",
    "MPA": "rtpmpadepay ! mpegaudioparse",
}
# Only these need decoding times worked out before they can be stored.
_TIMED = {"H264": "! h264timestamper ", "H265": "! h265timestamper "}
# Holds what arrives while the picture is paused or a program starts; bounded by memory only.
_GATE = "queue name=gate max-size-time=0 max-size-buffers=0 max-size-bytes=268435456"
_MUXERS = {".mp4": "mp4mux", ".mkv": "matroskamux"}


class Output(Protocol):
    """Where a receiver's tracks end. All methods raise ClientError."""

    @property
    def pausable(self) -> bool:
        """Whether holding the packets back is a pause."""

    @property
    def starts_held(self) -> bool:
        """Whether packets are held back until ``ready``."""

    def check(self) -> None:
        """Find out, before anything is asked of a server, whether it can work here."""

    def prepare(self, sdp: str, description: Description) -> None:
        """Get ready for this stream."""

    def branch(self, track: Track, pipeline: Any) -> Any:
        """Return a bin in the pipeline with a sink pad and an element ``gate``; None: leave out."""

    def ready(self) -> bool:
        """Whether packets may flow."""

    def over(self) -> tuple[bool, Sentence | None]:
        """Whether the far end is gone by itself, and why."""

    def finish(self, *, complete: bool) -> None:
        """Clean up when the pipeline has ended; ``complete``: it has ended in order."""


class Window:
    """A window of our own, with sound. ``video`` and ``audio`` are sinks for tests."""

    pausable = True
    starts_held = False

    def __init__(self, video: str = "", audio: str = "autoaudiosink") -> None:
        self._video = video
        self._audio = audio

    def check(self) -> None:
        """Look for a display that opens."""
        if not self._video:
            self._video = _find_video_sink()

    def prepare(self, sdp: str, description: Description) -> None:
        """Nothing to prepare."""
        # pylint: disable=unused-argument

    def branch(self, track: Track, pipeline: Any) -> Any:
        """Decode and show, or sound."""
        unpack = _UNPACK.get(track.encoding)
        head = f"{unpack} ! {_GATE}" if unpack else _GATE
        if track.media == "video":
            tail = f"decodebin ! videoconvert ! videoscale ! {self._video}"
        else:
            tail = f"decodebin ! audioconvert ! audioresample ! {self._audio}"
        made = gst.make_bin(f"{head} ! {tail}")
        pipeline.add(made)
        return made

    def ready(self) -> bool:
        """Windows are always ready."""
        return True

    def over(self) -> tuple[bool, Sentence | None]:
        """Windows say so on the bus."""
        return False, None

    def finish(self, *, complete: bool) -> None:
        """Nothing to clean up."""


def _find_video_sink() -> str:
    """The first kind of window that opens here."""
    modules = gst.load()
    candidates = ["waylandsink"] if os.environ.get("WAYLAND_DISPLAY") else []
    if os.environ.get("DISPLAY"):
        candidates += ["glimagesink", "xvimagesink", "ximagesink"]
    for name in candidates:
        sink = modules.Gst.ElementFactory.make(name, None)
        if sink is None:
            continue
        opened = sink.set_state(modules.Gst.State.READY) == modules.Gst.StateChangeReturn.SUCCESS
        sink.set_state(modules.Gst.State.NULL)
        if opened:
            return f"{name} name=window"
    raise ClientError(
        say("There is no display here to show a video on. Record it to a file instead, or choose "
            "a program that plays without one (--player).")
    )  # fmt: skip


class File:
    """An MP4 or Matroska file, as sent: nothing is encoded again.

    The file grows under a temporary name beside its own and gets its name when it is complete.
    """

    pausable = False
    starts_held = False

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._overwrite = overwrite
        self._muxer: Any = None

    def check(self) -> None:
        """Make sure that the file can be written."""
        if self._path.suffix.lower() not in _MUXERS:
            raise ClientError(say("A recording is called something.mp4 or something.mkv."))
        if self._path.exists() and not self._overwrite:
            text = "{file} exists already; choose another name, or say --force to replace it."
            raise ClientError(say(text, file=str(self._path)))
        folder = self._path.absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            text = "{file} cannot be written: there is no such folder, or it is not yours."
            raise ClientError(say(text, file=str(self._path)))

    def prepare(self, sdp: str, description: Description) -> None:
        """Refuse what no file can hold."""
        # pylint: disable=unused-argument
        for track in description.tracks:
            if track.encoding not in _UNPACK:
                text = "Streams of type {encoding} cannot be recorded."
                raise ClientError(say(text, encoding=track.encoding[:30] or "?"))

    def branch(self, track: Track, pipeline: Any) -> Any:
        """Unpack and store."""
        if self._muxer is None:
            self._muxer = self._make_muxer(pipeline)
        timed = _TIMED.get(track.encoding, "")
        made = gst.make_bin(f"{_UNPACK[track.encoding]} {timed}! {_GATE}", last="gate")
        pipeline.add(made)
        template = f"{track.media}_%u"
        pad = self._muxer.request_pad_simple(template)
        made.get_static_pad("src").link(pad)
        return made

    def _make_muxer(self, pipeline: Any) -> Any:
        modules = gst.load()
        muxer = modules.Gst.ElementFactory.make(_MUXERS[self._path.suffix.lower()], None)
        sink = modules.Gst.ElementFactory.make("filesink", None)
        sink.set_property("location", str(self._part))
        sink.set_property("async", False)
        pipeline.add(muxer)
        pipeline.add(sink)
        muxer.link(sink)
        return muxer

    def ready(self) -> bool:
        """Files are always ready."""
        return True

    def over(self) -> tuple[bool, Sentence | None]:
        """Files do not end by themselves."""
        return False, None

    def finish(self, *, complete: bool) -> None:
        """Give the file its name, unless nothing is in it."""
        with contextlib.suppress(OSError):
            if complete and self._part.stat().st_size:
                self._part.replace(self._path)
            else:
                self._part.unlink()


# Debian builds VLC without its own reader of descriptions; FFmpeg's, which it has, does as well.
_VLC = [
    "--quiet", "--play-and-exit", "--demux=avformat", "--avformat-format=sdp",
    '--avformat-options={protocol_whitelist="file,udp,rtp"}',
]  # fmt: skip
_PROGRAMS = {
    "vlc": ["vlc", *_VLC, "{sdp}"],
    "cvlc": ["cvlc", *_VLC, "{sdp}"],
    "mpv": ["mpv", "--really-quiet", "--demuxer-lavf-o=protocol_whitelist=[file,udp,rtp]", "{sdp}"],
    "ffplay": [
        "ffplay", "-loglevel", "error", "-autoexit",
        "-protocol_whitelist", "file,udp,rtp", "-i", "{sdp}",
    ],
}  # fmt: skip


def chosen_player(settings: Settings) -> str:
    """Return the program that the user has settled on; empty: a window of our own."""
    return os.environ.get("ICEFLIX_PLAYER") or settings.text("Client.Player")


class Program:
    """A player of the user's choice, started on an SDP file. We relay the packets to it.

    Nothing is lost while it starts: packets wait until it has opened its port. A command may hold
    ``{sdp}`` where the file goes; else the file is its last argument.
    """

    pausable = False
    starts_held = True

    def __init__(self, command: str) -> None:
        self._words = _PROGRAMS.get(command) or shlex.split(command)
        self._folder = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[int, int] = {}
        self._socket: socket.socket | None = None

    def check(self) -> None:
        """Make sure that the program is installed."""
        programs.check(self._words)

    def prepare(self, sdp: str, description: Description) -> None:
        """Write the description and start the program."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        free = Ports.open("127.0.0.1")
        free.close()  # the program opens them: found a moment before, they are free still
        self._ports = {
            track.port: free.first + 2 * number for number, track in enumerate(description.tracks)
        }
        self._folder = tempfile.mkdtemp(prefix="iceflix-")
        file = Path(self._folder) / "stream.sdp"
        file.touch(mode=0o600)
        file.write_text(redirect(sdp, "127.0.0.1", self._ports), encoding="utf-8", newline="")
        words = self._words if "{sdp}" in self._words else [*self._words, "{sdp}"]
        self._process = programs.start([word.replace("{sdp}", str(file)) for word in words])

    def branch(self, track: Track, pipeline: Any) -> Any:
        """Relay; whoever sends, the program sees one stream."""
        address = ("127.0.0.1", self._ports[track.port])
        made = gst.make_bin(f"{_GATE} ! appsink name=relay sync=true async=false emit-signals=true")
        continuity, out = Continuity(track.clock_rate), self._socket

        def relay(sink: Any) -> Any:
            sample = sink.emit("pull-sample")
            if sample is not None and out is not None:
                buffer = sample.get_buffer()
                packet = buffer.extract_dup(0, buffer.get_size())
                with contextlib.suppress(OSError):  # the program has ended: ``over`` tells
                    out.sendto(continuity.packet(packet, time.monotonic()), address)
            return gst.load().Gst.FlowReturn.OK

        made.get_by_name("relay").connect("new-sample", relay)
        pipeline.add(made)
        return made

    def ready(self) -> bool:
        """Whether the program listens."""
        bound: set[int] = set()
        for table in (Path("/proc/net/udp"), Path("/proc/net/udp6")):
            if table.exists():
                bound |= bound_ports(table.read_text(encoding="ascii"))
        return set(self._ports.values()) <= bound

    def over(self) -> tuple[bool, Sentence | None]:
        """Whether the program has ended."""
        code = self._process.poll() if self._process is not None else None
        if code:
            text = "{name} has failed (exit code {code})."
            return True, say(text, name=self._words[0], code=str(code))
        return code == 0, None

    def finish(self, *, complete: bool) -> None:
        """End the program and remove the description."""
        # pylint: disable=unused-argument
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            programs.end(self._process)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
