"""Packets on loopback, decoded: what arrives is what the file holds (V44-V46, V51)."""

import contextlib
import gc
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from iceflix.streaming.library import Medium, Stamp
from iceflix.streaming.plans import COPY, TRANSCODE
from iceflix.streaming.probe import NotVideo, examine
from iceflix.streaming.sender import MediaError, Order, Sender, Target
from tests.conftest import wait_until
from tests.media.clips import FRAMES, SECONDS, Clips, frame_digests, psnr
from tests.media.playing import HERE, SAMPLE, SENDERS, End, Played, medium
from tests.media.receiver import Receiver

pytestmark = pytest.mark.slow

COPIED = [
    "plain.mp4",
    "bframes.mp4",
    "matroska.mkv",
    "quicktime.mov",
    "transport.ts",
    "fragmented.mp4",
    "silent.mp4",
]
TRANSCODED = ["mpeg4.avi", "vp8.webm", "theora.ogv", "unstamped.avi"]


def play(sender: Sender, found: Medium, receiver: Receiver, *, audio: bool = True) -> End:
    """Send a medium to a receiver."""
    end = End()
    sender.start(Order(found, Target(HERE, receiver.port), audio), end)
    return end


@dataclass(frozen=True)
class Kept(Played):
    """With its end, and the file of what was received."""

    end: End
    received: Path


@pytest.fixture(name="played", scope="module", params=["paced", "gstreamer"])
def _played(
    request: pytest.FixtureRequest, clips: Clips, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Kept]:
    """Every clip, all played at the same time to odd and even ports."""
    folder = tmp_path_factory.mktemp("received")
    sender, played = SENDERS[request.param](), {}
    with contextlib.ExitStack() as stack:
        for number, name in enumerate([*COPIED, *TRANSCODED, "odd.mkv"]):
            pictures = stack.enter_context(Receiver(parity=number % 2))
            sound = stack.enter_context(Receiver(pictures.port + 2))
            found = medium(clips.get(name))
            received = folder / f"{name}.h264"
            played[name] = Kept(clips.get(name), found, pictures, sound, End(), received)
        for one in played.values():
            one.end.began = time.monotonic()
            order = Order(one.medium, Target(HERE, one.pictures.port))
            sender.start(order, one.end)
        assert {one.end.wait(30) for one in played.values()} == {""}
        wait_until(lambda: all(one.pictures.silent_for(0.2, 5) for one in played.values()))
    sender.close()
    for one in played.values():
        one.pictures.write_h264(one.received)
    return played


@pytest.mark.parametrize("name", COPIED)
def test_copied_pictures_arrive_bit_by_bit(name: str, played: dict[str, Kept]) -> None:
    """Every frame of the source, no other, paced by the medium's clock; nothing mixes (V46)."""
    one = played[name]
    plan = one.medium.format.plan
    assert plan.video == COPY and plan.audio in (COPY, "")
    assert one.pictures.lost == 0
    assert {packet.payload_type for packet in one.pictures.packets} == {96}
    assert len({packet.source for packet in one.pictures.packets}) == 1
    assert frame_digests(one.received, "h264") == frame_digests(one.source)
    assert SECONDS - 0.5 < one.end.at - one.end.began < SECONDS + 5
    if one.medium.format.audio:
        assert one.sound.lost == 0
        assert {packet.payload_type for packet in one.sound.packets} == {97}
        assert len(one.sound.packets) >= 0.95 * SECONDS * 44100 / 1024
    else:
        assert not one.sound.packets


@pytest.mark.parametrize("name", TRANSCODED)
def test_transcoded_pictures_look_the_same(name: str, played: dict[str, Kept]) -> None:
    """At least 95 % of the frames, and close to the source."""
    one = played[name]
    assert one.medium.format.plan.video == TRANSCODE
    assert one.pictures.lost == 0 and one.sound.packets
    assert abs(len(frame_digests(one.received, "h264")) - FRAMES) <= 0.05 * FRAMES
    assert psnr(one.received, one.source) > 30


def test_odd_sizes_and_colours_become_what_players_know(played: dict[str, Kept]) -> None:
    """4:2:0 with even sizes."""
    one = played["odd.mkv"]
    picture = one.medium.format.picture
    assert (picture.width, picture.height) == (191, 107)
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height,pix_fmt"]
    told = subprocess.run(
        [*command, "-of", "csv=p=0", one.received], check=True, capture_output=True, text=True
    )
    width, height, colours = told.stdout.strip().split(",")
    assert int(width) % 2 == int(height) % 2 == 0 and colours == "yuv420p"


@pytest.mark.parametrize("name", ["plain.mp4", "transport.ts", "matroska.mkv"])
def test_packets_come_when_their_time_has_come(name: str, played: dict[str, Kept]) -> None:
    """Picture and sound beside each other, neither in one burst."""
    one = played[name]
    starts = [side.packets[0].arrival for side in (one.pictures, one.sound)]
    assert abs(starts[0] - starts[1]) < 1
    for side, clock in ((one.pictures, 90000), (one.sound, 44100)):
        first = side.packets[0]
        for packet in side.packets:
            media_time = ((packet.timestamp - first.timestamp + 2**31) % 2**32 - 2**31) / clock
            assert packet.arrival - first.arrival > media_time - 0.5


@pytest.mark.parametrize(
    ("name", "encoding", "how"),
    [
        ("plain.mp4", "MPEG4-GENERIC", COPY),
        ("mp3.mp4", "MPA", COPY),
        ("opus.mkv", "OPUS", COPY),
        ("ac3.ts", "MPEG4-GENERIC", TRANSCODE),
    ],
)
def test_sound_goes_as_it_is_where_players_know_it(
    name: str, encoding: str, how: str, clips: Clips
) -> None:
    """AAC, MP3 and Opus; the rest becomes AAC while the picture stays untouched."""
    found = medium(clips.get(name)).format
    assert (found.plan.video, found.plan.audio) == (COPY, how)
    assert [track.encoding for track in found.tracks] == ["H264", encoding]


@pytest.mark.parametrize("name", ["sound.m4a", "sound.mp3", "still.png"])
def test_what_is_no_video_is_none(name: str, clips: Clips) -> None:
    """Content decides, not the name (V37)."""
    disguised = clips.get(name).with_suffix(".mp4")
    shutil.copy(clips.get(name), disguised)
    with pytest.raises(NotVideo):
        examine(str(disguised))


def test_ten_streams_do_not_mix(clips: Clips, sender: Sender, tmp_path: Path) -> None:
    """Ten contents of the same kind, ten receivers: each gets its own, whole (V46)."""
    sources = [clips.get("silent.mp4", hue=36 * number) for number in range(10)]
    with contextlib.ExitStack() as stack:
        receivers = [stack.enter_context(Receiver()) for _ in sources]
        media = [medium(source) for source in sources]
        ends = [
            play(sender, found, receiver) for found, receiver in zip(media, receivers, strict=True)
        ]
        assert {end.wait(30) for end in ends} == {""}
        wait_until(lambda: all(receiver.silent_for(0.2, 5) for receiver in receivers))
    assert len({packet.source for receiver in receivers for packet in receiver.packets}) == 10
    for number, (source, receiver) in enumerate(zip(sources, receivers, strict=True)):
        assert receiver.lost == 0
        received = receiver.write_h264(tmp_path / f"{number}.h264")
        assert frame_digests(received, "h264") == frame_digests(source)


def test_stopping_is_silence(clips: Clips, sender: Sender) -> None:
    """At once, and nothing stays behind (V49)."""
    found = medium(clips.get("plain.mp4"))
    before = _threads()
    with Receiver() as receiver, Receiver(receiver.port + 2) as sound:
        end = End()
        stream = sender.start(Order(found, Target(HERE, receiver.port)), end)
        wait_until(lambda: len(receiver.packets) > 20)
        stream.stop()
        stopped = time.monotonic()
        assert receiver.silent_for(0.5, 3) and sound.silent_for(0.5, 3)
        last = max(packet.arrival for packet in receiver.packets + sound.packets)
        assert last < stopped + 0.5
        stream.stop()
        stream.retarget(Target(HERE, receiver.port))
    assert not end.reasons
    wait_until(lambda: _threads() <= before + 2)


def test_moving_a_stream_leaves_no_gap(clips: Clips, sender: Sender) -> None:
    """The same stream goes on elsewhere; the old place hears nothing more."""
    found = medium(clips.get("plain.mp4"))
    with Receiver() as old, Receiver() as new, Receiver(new.port + 2) as sound:
        end = End()
        stream = sender.start(Order(found, Target(HERE, old.port)), end)
        wait_until(lambda: len(old.packets) > 20)
        stream.retarget(Target(HERE, new.port))
        assert old.silent_for(0.5, 3)
        assert end.wait() == ""
        wait_until(lambda: new.silent_for(0.2, 5))
    assert new.packets[0].source == old.packets[0].source and sound.packets
    numbers = {packet.sequence for packet in old.packets + new.packets}
    span = (new.packets[-1].sequence - old.packets[0].sequence) % 65536 + 1
    assert len(numbers) == span


def test_sound_can_be_left_out(clips: Clips, sender: Sender) -> None:
    """By a property, and by the highest port."""
    found = medium(clips.get("plain.mp4"))
    with Receiver() as pictures, Receiver(pictures.port + 2) as sound:
        stream = sender.start(Order(found, Target(HERE, pictures.port), audio=False), End())
        assert [track.media for track in stream.tracks] == ["video"]
        wait_until(lambda: len(pictures.packets) > 20)
        assert not sound.packets
    stream.stop()
    high = sender.start(Order(found, Target(HERE, 65535)), End())
    high.stop()


def test_a_damaged_file_ends_its_own_stream_only(
    clips: Clips, sender: Sender, tmp_path: Path
) -> None:
    """Cut off in the middle; others do not notice (V51)."""
    whole = clips.get("bframes.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with Receiver() as good, Receiver() as bad:
        other = play(sender, medium(whole), good)
        broken = play(sender, medium(cut), bad)
        broken.wait()
        assert bad.packets
        assert other.wait() == ""
        wait_until(lambda: good.silent_for(0.2, 5))
    assert good.lost == 0
    received = good.write_h264(tmp_path / "received.h264")
    assert frame_digests(received, "h264") == frame_digests(whole)


def test_a_file_that_is_cut_or_deleted_while_it_plays(
    clips: Clips, sender: Sender, tmp_path: Path
) -> None:
    """A deleted one plays to its end; a truncated one ends early; nothing crashes (V51)."""
    deleted, truncated = tmp_path / "deleted.mp4", tmp_path / "truncated.mp4"
    for file in (deleted, truncated):
        shutil.copy(clips.get("plain.mp4"), file)
    with Receiver() as first, Receiver() as second:
        ends = play(sender, medium(deleted), first), play(sender, medium(truncated), second)
        wait_until(lambda: len(first.packets) > 5 and len(second.packets) > 5)
        deleted.unlink()
        os.truncate(truncated, 1000)
        assert ends[0].wait() == ""
        ends[1].wait()
        wait_until(lambda: first.silent_for(0.2, 5))
    received = first.write_h264(tmp_path / "received.h264")
    assert frame_digests(received, "h264") == frame_digests(clips.get("plain.mp4"))


def test_what_cannot_be_played_is_refused_in_words(
    clips: Clips, sender: Sender, tmp_path: Path
) -> None:
    """Gone, changed, or not what it was."""
    file = tmp_path / "one.mp4"
    shutil.copy(clips.get("plain.mp4"), file)
    found = medium(file)
    file.write_bytes(b"x" * 100_000)
    order = Order(found, Target(HERE, 5004))
    with pytest.raises(MediaError, match="has changed"):
        sender.start(order, End())
    lying = replace(found, stamp=Stamp.of(file.stat()))
    with pytest.raises(MediaError):
        sender.start(replace(order, medium=lying), End())
    file.unlink()
    with pytest.raises(MediaError, match="No such file"):
        sender.start(order, End())
    with Receiver() as receiver:
        assert play(sender, medium(clips.get("plain.mp4")), receiver).wait() == ""


def test_nothing_leaks(clips: Clips, sender: Sender, tmp_path: Path) -> None:
    """Neither streams that were stopped nor those that never began keep files or threads."""
    good = medium(clips.get("plain.mp4"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(Path(good.path).read_bytes()[:3000] + bytes(50_000))
    bad = replace(good, path=str(broken), stamp=Stamp.of(broken.stat()))
    target = Target(HERE, 50_000)

    def use(times: int) -> None:
        for _ in range(times):
            sender.start(Order(good, target), End()).stop()
            with pytest.raises(MediaError):
                sender.start(Order(bad, target), End())
        gc.collect()

    use(5)
    files = _files()
    use(30)
    wait_until(lambda: _files() <= files + 10)


def test_names_of_any_bytes_play(clips: Clips, sender: Sender, tmp_path: Path) -> None:
    """Quotes, exclamation marks, and what is no UTF-8."""
    file = tmp_path / os.fsdecode(b'it\'s "a" ! pipeline \xff.mp4')
    shutil.copy(clips.get("silent.mp4"), file)
    with Receiver() as receiver:
        stream = sender.start(Order(medium(file), Target(HERE, receiver.port)), End())
        wait_until(lambda: len(receiver.packets) > 5)
        stream.stop()


def test_the_first_packet_comes_quickly(sender: Sender) -> None:
    """The median of a start, probe excluded, is far below what a viewer notices."""
    found = medium(SAMPLE)
    took = []
    with Receiver() as receiver:
        for _ in range(9):
            began = time.monotonic()
            stream = sender.start(Order(found, Target(HERE, receiver.port)), End())
            took.append(time.monotonic() - began)
            stream.stop()
    assert sorted(took)[4] < 0.5  # about 0.003 on an idle machine


def test_closing_the_sender_ends_all(clips: Clips, sender: Sender) -> None:
    """And it starts nothing any more."""
    found = medium(clips.get("plain.mp4"))
    with Receiver() as receiver:
        play(sender, found, receiver)
        wait_until(lambda: len(receiver.packets) > 5)
        sender.close()
        assert receiver.silent_for(0.5, 3)
        with pytest.raises(MediaError, match="stopping"):
            play(sender, found, receiver)
    sender.close()


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
