"""What tests of streams have in common: a medium, its description, the end of a stream."""

import contextlib
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceflix.streaming.library import Medium, Stamp, title_of
from iceflix.streaming.paced.sender import PacedSender
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.probe import examine
from iceflix.streaming.sdp import Session, session_description
from iceflix.streaming.sender import Order, Sender, Target
from tests.conftest import ROOT, wait_until
from tests.media.receiver import Receiver, bind

HERE = "127.0.0.1"
SAMPLE = ROOT / "samples" / "iceflix-sample.mp4"
SENDERS: dict[str, Callable[[], Sender]] = {  # as the property Stream.Sender names them
    "paced": lambda: PacedSender(GstSender()),
    "gstreamer": GstSender,
}


class End:
    """Waits for the end of a stream."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.began = self.at = 0.0
        self._over = threading.Event()

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.at = time.monotonic()
        self._over.set()

    def wait(self, seconds: float = 15.0) -> str:
        """Return why it ended."""
        assert self._over.wait(seconds), "the stream does not end"
        return self.reasons[0]


@dataclass(frozen=True)
class Played:
    """A clip that was played to its end, and what arrived at the two ports."""

    source: Path
    medium: Medium
    pictures: Receiver
    sound: Receiver


def ffmpeg_records(sender: Sender, found: Medium, folder: Path, seconds: int) -> Path:
    """What FFmpeg decodes of a medium's first seconds, from nothing but the description."""
    port = free_port()
    file, recorded = folder / "one.sdp", folder / "recorded.mkv"
    file.write_bytes(describe(found, port).encode())
    command = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,udp,rtp"]
    command += ["-analyzeduration", "200000", "-i", str(file), "-fps_mode", "passthrough"]
    command += ["-t", str(seconds), "-c:v", "ffv1", "-c:a", "pcm_s16le", str(recorded)]
    with subprocess.Popen(command) as ffmpeg:
        wait_until(lambda: is_bound(port) and is_bound(port + 2), 10)
        stream = sender.start(Order(found, Target(HERE, port)), End())
        assert ffmpeg.wait(20) == 0
    stream.stop()
    return recorded


def gstreamer_plays(
    gst: Any, player: Any, sender: Sender, order: Order, arrived: Callable[[], bool]
) -> None:
    """Have a pipeline of GStreamer play what is sent, until enough has arrived."""
    try:
        player.set_state(gst.State.PLAYING)
        wait_until(lambda: is_bound(order.target.port), 10)
        end = End()
        sender.start(order, end)
        assert end.wait() == ""
        wait_until(arrived)
    finally:
        player.set_state(gst.State.NULL)


def medium(file: Path) -> Medium:
    """The medium that a file holds."""
    return Medium(
        "0" * 64, title_of(str(file)), str(file), Stamp.of(file.stat()), examine(str(file))
    )


def describe(found: Medium, port: int) -> str:
    """The session description of a medium on loopback."""
    duration = found.format.duration_seconds
    session = Session(1, 1, found.title, HERE, HERE, duration)
    return session_description(session, found.format.tracks, port)


def is_bound(port: int) -> bool:
    """Whether somebody listens at this UDP port."""
    lines = Path("/proc/net/udp").read_text("ascii").splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def free_port() -> int:
    """An even UDP port that is free, and so are the three after it: RTP and RTCP, twice.

    None of those that the kernel gives to others meanwhile.
    """
    while True:
        with contextlib.suppress(OSError), contextlib.ExitStack() as sockets:
            port = random.randrange(15000, 32000, 2)
            sockets.enter_context(bind(port))
            for following in range(port + 1, port + 4):
                taken = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                taken.bind((HERE, following))
            return port
