"""What tests of streams have in common: a medium, its description, the end of a stream."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from iceflix.streaming.library import Medium, Stamp, title_of
from iceflix.streaming.paced.sender import PacedSender
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.probe import examine
from iceflix.streaming.sdp import Session, session_description
from iceflix.streaming.sender import Sender
from tests.conftest import ROOT
from tests.media.receiver import bind

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
    """An even UDP port that is free, and so are the three after it: RTP and RTCP, twice."""
    while True:
        with contextlib.suppress(OSError), contextlib.ExitStack() as sockets:
            port: int = sockets.enter_context(bind(parity=0)).getsockname()[1]
            for following in range(port + 1, port + 4):
                taken = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                taken.bind((HERE, following))
            return port
