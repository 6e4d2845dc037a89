"""The viewers of a measurement: receiver.c, built when it is first needed, and what it counted."""

import hashlib
import json
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.frame import Figure
from bench.machine import WORK, BenchError, need

HERE = "127.0.0.1"
PORTS = 4  # of one stream: video, RTCP, audio, RTCP
FRAME_RATE = 30
AUDIO_CLOCK = 48000
_FIRST, _LAST = 10200, 32700  # below the ports that the kernel gives to whoever asks for any
_ANSWER_SECONDS = 60.0  # on a machine that is very busy


def build(source: str) -> Path:
    """The program made of a C file of this folder, anew when the file has changed.

    Raises BenchError.
    """
    file = Path(__file__).with_name(source)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    program = WORK / f"{file.stem}-{digest}"
    if not program.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        part = program.with_suffix(f".{os.getpid()}")
        command = [need("gcc", "gcc"), "-O2", "-o", str(part), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"gcc cannot build {source}: {done.stderr.strip()}")
        part.rename(program)
    return program


def free_ports(count: int) -> int:
    """The first of so many UDP ports in a row that are free, even. Raises BenchError."""
    first = port = _FIRST
    while port < _LAST:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((HERE, port))
            except OSError:
                first = port + 2 - port % 2
        port += 1
        if port - first >= count:
            return first
    raise BenchError(f"there are no {count} free UDP ports in a row")


@dataclass(frozen=True)
class Key:
    """A key frame that came: monotonic seconds of its stream's first packet and of its last one.

    ``parameters``: whether its parameter sets came with it.
    """

    first: float
    complete: float
    parameters: bool


@dataclass(frozen=True)
class Heard:
    """What the viewers got in a window of time. ``streams``: how many got anything at all.

    ``delivered``: seconds of video, of all streams together; ``lost`` of so many ``packets``, video
    and audio; ``dry``: streams in which a jitter buffer of ``BUFFER_MS`` would have run dry.
    """

    streams: int
    delivered: float
    packets: int
    lost: int
    reordered: int
    pace: "Pace"


BUFFER_MS = 50.0


@dataclass(frozen=True)
class Pace:
    """How even it was. ``burst``: packets of a stream within 1 ms; the rest in ms.

    ``uneven``: how much later, beside an even sender, the latest packet of a stream was than the
    earliest one: the jitter buffer that it needs, whenever the viewer began. ``dry``: how many
    streams need more than ``BUFFER_MS``. ``gap_p99``: between packets of one video.
    """

    burst: Figure
    uneven: Figure
    gap_p99: float
    longest_gap: float
    dry: int


def summarise(report: Mapping[str, Any]) -> Heard:
    """What the receiver's report says, in short."""
    streams = [stream for stream in report["streams"] if stream["video"]["packets"]]
    tracks = [stream[name] for stream in streams for name in ("video", "audio")]
    uneven = [max(s["video"]["uneven_ms"], s["audio"]["uneven_ms"]) for s in streams] or [0.0]
    pace = Pace(
        Figure.of([stream["burst"] for stream in streams] or [0]),
        Figure.of(uneven),
        report["gap_ms"]["p99"],
        max((track["gap_ms"] for track in tracks), default=0.0),
        sum(each > BUFFER_MS for each in uneven),
    )
    return Heard(
        len(streams),
        sum(stream["video"]["frames"] for stream in streams) / FRAME_RATE,
        sum(track["packets"] for track in tracks),
        sum(track["lost"] for track in tracks),
        sum(track["reordered"] for track in tracks),
        pace,
    )


class Viewers:
    """So many receivers in a process of their own, for the time of a ``with``.

    ``coalesce``: let the kernel hand over packets that were sent by one call as they were sent,
    as network cards do (UDP_GRO).
    """

    def __init__(self, count: int, *, coalesce: bool = True) -> None:
        """Start them. Raises BenchError."""
        self.count = count
        self.first_port = free_ports(PORTS * count)
        numbers = [self.first_port, count, FRAME_RATE, AUDIO_CLOCK, int(coalesce)]
        command = [str(build("receiver.c")), *map(str, numbers)]
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see __exit__
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._text = b""
        self._line()

    def __enter__(self) -> "Viewers":
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._selector.close()

    @property
    def pid(self) -> int:
        """Of their process."""
        return self._process.pid

    def port(self, stream: int) -> int:
        """Where a stream's video is expected; its audio two above."""
        return self.first_port + PORTS * stream

    def begin(self) -> None:
        """A new window: forget what was counted."""
        self._ask("window")

    def report(self) -> Heard:
        """What came since."""
        return summarise(self.report_in_full())

    def report_in_full(self) -> Mapping[str, Any]:
        """The receiver's own words."""
        return self._ask("report")

    def await_streams(self, count: int, seconds: float) -> None:
        """Wait until so many streams have come. Raises BenchError when they do not."""
        deadline = time.monotonic() + seconds
        while (come := self.report().streams) < count:
            if time.monotonic() > deadline:
                raise BenchError(f"only {come} of {count} streams came within {seconds:.0f} s")
            time.sleep(0.2)

    def arm(self, stream: int) -> None:
        """Look out for this stream's next key frame, from now on."""
        self._ask(f"arm {stream}")

    def await_key(self, seconds: float = 10.0) -> Key:
        """The key frame that was looked out for. Raises BenchError when it does not come."""
        found = self._line(seconds)
        if "key" not in found:
            raise BenchError(f"the receiver said something else: {found}")
        return Key(found["first"] / 1e9, found["complete"] / 1e9, bool(found["parameters"]))

    def _ask(self, command: str) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self, seconds: float = _ANSWER_SECONDS) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._text:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise BenchError("what was waited for did not come")
            read = self._process.stdout.read()
            if read == b"":
                raise BenchError("the receiver has ended; it says above why")
            self._text += read or b""
        line, _, self._text = self._text.partition(b"\n")
        found: Mapping[str, Any] = json.loads(line)
        return found
