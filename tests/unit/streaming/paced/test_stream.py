"""When packets leave, under a clock that only the test moves."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.streaming.paced.packets import BURST_PACKETS
from iceflix.streaming.paced.source import Sources
from iceflix.streaming.paced.tables import Sample
from iceflix.streaming.sender import MediaError, Target
from tests.media.receiver import Packet, nal_units
from tests.unit.streaming.paced.film import PPS, SPS
from tests.unit.streaming.paced.stage import (
    AU,
    FRAME,
    SECONDS,
    FakeWire,
    Stage,
    pictures,
    seconds,
    sound,
)

_TICK = 0.0011


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    yield Stage(tmp_path)


def _units(packets: list[Packet]) -> list[bytes]:
    return [unit for unit in nal_units(packets) if unit not in (SPS, PPS)]


def _gapless(packets: list[Packet]) -> bool:
    steps = {
        (after.sequence - before.sequence) % 65536 for before, after in itertools.pairwise(packets)
    }
    return steps == {1} and len({packet.source for packet in packets}) == 1


def _pictures(first: int = 0) -> list[bytes]:
    return [sample[4:] for sample in pictures().samples[first:]]


def test_every_picture_leaves_at_its_time(stage: Stage) -> None:
    """Neither early nor late, all of them, numbered without a gap; then the stream ends."""
    stream = stage.begin()
    stage.pacer.run(SECONDS + 0.2)
    packets = stage.video()
    for packet in packets:
        planned = 1000.0 + seconds(packets[0], packet)
        assert -0.001 < packet.arrival - planned < _TICK
    assert _gapless(packets) and _units(packets) == _pictures()
    assert stage.ends == [""] and stream.over and stream.position == SECONDS
    assert stream.sent.packets == len(packets) + len(stage.audio())
    payload = sum(len(packet.payload) for packet in packets + stage.audio())
    assert stream.sent.bytes == payload


def test_sound_leaves_with_the_pictures_and_never_late(stage: Stage) -> None:
    """At most 45 ms ahead, so that two clocks need one waking."""
    stage.begin()
    stage.pacer.run(SECONDS + 0.2)
    packets = stage.audio()
    assert len(packets) == SECONDS * 48000 // 1024 and _gapless(packets)
    for number, packet in enumerate(packets):
        ahead = 1000.0 + number * AU - packet.arrival
        assert -_TICK < ahead <= 0.046
    times = {packet.arrival for packet in packets}
    assert times <= {packet.arrival for packet in stage.video()}


def test_large_pictures_are_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many packets at once, the rest well before the next picture."""
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    stage = Stage(tmp_path, [pictures(size=130_000)])
    stage.begin()
    stage.pacer.run(SECONDS)
    assert max(number for _, number in stage.bursts) == BURST_PACKETS
    by_time = itertools.groupby(stage.bursts, key=lambda burst: burst[0])
    assert all(sum(number for _, number in group) <= 2 * BURST_PACKETS for _, group in by_time)
    first = stage.video()[0]
    for packet in stage.video():
        late = packet.arrival - 1000.0 - seconds(first, packet)
        assert -0.001 < late < 0.75 * FRAME
    assert _gapless(stage.video())


def test_a_pause_is_silence_and_loses_nothing(stage: Stage) -> None:
    """RTP's clock runs on meanwhile, as for any source that is silent."""
    stream = stage.begin()
    stage.pacer.run(1.01)
    stream.pause()
    stream.pause()
    before, position, sent = stage.video()[-1], stream.position, stream.sent
    stage.pacer.run(3)
    assert stage.video()[-1] is before and stream.paused
    assert (stream.position, stream.sent) == (position, sent)
    stream.resume()
    stream.resume()
    stage.pacer.run(SECONDS)
    packets = stage.video()
    after = packets[packets.index(before) + 1]
    assert seconds(before, after) == pytest.approx(3 + FRAME, abs=0.01)
    assert _gapless(packets) and _units(packets) == _pictures() and stage.ends == [""]


@pytest.mark.parametrize(("wanted", "landed"), [(0.0, 0), (2.0, 2), (2.99, 2), (3.999, 3)])
def test_seeking(wanted: float, landed: int, stage: Stage) -> None:
    """At the key frame at or before, at once; numbers and timestamps go on."""
    stream = stage.begin()
    stage.pacer.run(1.5)
    before = stage.video()[-1], stage.audio()[-1]
    stage.forget()
    assert stream.seek(wanted) == pytest.approx(landed)
    stage.pacer.run(0.0)
    assert stream.position == pytest.approx(landed, abs=0.01)
    assert stage.video()[0].arrival == stage.pacer.now
    stage.pacer.run(SECONDS)
    assert _units(stage.video()) == _pictures(landed * 30)
    for last, packets, rate in zip(
        before, (stage.video(), stage.audio()), (90000, 48000), strict=True
    ):
        assert _gapless([last, *packets])
        assert 0 < seconds(last, packets[0], rate) < 0.2
    together = [packets[0].arrival for packets in (stage.video(), stage.audio())]
    assert together[0] == pytest.approx(together[1], abs=0.03)


def test_seeking_in_pause_waits(stage: Stage) -> None:
    """It goes on from there when it goes on."""
    stream = stage.begin()
    stage.pacer.run(0.5)
    stream.pause()
    stage.forget()
    assert stream.seek(2.5) == pytest.approx(2.0)
    stage.pacer.run(1)
    assert not stage.video() and stream.position == pytest.approx(2.0) and stream.paused
    stream.resume()
    stage.pacer.run(SECONDS)
    assert _units(stage.video()) == _pictures(60)


def test_positions_outside_are_refused(stage: Stage) -> None:
    """Before the beginning, after the end, and all of them once it is over."""
    stream = stage.begin()
    for position in (-0.1, SECONDS + 0.1):
        with pytest.raises(MediaError, match="no such position"):
            stream.seek(position)
    stream.stop()
    with pytest.raises(MediaError, match="ended"):
        stream.seek(0)
    assert not stream.seekable


def test_beginning_in_the_middle(stage: Stage) -> None:
    """Nothing of what comes before is sent."""
    stream = stage.begin(start=1.7)
    stage.pacer.run(0.1)
    assert stream.position == pytest.approx(1.1, abs=0.01)
    stage.pacer.run(SECONDS)
    assert _units(stage.video()) == _pictures(30)


def test_pictures_that_need_what_was_not_sent_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open group: after a key frame come pictures that are shown before it."""
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    offsets = [{0: 6000, 1: 0, 2: 0}.get(number % 30, 3000) for number in range(120)]
    stage = Stage(tmp_path, [pictures(offsets=offsets, edits=[(SECONDS * 1000, 6000)])])
    stream = stage.begin()
    stage.pacer.run(0.2)
    stage.forget()
    assert stream.seek(1.5) == pytest.approx(1.0)
    stage.pacer.run(SECONDS)
    key, early, *rest = _pictures(30)
    assert _units(stage.video()) == [key, *rest]
    assert early not in _units(stage.video())


def test_a_film_that_begins_with_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture comes when its time has come; a seek to it begins with it."""
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    stage = Stage(tmp_path, [pictures(edits=[(1000, -1), (SECONDS * 1000, 0)]), sound()])
    stream = stage.begin()
    stage.pacer.run(0.5)
    assert stage.audio()[0].arrival == 1000.0 and not stage.video()
    stage.pacer.run(SECONDS + 1)
    assert stage.video()[0].arrival == pytest.approx(1001.0, abs=_TICK)
    assert stage.ends == [""] and stream.position == SECONDS + 1


def test_moving_a_stream_leaves_no_gap(stage: Stage) -> None:
    """The next packet goes to the new place, the same source, the next number."""
    stream = stage.begin()
    stage.pacer.run(1)
    stream.retarget(Target("127.0.0.1", 6000))
    stage.pacer.run(SECONDS)
    assert _gapless(stage.video() + stage.video(6000))
    assert _gapless(stage.audio() + stage.audio(6002))
    assert _units(stage.video() + stage.video(6000)) == _pictures()


def test_the_highest_port_has_no_sound(stage: Stage) -> None:
    """There is no port for it."""
    stream = stage.begin(Target("127.0.0.1", 65535))
    stage.pacer.run(1)
    assert {port for _, port in stage.arrived} == {65535}
    assert stream.sent.packets == len(stage.video(65535))
    assert not stage.post.sent or {port for _, port, _, _ in stage.post.sent} == {65536}


def test_a_slow_disk_holds_up_one_stream_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on; what is long overdue is not caught up in one burst."""
    source = Sources().open(stage.medium())
    stage.begin(source=source)
    stage.begin(Target("127.0.0.1", 7000))
    stage.pacer.run(1)
    monkeypatch.setattr(source, "peek", lambda sample: None)
    stage.pacer.run(2)
    missed = 1003.0 - stage.video()[-1].arrival
    assert missed > 1.9 and stage.video(7000)[-1].arrival > 1003.0 - 2 * FRAME
    monkeypatch.undo()
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    stage.readers.read()
    at = stage.pacer.now
    stage.pacer.run(SECONDS + 3)
    assert stage.ends == ["", ""]
    for port in (5000, 7000):
        packets = stage.video(port)
        assert _gapless(packets) and _units(packets) == _pictures()
    caught_up = [packet for packet in stage.video() if at <= packet.arrival < at + 2 * FRAME]
    assert len(_units(caught_up)) < missed / FRAME / 2


def test_units_are_made_several_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in memory is left until it is needed, and is asked for once."""
    source = Sources().open(stage.medium())
    stage.begin(source=source)
    peek, moments = source.peek, list[float]()

    def count(sample: Sample) -> bytearray | None:
        moments.append(stage.pacer.now)
        return peek(sample) if sample.number % 10 else None

    monkeypatch.setattr(source, "peek", count)
    at = stage.pacer.now
    while stage.pacer.now < at + SECONDS + 1:
        stage.pacer.run(FRAME / 4)
        assert len(stage.readers.jobs) <= 2  # pictures and sound
        stage.readers.read()
    assert _gapless(stage.video()) and _units(stage.video()) == _pictures()
    assert _gapless(stage.audio()) and len(stage.audio()) == SECONDS * 48000 // 1024
    assert 0 < len(set(moments)) < len(moments) / 3


def test_a_file_that_is_cut_short_ends_its_stream(stage: Stage) -> None:
    """With a reason; nothing crashes (V51)."""
    stream = stage.begin()
    stage.pacer.run(1)
    os.truncate(stage.file, 1000)
    stage.pacer.run(0.2)
    stage.readers.read()
    stage.pacer.run(0.2)
    assert stream.over and stage.ends == ["its file has been cut short"]


def test_a_file_that_has_everything_due_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not keep the pacer from the others."""
    monkeypatch.setattr("iceflix.streaming.paced.stream.Wire", FakeWire)
    stage = Stage(tmp_path, [pictures(steps=[0] * SECONDS * 30, keys=[0])])
    stage.begin()
    stage.pacer.agenda.run(stage.pacer.now)
    assert 0 < len(_units(stage.video())) < 60
    stage.pacer.run(1)
    assert _units(stage.video()) == _pictures() and stage.ends == [""]


def test_viewers_share_what_was_made(stage: Stage) -> None:
    """Two a second apart: each gets all of it under numbers of its own."""
    stage.begin()
    stage.pacer.run(1)
    stage.begin(Target("127.0.0.1", 7000))
    stage.pacer.run(SECONDS + 1)
    first, second = stage.video(), stage.video(7000)
    assert _units(first) == _units(second) == _pictures()
    assert _gapless(first) and _gapless(second)
    assert first[0].source != second[0].source


def test_reports_tell_one_time_for_both_tracks(stage: Stage) -> None:
    """At once, every five seconds, to the ports above; goodbye at the end."""
    stream = stage.begin()
    stage.pacer.run(0.01)
    assert [port for _, port, _, _ in stage.post.sent] == [5001, 5003]
    first = stage.video()[0], stage.audio()[0]
    for _, _, account, bye in stage.post.sent:
        packet = first[account.source == first[1].source]
        assert account.source == packet.source and not bye
        assert (account.rtp_time - packet.timestamp + 2**31) % 2**32 - 2**31 <= 90
    stream.pause()
    stage.pacer.run(10)
    assert len(stage.post.sent) == 6
    stream.stop()
    assert [bye for *_, bye in stage.post.sent[-2:]] == [True, True]
    accounts = [account for _, _, account, _ in stage.post.sent[-2:]]
    assert sum(account.packets for account in accounts) == stream.sent.packets
    elapsed = [
        (account.rtp_time - packet.timestamp) % 2**32 / rate
        for account, packet, rate in zip(accounts, first, (90000, 48000), strict=True)
    ]
    assert elapsed[0] == pytest.approx(10, abs=0.05)
    assert elapsed[0] == pytest.approx(elapsed[1], abs=0.001)


def test_stopping_is_for_good(stage: Stage) -> None:
    """Nothing leaves, nothing is told, the file is closed."""
    files = len(list(Path("/proc/self/fd").iterdir()))
    stream = stage.begin()
    stage.pacer.run(0.5)
    stream.stop()
    stage.forget()
    stream.stop()
    stream.resume()
    stream.retarget(Target("127.0.0.1", 6000))
    stage.pacer.run(SECONDS)
    assert not stage.arrived and not stage.ends and stream.over
    assert len(list(Path("/proc/self/fd").iterdir())) == files
