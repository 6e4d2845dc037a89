"""How soon a viewer sees something: from the request, and from a seek, to the first picture."""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bench import clip, single
from bench.frame import Cell, Contest, Figure, Goal, Table
from bench.machine import BenchError, say
from bench.ours import Ours
from bench.rivals import GstRtspServer, RtspServer, VlcServer
from bench.rtsp import play
from bench.services import Services
from bench.viewers import Viewers
from iceflix.contract import IceFlix

T = TypeVar("T")

OURS = "IceFlix"
_BUSY = 100
_BESIDE = f"{OURS}, {_BUSY} streams running"
_START_MS, _SEEK_MS = 50.0, 150.0
_PAUSE_SECONDS = 0.15
_GOLDEN = 0.6180339887  # its multiples lie all over the place, the same in every run
_END_SECONDS = 20.0
_COLUMNS = ("", "answered, ms", "first packet, ms", "picture, ms", "picture p95, ms", "worst, ms")


@dataclass(frozen=True)
class Times:
    """Of each try in ms, until: the request was answered, a packet came, a key frame was there."""

    answered: list[float] = field(default_factory=list)
    packet: list[float] = field(default_factory=list)
    picture: list[float] = field(default_factory=list)

    def row(self, name: str) -> tuple[Cell, ...]:
        """For the table."""
        middles = [Figure.of(part).median for part in (self.answered, self.packet, self.picture)]
        ordered = sorted(self.picture)
        return (name, *middles, ordered[int(0.95 * len(ordered))], ordered[-1])

    def goal(self, what: str, wanted: float) -> Goal:
        """The median against what is wanted."""
        return Goal(f"{what}, median", wanted, Figure.of(self.picture).median, "ms", False)

    def take(self, viewers: Viewers, request: Callable[[], T]) -> T:
        """Time one request to which the first viewer's stream is the answer; returns what it does.

        Raises BenchError.
        """
        viewers.arm(0)
        began = time.monotonic()
        made = request()
        self.answered.append((time.monotonic() - began) * 1000)
        key = viewers.await_key()
        if not key.parameters:
            raise BenchError("the key frame came without its parameter sets")
        self.packet.append((key.first - began) * 1000)
        self.picture.append((key.complete - began) * 1000)
        time.sleep(_PAUSE_SECONDS)
        return made


def measure(quick: bool) -> Sequence[Table]:
    """Measure. Raises BenchError."""
    tries = 10 if quick else 40
    with Services() as services, Viewers(1 + _BUSY) as viewers:
        ours = Ours(services, OURS, "paced")
        idle, sought = _requests(ours, viewers, tries), _seeks(ours, viewers, tries)
        say(f"with {_BUSY} streams ...")
        with ours.streaming(viewers, leave_out=1):
            viewers.await_streams(_BUSY, 60)
            busy, sought_busy = _requests(ours, viewers, tries), _seeks(ours, viewers, tries)
    rivals = [(server.name, _plays(server, tries)) for server in (GstRtspServer(), VlcServer())]
    rows = [idle.row(OURS), *(times.row(name) for name, times in rivals), busy.row(_BESIDE)]
    return [
        Table(
            "From the request to the first picture",
            "From before getStream and getSDP until the last packet of the first key frame is at "
            "the viewer's socket, complete and with its parameter sets: what a decoder needs for a "
            "picture. Other servers: from before the connection, DESCRIBE, SETUP and PLAY. "
            f"Answered: when getSDP or PLAY returned. Medians of {tries} tries, one after the "
            f"other. {clip.DESCRIPTION}.",
            _COLUMNS,
            tuple(rows),
            (
                idle.goal("request to first picture", _START_MS),
                busy.goal(f"request to first picture, {_BUSY} streams running", _START_MS),
            ),
            Contest(OURS, ("picture, ms", "picture p95, ms"), apart=(_BESIDE,)),
        ),
        Table(
            "From a seek to the first picture",
            "From before PlaybackControl.seek, to places all over the video, until the last packet "
            "of the key frame there is at the viewer's socket. Medians of "
            f"{tries} tries, one after the other.",
            _COLUMNS,
            (sought.row(OURS), sought_busy.row(_BESIDE)),
            (
                sought.goal("seek to first picture", _SEEK_MS),
                sought_busy.goal(f"seek to first picture, {_BUSY} streams running", _SEEK_MS),
            ),
        ),
    ]


def _requests(ours: Ours, viewers: Viewers, tries: int) -> Times:
    times = Times()
    for _ in range(tries):
        request = functools.partial(ours.ask, ours.token(), viewers.port(0))
        times.take(viewers, request).stop()
    return times


def _seeks(ours: Ours, viewers: Viewers, tries: int) -> Times:
    times = Times()
    controller = ours.play(viewers.port(0)).controller
    control = IceFlix.PlaybackControlPrx.checkedCast(controller)
    if control is None:
        raise BenchError("the provider's controllers know no seek")
    try:
        for number in range(tries):
            place = (number * _GOLDEN) % 1.0 * (clip.SECONDS - _END_SECONDS)
            times.take(viewers, functools.partial(control.seek, place))
    finally:
        controller.stop()
    return times


def _plays(server: RtspServer, tries: int) -> Times:
    times = Times()
    with Viewers(1) as viewers, server.serving() as url:
        for _ in range(tries):
            times.take(viewers, functools.partial(play, url, viewers.port(0))).close()
    return times


if __name__ == "__main__":
    sys.exit(single.alone("latency", measure))
