"""What a stream costs: processor time, memory, threads; loss, bursts and pace at the viewers."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import clip, single
from bench.frame import Cell, Chart, Contest, Goal, Table, number
from bench.machine import say
from bench.ours import Ours
from bench.points import Wish, run
from bench.record import Record, Sample
from bench.rivals import FLOOR, GstRtspServer, Server, VlcServer, ffmpeg, floor
from bench.services import Services
from bench.viewers import BUFFER_MS

OURS, OTHER_SENDER = "IceFlix", "IceFlix, its GStreamer sender"
_BEST = "IceFlix by the best of the other servers"
_APART = (FLOOR, OTHER_SENDER, _BEST)
_RATIO, _MEGABYTES, _THREADS, _COMPLETE = 0.35, 0.3, 4, 0.98
_MANY, _MIDDLE = 500, 100
_ROUNDS = (
    (Wish(1, 6), Wish(20, 4), Wish(_MIDDLE, 4), Wish(200, 4)),
    (Wish(1, 6), Wish(20, 4), Wish(_MIDDLE, 4), Wish(200, 4)),
    (Wish(_MIDDLE, 4), Wish(200, 4)),
)
_QUICK_ROUNDS = ((Wish(1, 2), Wish(_MIDDLE, 2)),)


@dataclass(frozen=True)
class Findings:
    """What was measured: in turns, with viewers that take packets in bulk, with many streams."""

    names: Sequence[str]
    rivals: Sequence[str]
    counts: Sequence[int]
    turns: Record
    bulk: Record
    many: Record


def measure(quick: bool) -> Sequence[Table]:
    """Measure all servers. Raises BenchError when ours cannot be started."""
    with Services() as services:
        found = _gather(services, quick)
    tables = [_processor(found), _pace(found), _size(found), _crowd(found)]
    return tables if quick else [*tables, _in_bulk(found)]


def _gather(services: Services, quick: bool) -> Findings:
    turns, bulk, many = Record(), Record(), Record()
    ours: Server = Ours(services, OURS, "paced")
    rivals: list[Server] = [GstRtspServer(), ffmpeg(), VlcServer()]
    servers = [ours, *rivals, Ours(services, OTHER_SENDER, "gstreamer"), floor()]
    for turn, wishes in enumerate(_QUICK_ROUNDS if quick else _ROUNDS):
        run(turns, servers, wishes, turn)
    if not quick:
        say("viewers that take packets in bulk ...")
        run(bulk, servers, [Wish(_MIDDLE, 4, True)], 0)
    say(f"{_MANY} streams ...")
    run(many, [ours, floor()], [Wish(_MANY, 2 if quick else 10)], 0)
    names, others = ([server.name for server in group] for group in (servers, rivals))
    return Findings(names, others, turns.counts(), turns, bulk, many)


def _processor(found: Findings) -> Table:
    record, goals, ratios = found.turns, list[Goal](), list[Cell]()
    for count in found.counts:
        ratio = record.ratio(OURS, found.rivals, count)
        ratios.append(ratio and ratio[0])
        if ratio and count >= _MIDDLE:
            what = f"{count} streams: processor time by that of the best server ({ratio[1]})"
            goals.append(Goal(what, _RATIO, ratio[0].median, "", False))
    rows: list[tuple[Cell, ...]] = [
        (name, *(record.cpu(name, count) for count in found.counts)) for name in found.names
    ]
    series = {
        name: [(float(n), figure) for n in found.counts if (figure := record.cpu(name, n))]
        for name in found.names
    }
    labels = "streams at once", "ms per stream and second"
    return Table(
        "Processor time of the server, ms per second of a delivered stream",
        f"Streams of {clip.DESCRIPTION}, over loopback to one process that receives for all "
        "viewers. User and system time of all processes of the server, as the scheduler counts "
        "it. IceFlix: the real StreamProvider, asked by getStream and getSDP with real tokens that "
        "every viewer renews; its Authenticator and IceStorm, which other servers lack, are not "
        "counted. GStreamer's server: in Python, nothing decoded. FFmpeg: `ffmpeg -re -c copy -f "
        "rtp`. VLC: VLM, vod. The viewers take packets one by one, so that a server that sends in "
        "bulk (UDP_SEGMENT) pays for having it split; the last table has viewers that take it as "
        f"it was sent. Meanwhile other programs used {number(record.others().median)} processors "
        f"(at most {number(record.others().greatest)}). {_said(record)}".rstrip(),
        ("streams at once", *map(str, found.counts)),
        (*rows, (_BEST, *ratios)),
        tuple(goals),
        Contest(OURS, tuple(map(str, found.counts)), apart=_APART),
        (Chart("streaming-processor", "lines", *labels, series, (True, True)),),
    )


def _pace(found: Findings) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in found.names:
        sample = found.turns.last(name, _MIDDLE)
        if sample is None:
            rows.append((name, *[None] * 6))
            continue
        pace, lost = sample.heard.pace, sample.heard.lost
        gaps = pace.gap_p99, pace.longest_gap
        rows.append((name, lost, pace.burst, pace.uneven, *gaps, pace.dry))
    ours = found.turns.last(OURS, _MIDDLE)
    goals: tuple[Goal, ...] = ()
    if ours is not None:
        what = f"{_MIDDLE} streams: viewers with a buffer of {BUFFER_MS:.0f} ms that run dry"
        goals = (Goal(what, 0, ours.heard.pace.dry, "", False),)
    columns = ("sender", "packets lost", "burst, packets", "unevenness, ms", "gap p99, ms")
    return Table(
        f"How evenly, with {_MIDDLE} streams",
        "Of the last round. Burst: most packets of one stream within a millisecond. Unevenness: "
        "how much more behind its time a stream's latest packet was than its earliest, which is "
        "the jitter buffer that a viewer needs whenever it begins; median, least and greatest of "
        f"the streams. Dry: streams that need more than {BUFFER_MS:.0f} ms. Arrival is when the "
        "kernel took the packet in. On a busy machine every sender is kept waiting now and then: "
        "compare with the floor.",
        (*columns, "longest gap, ms", "dry"),
        tuple(rows),
        goals,
    )


def _size(found: Findings) -> Table:
    few, several = found.counts[0], _MIDDLE
    rows: list[tuple[Cell, ...]] = []
    for name in found.names:
        one, many = found.turns.last(name, few), found.turns.last(name, several)
        further = None
        if one is not None and many is not None:
            further = (many.megabytes - one.megabytes) / (several - few)
        first = None if one is None else one.megabytes
        rows.append((name, first, further, None if many is None else many.threads))
    return Table(
        "Memory and threads",
        "PSS of all processes of the server: what is shared is divided among those who share it. "
        f"A further stream: from {few} to {several}, divided by their number.",
        ("sender", "MiB with one stream", "MiB for a further stream", f"threads with {several}"),
        tuple(rows),
        contest=Contest(
            OURS, ("MiB for a further stream", f"threads with {several}"), apart=_APART
        ),
    )


def _crowd(found: Findings) -> Table:
    samples = {name: found.many.last_try(name, _MANY) for name in (OURS, FLOOR)}
    there = {name: sample for name, sample in samples.items() if sample is not None}
    lines: list[tuple[str, Callable[[Sample], Cell]]] = [
        ("packets received", lambda s: s.heard.packets),
        ("packets lost", lambda s: s.heard.lost),
        ("packets in another order", lambda s: s.heard.reordered),
        ("of the video that was due, came", lambda s: s.share),
        ("processor time, ms per stream and second", lambda s: s.cpu),
        ("burst, packets within 1 ms; of the streams", lambda s: s.heard.pace.burst),
        ("unevenness, ms; of the streams", lambda s: s.heard.pace.uneven),
        ("threads", lambda s: s.threads),
        ("processors that other programs used", lambda s: s.others),
    ]
    goals: list[Goal] = []
    ours, one = there.get(OURS), found.turns.last(OURS, found.counts[0])
    if ours is not None:
        goals.append(Goal(f"{_MANY} streams: packets lost", 0, ours.heard.lost, "", False))
        goals.append(Goal(f"{_MANY} streams: of the video, came", _COMPLETE, ours.share))
    if ours is not None and one is not None:
        further = (ours.megabytes - one.megabytes) / (_MANY - found.counts[0])
        goals.append(Goal("memory for a further stream", _MEGABYTES, further, "MiB", False))
        more = ours.threads - one.threads
        goals.append(Goal("threads more than with one stream", _THREADS, more, "", False))
    return Table(
        f"{_MANY} streams at once",
        "Lost: numbers missing in the RTP sequences at the receiver. Meanwhile one process "
        f"receives all of them on the same machine. {_said(found.many)}".rstrip(),
        ("", *there),
        tuple((line, *(value(sample) for sample in there.values())) for line, value in lines),
        tuple(goals),
    )


def _in_bulk(found: Findings) -> Table:
    names = [name for name in found.names if found.bulk.cpu(name, _MIDDLE)]
    return Table(
        f"Viewers that take packets in bulk, {_MIDDLE} streams",
        "ms of processor time per second of a delivered stream: the viewers' sockets take what was "
        "sent by one call as it was sent (UDP_GRO), as a network card takes it that splits by "
        "itself. One run each.",
        ("sender", "one by one", "in bulk"),
        tuple(
            (name, found.turns.cpu(name, _MIDDLE), found.bulk.cpu(name, _MIDDLE)) for name in names
        ),
    )


def _said(record: Record) -> str:
    trouble = record.sentences()
    return f"What failed, and is left out: {' '.join(trouble)}" if trouble else ""


if __name__ == "__main__":
    sys.exit(single.alone("streaming", measure))
