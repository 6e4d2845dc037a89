"""GStreamer's RTSP server, as far as playbacks need it: a path each, and an end for it.

Nothing is loaded, opened or started before the first offer. Requests, packets and timers run in
threads of GStreamer's; Python is called once for each connection and for each session.
"""

import functools
import os
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from iceflix.runtime.errors import ControlRefusal, SetupError
from iceflix.runtime.log import get_logger
from iceflix.streaming import gst
from iceflix.streaming.library import Medium
from iceflix.streaming.pipeline import open_as_read
from iceflix.streaming.rtsp import RTP_PORTS, Door, media_launch, url

_PACKAGE, _BASE = "gir1.2-gst-rtsp-server-1.0", "gir1.2-gst-plugins-base-1.0"
_PATH_BYTES = 24
_THREADS = 4  # that answer requests: a file that is slow to open holds up a quarter of them
_TIDY_SECONDS = 5
_SILENT_SECONDS = 2.0
_log = get_logger(__name__)


class RtspServer:
    """Offers media over RTSP. Thread-safe."""

    def __init__(self, door: Door, limit: int) -> None:
        """At most ``limit`` connections at once, and as many sessions."""
        self._door = door
        self._limit = limit
        self._lock = threading.Lock()
        self._works: _Works | None = None
        self._closed = False

    @property
    def sessions(self) -> int:
        """How many RTSP sessions there are."""
        works = self._works
        return works.sessions.get_n_sessions() if works is not None else 0

    def offer(self, medium: Medium, audio: bool) -> "Mount":
        """Offer a medium under a new path until ``withdraw``.

        Raises ControlRefusal when there can be no RTSP here, MediaError when the file has gone.
        """
        with self._lock:
            if self._closed:
                raise ControlRefusal("the service is stopping")
            if self._works is None:
                self._works = _Works(self._door, self._limit)
        plan = medium.format.plan
        handle = open_as_read(medium)
        text = media_launch(plan if audio else plan.silent, f"/proc/self/fd/{handle}")
        return Mount(self._works, text, handle)

    def close(self) -> None:
        """Let nobody in any more, and end."""
        with self._lock:
            self._closed = True
            works, self._works = self._works, None
        if works is not None:
            works.close()


class Mount:
    """One medium under one path. Made by RtspServer."""

    def __init__(self, works: "_Works", text: str, handle: int) -> None:
        """``text`` says what to build for each session; it reads the open file ``handle``."""
        self._works = works
        self._handle = handle
        self._path = f"/{secrets.token_urlsafe(_PATH_BYTES)}"
        self._lock = threading.Lock()
        self._media: list[Any] = []  # those that may read the file
        self._ended = False
        works.add(self._path, text, self._constructed)

    def url(self, address: str) -> str:
        """The URL for somebody who reaches us at this IP address."""
        return url(address, self._works.port, self._path)

    def withdraw(self) -> None:
        """End the path and its sessions; returns when no packet leaves any more."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        # Taking a pipeline down waits for its threads: one slow disk must not hold up the caller.
        wait([self._works.undertakers.submit(self._dismantle)], _SILENT_SECONDS)

    def _constructed(self, _factory: Any, media: Any) -> None:
        """A session is about to read the file."""
        with self._lock:
            if not self._ended:
                self._media.append(media)
                media.connect("unprepared", self._unprepared)
                return
        # Asked for before the end, built after it: the number of our file may be another's by now.
        media.get_element().get_by_name("source").set_property("location", os.devnull)

    def _unprepared(self, media: Any) -> None:
        """It has ended."""
        with self._lock:
            if media in self._media:
                self._media.remove(media)

    def _dismantle(self) -> None:
        try:
            self._works.remove(self._path)
            for media in tuple(self._media):
                media.unprepare()
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _log.exception("an RTSP session's end went wrong")
        finally:
            os.close(self._handle)


@dataclass(frozen=True)
class _Modules:
    """Of GStreamer's. Raises ControlRefusal when they are not installed."""

    glib: Any
    sdp: Any
    words: Any  # of RTSP
    rtsp: Any  # the server

    @classmethod
    def load(cls) -> "_Modules":
        """Load them, the first time."""
        try:
            sdp, words = (gst.further(name, _BASE) for name in ("GstSdp", "GstRtsp"))
            server = gst.further("GstRtspServer", _PACKAGE)
        except SetupError as error:
            raise ControlRefusal(f"this provider cannot offer RTSP: {error}") from None
        return cls(gst.modules()["GLib"], sdp, words, server)


@functools.cache
def _media_type(modules: _Modules) -> Any:
    """The server's media, but for what it says of a file's beginning.

    AAC in MP4 often begins before zero; the server would call that the live present, and players
    would offer no seeking.
    """
    usual = modules.rtsp.RTSPMedia

    def set_up(media: Any, description: Any, info: Any) -> bool:
        done = bool(usual.do_setup_sdp(media, description, info))
        for number in range(description.attributes_len()):
            attribute = description.get_attribute(number)
            if attribute.key == "range" and attribute.value.startswith("npt=now-"):
                plain = modules.sdp.SDPAttribute()
                plain.set("range", attribute.value.replace("now", "0", 1))
                description.replace_attribute(number, plain)
        return done

    made = type(usual)("IceflixRtspMedia", (usual,), {"do_setup_sdp": set_up})
    return made.__gtype__


class _Works:
    """The server while it runs."""

    def __init__(self, door: Door, limit: int) -> None:
        """Listen. Raises ControlRefusal."""
        self._gi = _Modules.load()
        self._limit = limit
        self._addresses = self._addresses_of(door)
        self._server = self._gi.rtsp.RTSPServer.new()
        self._server.set_address(door.address or _everywhere())
        self._server.set_service(str(door.port))
        self._server.get_thread_pool().set_max_threads(_THREADS)
        self.sessions.set_max_sessions(limit)
        self._server.connect("client-connected", self._connected)
        try:
            listening = self._server.create_source(None)
        except self._gi.glib.Error as error:
            raise ControlRefusal(
                f"this provider cannot listen for RTSP at port {door.port}: {error.message};"
                " its Stream.RtspPort must be another, or 0 for any free one"
            ) from None
        self.port = int(self._server.get_bound_port())
        self.undertakers = ThreadPoolExecutor(4, thread_name_prefix="rtsp-end")
        self._loop = _Loop(self._gi.glib, [listening, self._tidying()])
        _log.info("offering RTSP", port=self.port)

    @property
    def sessions(self) -> Any:
        """The pool of all RTSP sessions."""
        return self._server.get_session_pool()

    def add(self, path: str, text: str, constructed: Callable[[Any, Any], None]) -> None:
        """Build what ``text`` says for each session of this path, and tell ``constructed``."""
        factory = self._gi.rtsp.RTSPMediaFactory.new()
        factory.set_launch(text)
        factory.set_media_gtype(_media_type(self._gi))
        ways = self._gi.words.RTSPLowerTrans
        factory.set_protocols(ways.UDP | ways.TCP)
        if self._addresses is not None:
            factory.set_address_pool(self._addresses)
        factory.connect("media-constructed", constructed)
        self._server.get_mount_points().add_factory(path, factory)

    def remove(self, path: str) -> None:
        """End a path, its sessions and their connections."""
        self._server.get_mount_points().remove_factory(path)
        for session in self.sessions.filter(None):
            if session.get_media(path)[0] is None:
                continue
            for client in self._server.client_filter(None):
                if session in client.session_filter(None):
                    client.close()
            self.sessions.remove(session)

    def close(self) -> None:
        """Close everything."""
        self._loop.stop()
        for client in self._server.client_filter(None):
            client.close()
        self.undertakers.shutdown(wait=True)

    def _addresses_of(self, door: Door) -> Any:
        """Where RTP leaves from: never from an address at which the service does not listen."""
        if not door.address:
            return None
        pool = self._gi.rtsp.RTSPAddressPool.new()
        pool.add_range(door.address, door.address, *RTP_PORTS, 0)
        return pool

    def _tidying(self) -> Any:
        source = self._gi.glib.timeout_source_new_seconds(_TIDY_SECONDS)
        source.set_callback(lambda *_: self.sessions.cleanup() >= 0)
        return source

    def _connected(self, server: Any, client: Any) -> None:
        if len(server.client_filter(None)) < self._limit:
            return
        _log.warning("RTSP connection refused", reason="too many (Stream.Max)")
        self._loop.invoke(client.close)  # it is not ready to be closed before


class _Loop:
    """A thread for GLib's events."""

    def __init__(self, glib: Any, sources: list[Any]) -> None:
        self._glib = glib
        self._context = glib.MainContext.new()
        self._sources = sources
        for source in sources:
            source.attach(self._context)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtsp", daemon=True)
        self._thread.start()

    def invoke(self, callback: Callable[[], object]) -> None:
        """Call back once, in the thread."""
        source = self._glib.timeout_source_new(0)
        source.set_callback(lambda *_: bool(callback()) and False)
        source.attach(self._context)

    def stop(self) -> None:
        """End, and close what the sources held."""
        self._stopping.set()
        self._context.wakeup()
        self._thread.join(2)
        while self._sources:
            self._sources.pop().destroy()  # a socket is closed when nobody refers to it

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._context.iteration(True)


def _everywhere() -> str:
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104  asked for by --lan
