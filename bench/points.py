"""One server, so many streams, some seconds: what it cost and what the viewers got."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import meter
from bench.frame import Figure
from bench.machine import BenchError, say
from bench.rivals import Server
from bench.viewers import Heard, Viewers

_COME_SECONDS = 90.0
_SETTLE_SECONDS = 1.0
_FULL = 0.8  # of the processors: a server that needs more has nothing left for the viewers
_TELLING = 20  # streams: fewer say little of what many cost, which share wake-ups
_DELIVERED, _LOST = 0.95, 0.01  # of the video's seconds, at least; of the packets, at most


@dataclass(frozen=True)
class Wish:
    """What is to be measured: ``seconds`` is a multiple of the video's key frame interval."""

    count: int
    seconds: float
    coalesce: bool = False  # whether viewers take packets in bulk (UDP_GRO)


@dataclass(frozen=True)
class Sample:
    """What was measured. ``cpu``: ms of processor time per second of one delivered stream.

    ``share``: of the video that was due, how much came. ``megabytes``, ``threads``: of the server,
    all streams running. ``others``: processors that programs other than these used.
    """

    cpu: float
    share: float
    heard: Heard
    megabytes: float
    threads: int
    others: float

    @property
    def complete(self) -> bool:
        """Whether the viewers got what they were to get, but for a little."""
        return self.share >= _DELIVERED and self.heard.lost <= _LOST * self.heard.packets


def take(server: Server, wish: Wish) -> Sample:
    """Measure once. Raises BenchError."""
    with (
        Viewers(wish.count, coalesce=wish.coalesce) as viewers,
        server.streaming(viewers),
    ):
        viewers.await_streams(wish.count, _COME_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        pids = server.pids
        before = _Reading.now(pids, viewers)
        viewers.begin()
        time.sleep(wish.seconds)
        after = _Reading.now(pids, viewers)
        heard = viewers.report()
        return Sample(
            (after.server - before.server) * 1000 / max(heard.delivered, 0.001),
            heard.delivered / (wish.count * (after.moment - before.moment)),
            heard,
            meter.megabytes(pids),
            meter.threads(pids),
            before.others(after),
        )


@dataclass(frozen=True)
class _Reading:
    """Seconds: of the clock, and of the processors, used by the server, the viewers, by all."""

    moment: float
    server: float
    viewers: float
    machine: float

    @classmethod
    def now(cls, pids: Sequence[int], viewers: Viewers) -> "_Reading":
        """Read the meters."""
        server, seen = meter.cpu_seconds(pids), meter.cpu_seconds([viewers.pid])
        return cls(time.monotonic(), server, seen, meter.machine_seconds())

    def others(self, later: "_Reading") -> float:
        """Processors that neither the server nor the viewers have used since."""
        used = later.machine - self.machine
        used -= later.server - self.server + later.viewers - self.viewers
        return max(0.0, used / (later.moment - self.moment))


class Record:
    """All samples, by server and number of streams; and what went wrong."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, int], list[Sample]] = {}
        self.trouble: dict[tuple[str, int], str] = {}

    def run(self, servers: Sequence[Server], wishes: Iterable[Wish], turn: int) -> None:
        """One round: each number of streams by each server; ``turn`` rotates who begins."""
        first = turn % len(servers)
        for wish in wishes:
            for server in (*servers[first:], *servers[:first]):
                if (server.name, wish.count) not in self.trouble:
                    self._take(server, wish)

    def cpu(self, name: str, count: int) -> Figure | None:
        """A server's figure, if it delivered."""
        return self._figure(name, count, [s.cpu for s in self.samples.get((name, count), [])])

    def last(self, name: str, count: int) -> Sample | None:
        """A server's last sample, if it delivered."""
        if (name, count) in self.trouble or (name, count) not in self.samples:
            return None
        return self.samples[name, count][-1]

    def ratio(self, ours: str, others: Iterable[str], count: int) -> tuple[Figure, str] | None:
        """Our processor time by that of the best of the others, and who that is."""
        known = {name: figure for name in others if (figure := self.cpu(name, count)) is not None}
        mine = self.samples.get((ours, count), [])
        if not known or not mine or (ours, count) in self.trouble:
            return None
        best = min(known, key=lambda name: known[name].median)
        pairs = zip(mine, self.samples[best, count], strict=False)
        return Figure.of([own.cpu / other.cpu for own, other in pairs]), best

    def last_try(self, name: str, count: int) -> Sample | None:
        """A server's last sample, whatever it delivered."""
        return next(reversed(self.samples.get((name, count), [])), None)

    def others(self) -> Figure:
        """How many processors other programs used meanwhile."""
        return Figure.of([s.others for samples in self.samples.values() for s in samples] or [0.0])

    def sentences(self) -> list[str]:
        """What went wrong."""
        return [f"{name} with {count}: {why}." for (name, count), why in self.trouble.items()]

    def _figure(self, name: str, count: int, values: Sequence[float]) -> Figure | None:
        return Figure.of(values) if values and (name, count) not in self.trouble else None

    def _too_much(self, name: str, count: int) -> str:
        """Why it is no use to ask so much of this server, judged by what less took; or nothing."""
        known = [n for (other, n) in self.samples if other == name and _TELLING <= n < count]
        if not known:
            return ""
        needed = Figure.of([s.cpu for s in self.samples[name, max(known)]]).median * count / 1000
        if needed <= _FULL * (os.cpu_count() or 1):
            return ""
        return f"not tried, it would need {needed:.1f} processors"

    def _take(self, server: Server, wish: Wish) -> None:
        key = (server.name, wish.count)
        too_much = self._too_much(*key)
        if too_much:
            self.trouble[key] = too_much
            say(f"{server.name}, {wish.count}: {too_much}")
            return
        try:
            sample = take(server, wish)
        except BenchError as error:
            self.trouble[key] = str(error)
        else:
            self.samples.setdefault(key, []).append(sample)
            if not sample.complete:
                share = sample.heard.lost / max(1, sample.heard.packets)
                self.trouble[key] = (
                    f"only {sample.share:.0%} of the video came, {share:.1%} of the packets lost"
                )
        say(f"{server.name}, {wish.count}: {self.trouble.get(key) or f'{sample.cpu:.2f} ms'}")
