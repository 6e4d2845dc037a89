"""Receives a stream: RTP in, an output at the other end, figures about it in between.

The sockets are open before anybody sends (the first packets carry the first key frame), GStreamer
reads them on threads of its own that no busy Python can hold up, and a monitor decides when a
stream is over: RTP has no end of its own.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from iceflix.client import gst
from iceflix.client.description import Description, parse
from iceflix.client.meter import Meter
from iceflix.client.outputs import Output
from iceflix.client.player import Statistics
from iceflix.client.ports import Ports
from iceflix.client.sentences import ClientError, Sentence, say

_LATENCY_MILLIS = 200
_SYNC_ONCE = 1  # rtpbin: pauses would confuse later reports
_TICK_SECONDS = 0.1
_FIRST_PACKET_SECONDS = 8.0
_SILENCE_SECONDS = 10.0
_END_SILENCE_SECONDS = 1.5
_END_SLACK_SECONDS = 1.0  # by which the last packet is earlier than the duration
_HELD_SECONDS = 15.0  # that a program may take to start
_EOS_SECONDS = 5.0


@dataclass
class _Pipes:
    """The GStreamer objects of one stream."""

    # pylint: disable=too-many-instance-attributes  # kinds of objects

    pipeline: Any
    caps: dict[int, Any] = field(default_factory=dict)  # by session
    sources: dict[int, Any] = field(default_factory=dict)  # of packets, by session
    gates: list[Any] = field(default_factory=list)  # source pads after which a pause begins
    branches: list[Any] = field(default_factory=list)  # that come to an end with the stream
    buffers: list[Any] = field(default_factory=list)  # jitter buffers
    blocked: list[tuple[Any, int]] = field(default_factory=list)
    held_since: float = 0.0
    held_seconds: float = 0.0


class Receiver:
    """A player (see ``stream.Player``) that plays to any output. ``port`` 0: any."""

    def __init__(self, output: Output, port: int = 0) -> None:
        self._output = output
        self._port = port
        self._ports: Ports | None = None
        self._pipes: _Pipes | None = None
        self._meter = Meter()
        self._description: Description | None = None
        self._ends = _Ends()

    def bind(self, address: str) -> int:
        """Open the ports. Raises ClientError when there is nothing to play on."""
        gst.load()
        self._output.check()
        try:
            self._ports = Ports.open(address, self._port)
        except ClientError:
            self._output.finish(complete=False)
            raise
        return self._ports.first

    def start(self, source: str, ended: Callable[[Sentence | None], None]) -> None:
        """Receive what the description says. Raises ClientError."""
        if self._ports is None:
            raise RuntimeError("start before bind")
        self._description = _understand(source)
        self._meter.moved(self._description.start)
        self._output.prepare(source, self._description)
        self._pipes = self._build(source, self._description)
        if self._output.starts_held:
            self._hold(self._pipes)
        gst_module = gst.load().Gst
        state = self._pipes.pipeline.set_state(gst_module.State.PLAYING)
        if state == gst_module.StateChangeReturn.FAILURE:
            raise ClientError(self._complaint() or say("The player does not start."))
        self._ends.callback = ended
        self._ends.thread = threading.Thread(target=self._monitor, name="player", daemon=True)
        self._ends.thread.start()

    def pause(self, on: bool) -> None:
        """Hold the picture; what arrives meanwhile is kept and shown afterwards.

        Raises ClientError where that is the affair of another program.
        """
        if not self._output.pausable:
            raise ClientError(say("Only the window of this program can be paused from here."))
        pipes = self._pipes
        if pipes is None or on == bool(pipes.blocked):
            return
        if on:
            self._hold(pipes)
        else:
            self._release(pipes)

    def suspend(self, on: bool) -> None:
        """The server holds the packets back, or sends again."""
        pipes = self._pipes
        self._ends.suspended = on
        if pipes is None or on:
            return
        self._meter.moved(self._meter.position)
        self._meter.wait()
        self._resume(pipes)

    def moved(self, position: float) -> None:
        """The server sends from there on: numbers and time stamps go on."""
        self._meter.moved(position)

    def rejoin(self, source: str) -> None:
        """Let another server's packets go where those of the one before went."""
        pipes, before, now = self._pipes, self._description, _understand(source)
        if pipes is None or before is None:
            raise ClientError(say("The attempt was cancelled."))
        if now.tracks != before.tracks:
            raise ClientError(say("The other video server sends the title in another form."))
        caps = gst.rtp_caps(source)
        for session, track in enumerate(now.tracks):
            if session in pipes.sources and track.index in caps:
                pipes.caps[session] = caps[track.index]
                pipes.sources[session].set_property("caps", caps[track.index])
        self._description = replace(before, duration=now.duration or before.duration)
        self._meter.moved(now.start)
        self._meter.wait()
        self._ends.suspended = False
        self._resume(pipes)

    @staticmethod
    def _resume(pipes: _Pipes) -> None:
        """Take what comes next as in time, however long nothing came before."""
        for buffer in list(pipes.buffers):
            buffer.emit("clear-pt-map")  # forgets how late packets used to be

    def statistics(self) -> Statistics:
        """Tell what has arrived."""
        pipes, meter = self._pipes, self._meter
        pushed = lost = 0
        for buffer in list(pipes.buffers) if pipes is not None else []:
            figures = buffer.get_property("stats")
            pushed += figures.get_value("num-pushed")
            lost += figures.get_value("num-lost")
        heard = meter.heard_at
        return Statistics(
            packets=pushed,
            lost=lost,
            bits_per_second=meter.bits_per_second,
            position=meter.position,
            received=meter.received,
            duration=self._description.duration if self._description is not None else None,
            silence=time.monotonic() - heard if heard is not None else 0.0,
            paused=bool(pipes is not None and pipes.blocked and self._output.pausable),
        )

    def stop(self) -> None:
        """End the stream in order: a file is completed, a program ended, every port closed."""
        with self._ends.lock:
            self._ends.stopping.set()
            thread = self._ends.thread
            if thread is not None and thread is not threading.current_thread():
                thread.join(_EOS_SECONDS)
            pipes, self._pipes = self._pipes, None
            complete = False
            if pipes is not None:
                complete = self._drain(pipes)
                pipes.pipeline.set_state(gst.load().Gst.State.NULL)
            if self._ports is not None:
                self._ports.close()
                self._ports = None
                self._output.finish(complete=complete)

    # ------------------------------------------------------------ the pipeline

    def _build(self, sdp: str, description: Description) -> _Pipes:
        modules = gst.load()
        caps = gst.rtp_caps(sdp)
        pipeline = modules.Gst.Pipeline.new("receiver")
        pipeline.use_clock(modules.Gst.SystemClock.obtain())  # sound cards stop when paused
        bin_ = modules.Gst.ElementFactory.make("rtpbin", "rtpbin")
        bin_.set_property("latency", _LATENCY_MILLIS)
        bin_.set_property("rtcp-sync", _SYNC_ONCE)
        pipeline.add(bin_)
        pipes = _Pipes(pipeline)
        by_session: dict[int, Any] = {}
        for session, track in enumerate(description.tracks):
            offset = track.port - (self._ports.first if self._ports is not None else 0)
            if track.index not in caps or self._ports is None or offset not in {0, 2}:
                continue
            branch = self._output.branch(track, pipeline)
            by_session[session] = branch
            pipes.caps[session] = caps[track.index]
            pipes.branches.append(branch)
            pipes.gates.append(branch.get_by_name("gate").get_static_pad("src"))
            if session == 0:
                self._meter_branch(branch)
            self._connect(pipes, bin_, session, offset)
        if not by_session:
            raise ClientError(say("The server sends to ports that it was not asked to."))

        def added(_bin: Any, pad: Any) -> None:
            words = pad.get_name().split("_")  # recv_rtp_src_SESSION_SSRC_TYPE
            if pad.get_name().startswith("recv_rtp_src_") and int(words[3]) in by_session:
                sink = by_session[int(words[3])].get_static_pad("sink")
                before = sink.get_peer()
                if before is not None:
                    before.unlink(sink)
                    pipes.branches.append(_drain_away(pipeline, before))
                pad.link(sink)

        bin_.connect("pad-added", added)
        bin_.connect("request-pt-map", lambda _bin, session, _type: pipes.caps.get(session))
        bin_.connect("new-jitterbuffer", lambda _bin, made, *_: pipes.buffers.append(made))
        return pipes

    def _connect(self, pipes: _Pipes, bin_: Any, session: int, offset: int) -> None:
        """Let the sockets of a track feed a session: packets, and the control of them."""
        modules = gst.load()
        if self._ports is None:
            raise RuntimeError("no ports")
        for number, kind in ((offset, "rtp"), (offset + 1, "rtcp")):
            one = self._ports.sockets[number]
            source = modules.Gst.ElementFactory.make("udpsrc", None)
            source.set_property("socket", modules.Gio.Socket.new_from_fd(one.detach()))
            source.set_property("close-socket", True)
            pad = source.get_static_pad("src")
            if kind == "rtp":
                source.set_property("caps", pipes.caps[session])
                pipes.sources[session] = source
                pad.add_probe(modules.Gst.PadProbeType.BUFFER, self._count)
            pipes.pipeline.add(source)
            pad.link(bin_.request_pad_simple(f"recv_{kind}_sink_{session}"))

    def _count(self, _pad: Any, info: Any) -> Any:
        self._meter.packet(info.get_buffer().get_size())
        return gst.load().Gst.PadProbeReturn.OK

    def _meter_branch(self, branch: Any) -> None:
        """Follow what goes through the gate of the track that says where we are."""
        modules = gst.load().Gst
        gate, meter = branch.get_by_name("gate"), self._meter

        def entering(_pad: Any, info: Any) -> Any:
            pts = info.get_buffer().pts
            if pts != modules.CLOCK_TIME_NONE:
                meter.arrived_pts = pts
            return modules.PadProbeReturn.OK

        def leaving(_pad: Any, info: Any) -> Any:
            pts = info.get_buffer().pts
            if pts != modules.CLOCK_TIME_NONE:
                meter.passed(pts)
            return modules.PadProbeReturn.OK

        gate.get_static_pad("sink").add_probe(modules.PadProbeType.BUFFER, entering)
        gate.get_static_pad("src").add_probe(modules.PadProbeType.BUFFER, leaving)

    def _hold(self, pipes: _Pipes) -> None:
        modules = gst.load()
        keep = modules.Gst.PadProbeReturn.OK
        pipes.held_since = time.monotonic()
        for gate in pipes.gates:
            block = modules.Gst.PadProbeType.BLOCK_DOWNSTREAM
            pipes.blocked.append((gate, gate.add_probe(block, lambda *_: keep)))

    def _release(self, pipes: _Pipes) -> None:
        """Go on where it was held: from now on everything is due later by the pause."""
        pipes.held_seconds += time.monotonic() - pipes.held_since
        blocked, pipes.blocked = pipes.blocked, []
        for gate, probe in blocked:
            gate.set_offset(int(pipes.held_seconds * gst.SECOND))
            gate.remove_probe(probe)

    def _drain(self, pipes: _Pipes) -> bool:
        """Let a file be completed. Windows and programs have nothing to complete."""
        modules = gst.load()
        if self._output.pausable or self._output.starts_held or not self._meter.bytes:
            return False
        for branch in pipes.branches:
            branch.get_static_pad("sink").send_event(modules.Gst.Event.new_eos())
        kinds = modules.Gst.MessageType
        message = pipes.pipeline.get_bus().timed_pop_filtered(
            int(_EOS_SECONDS * gst.SECOND), kinds.EOS | kinds.ERROR
        )
        return message is not None and message.type == kinds.EOS

    # ------------------------------------------------------------ the end

    def _monitor(self) -> None:
        began = time.monotonic()
        while not self._ends.stopping.wait(_TICK_SECONDS):
            now = time.monotonic()
            self._meter.tick(now)
            over, reason = self._judge(now, began)
            if over and self._ends.callback is not None:
                self._ends.callback(reason)
                return

    def _judge(self, now: float, began: float) -> tuple[bool, Sentence | None]:
        """Decide whether the stream is over, and why."""
        pipes = self._pipes
        if pipes is None:
            return False, None
        complaint = self._complaint()
        if complaint is not None:
            return True, complaint
        over, reason = self._output.over()
        if over:
            return True, reason
        if self._output.starts_held and pipes.blocked:
            if self._output.ready():
                self._release(pipes)
            late = now - began > _HELD_SECONDS
            return late, say("The player does not listen to the stream.") if late else None
        paused = self._ends.suspended or bool(pipes.blocked)
        return self._silence(now, began, paused=paused)

    def _silence(self, now: float, began: float, *, paused: bool) -> tuple[bool, Sentence | None]:
        heard = self._meter.heard_at
        if heard is None:
            late = now - began > _FIRST_PACKET_SECONDS
            text = (
                "No video arrives. A firewall or a router between you and the server keeps UDP out."
            )
            return late, say(text) if late else None
        if paused:
            return False, None
        heard = max(heard, self._meter.passed_at)
        duration = self._description.duration if self._description is not None else None
        at_end = duration is not None and self._meter.position >= duration - _END_SLACK_SECONDS
        if at_end:
            return now - heard > _END_SILENCE_SECONDS, None
        silent = now - heard > _SILENCE_SECONDS
        if not silent:
            return False, None
        return True, say("The server has stopped sending.") if duration is not None else None

    def _complaint(self) -> Sentence | None:
        """Return what GStreamer has to say against going on."""
        modules = gst.load()
        pipes = self._pipes
        kinds = modules.Gst.MessageType
        message = pipes.pipeline.get_bus().pop_filtered(kinds.ERROR) if pipes is not None else None
        if message is None:
            return None
        error, _debug = message.parse_error()
        if "closed" in error.message.lower():
            return say("The window was closed.")
        return say("The player has failed: {reason}", reason=error.message)


@dataclass
class _Ends:
    """How a receiver comes to an end."""

    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    callback: Callable[[Sentence | None], None] | None = None
    suspended: bool = False  # the server holds the packets back


def _understand(source: str) -> Description:
    try:
        return parse(source)
    except ValueError as error:
        reason = say("The server describes its stream in words that make no sense.")
        raise ClientError(reason) from error


def _drain_away(pipeline: Any, pad: Any) -> Any:
    """Let what still comes from a former sender go nowhere; unlinked, it would be an error."""
    sink = gst.load().Gst.ElementFactory.make("fakesink", None)
    sink.set_property("sync", False)
    sink.set_property("async", False)
    pipeline.add(sink)
    pad.link(sink.get_static_pad("sink"))
    sink.sync_state_with_parent()
    return sink
