"""One server, so many streams, some seconds: what it cost and what the viewers got."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import meter
from bench.machine import BenchError, say
from bench.record import Record, Sample
from bench.rivals import Server
from bench.viewers import Viewers

_COME_SECONDS = 90.0
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Wish:
    """What is to be measured: ``seconds`` is a multiple of the video's key frame interval."""

    count: int
    seconds: float
    coalesce: bool = False  # whether viewers take packets in bulk (UDP_GRO)


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


def run(record: Record, servers: Sequence[Server], wishes: Iterable[Wish], turn: int) -> None:
    """One round: each number of streams by each server; ``turn`` rotates who begins."""
    first = turn % len(servers)
    for wish in wishes:
        for server in (*servers[first:], *servers[:first]):
            key = (server.name, wish.count)
            if record.given_up(key):
                continue
            said = record.too_much(key, os.cpu_count() or 1)
            if not said:
                said = _try(record, server, wish, turn)
            say(f"{server.name}, {wish.count}: {said}")


def _try(record: Record, server: Server, wish: Wish, turn: int) -> str:
    key = (server.name, wish.count)
    try:
        sample = take(server, wish)
    except BenchError as error:
        record.fail(key, str(error))
        return str(error)
    return record.add(key, turn, sample) or f"{sample.cpu:.2f} ms"
