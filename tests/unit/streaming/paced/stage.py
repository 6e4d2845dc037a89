"""A stage without sockets, disks and time: what leaves, and when, under a clock of the test's."""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iceflix.streaming.library import Format, Medium, Picture, Stamp
from iceflix.streaming.paced.pacer import Agenda, Paced
from iceflix.streaming.paced.packets import PACKET_BYTES, Burst, Unit
from iceflix.streaming.paced.rtcp import Account
from iceflix.streaming.paced.source import CutOff, Shelf, Source, Sources
from iceflix.streaming.paced.stream import Desk, PacedStream
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.plans import COPY, Plan
from iceflix.streaming.sender import Order, Target
from tests.media.receiver import Packet, parse
from tests.unit.streaming.paced.film import AUDIO, VIDEO, Film, Reel, SoundReel, nal

FRAME = 1 / 30
AU = 1024 / 48000
SECONDS = 4
PLACE = Target("127.0.0.1", 5000)


class HandClock:
    """Stands in for the pacer: its clock moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.agenda = Agenda()

    def clock(self) -> float:
        """The time."""
        return self.now

    def wake(self, stream: Paced, due: float) -> None:
        """Make an appointment."""
        stream.ticket += 1
        self.agenda.add(stream, due)

    def close(self) -> None:
        """Nothing."""

    def run(self, duration: float, tick: float = 0.001) -> None:
        """Let this time pass."""
        end = self.now + duration
        while self.now < end:
            self.agenda.run(self.now)
            first = self.agenda.first
            self.now = min(end, max(self.now + tick, end if first is None else first))
        self.agenda.run(self.now)


class Patient(Executor):
    """Readers who read when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Later."""
        self.jobs.append(lambda: fn(*args, **kwargs))
        return Future()

    def read(self) -> None:
        """Now."""
        while self.jobs:
            self.jobs.pop(0)()


@dataclass
class Mailbox:
    """RTCP that was sent: place and account, and whether it was a goodbye."""

    sent: list[tuple[str, int, Account, bool]] = field(default_factory=list)

    def send(self, address: str, port: int, account: Account, *, bye: bool) -> None:
        """Take note."""
        self.sent.append((address, port, account, bye))

    def close(self) -> None:
        """Nothing."""


class FakeWire:
    """Takes packets as the kernel would cut them."""

    stage: "Stage"

    def __init__(self, address: str, port: int, *, segments: bool) -> None:
        self.place = (address, port)
        self.segments = segments

    def send(self, unit: Unit, burst: Burst) -> None:
        """Take note."""
        data = unit.buffer[burst.first : burst.end]
        for at in range(0, len(data), PACKET_BYTES):
            packet = parse(self.stage.pacer.now, bytes(data[at : at + PACKET_BYTES]))
            self.stage.arrived.setdefault(self.place, []).append(packet)
        self.stage.bursts.append((self.stage.pacer.now, len(burst.starts)))

    def close(self) -> None:
        """Nothing."""


def _tells_at_once(file: Path) -> bool:
    """Whether the file system can say that reading would have to wait; some cannot."""
    with file.open("rb") as opened, contextlib.suppress(OSError):
        return os.preadv(opened.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    return False


def _in_memory(source: Source) -> Callable[[Sample], bytearray | None]:
    """What ``peek`` does where the file system can tell that all is in memory."""

    def peek(sample: Sample) -> bytearray | None:
        with contextlib.suppress(CutOff, OSError):
            return bytearray(source.read(sample))
        return None

    return peek


class Stage:  # pylint: disable=too-many-instance-attributes  # a whole stage
    """Everything around streams of one film."""

    def __init__(self, folder: Path, reels: list[Reel] | None = None) -> None:
        self.file = folder / "film.mp4"
        self.file.write_bytes(Film(reels or [pictures(), sound()]).pack())
        self.pacer = HandClock()
        self.readers = Patient()
        self.post = Mailbox()
        self.arrived: dict[tuple[str, int], list[Packet]] = {}
        self.bursts: list[tuple[float, int]] = []
        self.sources = Sources()
        # The stage's parts do what the real ones do, as far as streams know them.
        self.desk = Desk(self.pacer, self.readers, Shelf(), self.post)  # type: ignore[arg-type]
        FakeWire.stage = self
        plan = Plan("qtdemux", COPY, COPY, "audio/mpeg", 4)
        tracks = tuple((VIDEO, AUDIO)[: len(reels or [1, 1])])
        self.format = Format(
            "video/quicktime", Picture("h264", 8, 8, 30), "audio/mpeg", SECONDS, plan, tracks
        )
        self.ends: list[str] = []

    def medium(self) -> Medium:
        """The film."""
        return Medium("0" * 64, "film", str(self.file), Stamp.of(self.file.stat()), self.format)

    def begin(
        self, target: Target = PLACE, start: float = 0.0, source: Source | None = None
    ) -> PacedStream:
        """A stream; nothing has left yet."""
        found = source or self.sources.open(self.medium())
        if not _tells_at_once(self.file):
            found.peek = _in_memory(found)  # type: ignore[assignment]
        order = Order(self.medium(), target, start=start)
        stream = PacedStream(order, found, self.ends.append, self.desk)
        stream.begin()
        return stream

    def video(self, port: int = 5000) -> list[Packet]:
        """What went there."""
        return self.arrived.get(("127.0.0.1", port), [])

    def audio(self, port: int = 5002) -> list[Packet]:
        """What went there."""
        return self.arrived.get(("127.0.0.1", port), [])

    def forget(self) -> None:
        """Begin to take note anew."""
        self.arrived.clear()
        self.bursts.clear()


def pictures(size: int = 3000, **changes: Any) -> Reel:
    """30 pictures a second, a key frame every second."""
    count = SECONDS * 30
    samples = [nal(5 if number % 30 == 0 else 1, size + number) for number in range(count)]
    keys = list(range(0, count, 30))
    return Reel(**{"samples": samples, "steps": [3000] * count, "keys": keys, **changes})


def sound() -> Reel:
    """AAC of 48 kHz."""
    count = SECONDS * 48000 // 1024
    samples = [bytes([number % 256]) * (100 + number) for number in range(count)]
    return SoundReel(samples, [1024] * count)


def seconds(before: Packet, after: Packet, rate: int = 90000) -> float:
    """RTP's time between two packets."""
    return ((after.timestamp - before.timestamp + 2**31) % 2**32 - 2**31) / rate
