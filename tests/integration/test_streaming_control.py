"""Pause, seek and start in the middle, with real pipelines: what arrives, decoded."""

import itertools

import pytest

from iceflix.streaming.library import Medium
from iceflix.streaming.sender import MediaError, Order, Sender, Stream, Target
from tests.conftest import wait_until
from tests.media.clips import RATE, SECONDS, Clips, frame_digests
from tests.media.playing import HERE, End, medium
from tests.media.receiver import Packet, Receiver

pytestmark = pytest.mark.slow

SEEKABLE = ["bframes.mp4", "matroska.mkv", "quicktime.mov", "transport.ts", "mpeg4.avi"]


def gapless(packets: list[Packet], skipped: int = 0) -> bool:
    """Whether sequence numbers go on and there is one source.

    A seek drops what has been numbered and not been sent: ``skipped`` packets at most.
    """
    steps = {
        (after.sequence - before.sequence) % 65536 for before, after in itertools.pairwise(packets)
    }
    return steps <= set(range(1, skipped + 2)) and len({packet.source for packet in packets}) == 1


def begin(
    sender: Sender, found: Medium, receiver: Receiver, start: float = 0.0
) -> tuple[Stream, End]:
    """Send a medium to a receiver."""
    end = End()
    stream = sender.start(Order(found, Target(HERE, receiver.port), start=start), end)
    wait_until(lambda: receiver.packets, 10, "the first packet has come")
    return stream, end


def span(before: Packet, after: Packet) -> float:
    """Seconds of RTP time from one packet of video to another."""
    return ((after.timestamp - before.timestamp + 2**31) % 2**32 - 2**31) / 90000


def test_a_stream_begins_where_it_is_told(clips: Clips, sender: Sender) -> None:
    """At the key frame before; nothing of what comes before that is sent."""
    source = clips.get("bframes.mp4")
    with Receiver() as receiver:
        stream, end = begin(sender, medium(source), receiver, start=1.5)
        assert 1.0 <= stream.position < 2.0
        assert end.wait() == ""
        wait_until(lambda: receiver.silent_for(0.2, 5))
        received = receiver.write_h264(clips.folder / "begun.h264")
    assert receiver.lost == 0
    assert frame_digests(received, "h264") == frame_digests(source)[RATE:]


@pytest.mark.parametrize("name", SEEKABLE)
def test_seeking_goes_on_in_the_same_stream(name: str, clips: Clips, sender: Sender) -> None:
    """At the key frame before; sequence numbers and timestamps go on, copied or transcoded."""
    found = medium(clips.get(name))
    with Receiver() as receiver:
        stream, end = begin(sender, found, receiver)
        wait_until(lambda: len(receiver.packets) > 20)
        assert stream.seekable
        landed = stream.seek(2.2)
        assert landed <= 2.3 and stream.position >= landed
        came = len(receiver.packets)
        wait_until(lambda: len(receiver.packets) > came + 5)
        stream.seek(0)
        assert stream.position < 1.5
        assert end.wait() == ""
        wait_until(lambda: receiver.silent_for(0.2, 5))
    assert gapless(receiver.packets, skipped=200)
    first, last = receiver.packets[0], receiver.packets[-1]
    assert abs(span(first, last) - (last.arrival - first.arrival)) < 1
    with pytest.raises(MediaError, match="ended"):
        stream.seek(0)
    assert not stream.seekable


def test_a_seek_lands_on_the_key_frame(clips: Clips, sender: Sender) -> None:
    """Told exactly where it is, or something after it; all from there on arrives."""
    source = clips.get("bframes.mp4")
    found = medium(source)
    for wanted in (1.0, 1.9):
        with Receiver() as receiver:
            stream, end = begin(sender, found, receiver)
            stream.pause()
            assert receiver.silent_for(0.3, 5)
            before = len(receiver.packets)
            assert stream.seek(wanted) == pytest.approx(1.0, abs=0.1)
            assert stream.paused and receiver.silent_for(0.3, 5)
            assert len(receiver.packets) == before
            stream.resume()
            assert end.wait() == ""
            assert receiver.silent_for(0.2, 5)
            receiver.packets[:before] = []
            received = receiver.write_h264(clips.folder / "sought.h264")
        assert frame_digests(received, "h264") == frame_digests(source)[RATE:]


def test_a_pause_loses_nothing(clips: Clips, sender: Sender) -> None:
    """Silence until it goes on; every frame arrives, and each control may be repeated."""
    source = clips.get("bframes.mp4")
    with Receiver() as receiver:
        stream, end = begin(sender, medium(source), receiver)
        wait_until(lambda: len(receiver.packets) > 20)
        stream.pause()
        stream.pause()
        assert stream.paused and receiver.silent_for(0.5, 5)
        position, sent = stream.position, stream.sent
        assert receiver.silent_for(1.0, 5)
        assert stream.position == position and stream.sent == sent
        stream.resume()
        stream.resume()
        assert end.wait() == ""
        wait_until(lambda: receiver.silent_for(0.2, 5))
        received = receiver.write_h264(clips.folder / "paused.h264")
    assert gapless(receiver.packets)
    assert frame_digests(received, "h264") == frame_digests(source)


def test_a_stream_counts_what_it_sends(clips: Clips, sender: Sender) -> None:
    """Packets and payload of both tracks, over a change of target."""
    found = medium(clips.get("plain.mp4"))
    with Receiver() as first, Receiver() as second:
        sounds = [Receiver(first.port + 2), Receiver(second.port + 2)]
        stream, end = begin(sender, found, first)
        wait_until(lambda: len(first.packets) > 20)
        stream.retarget(Target(HERE, second.port))
        assert end.wait() == ""
        wait_until(lambda: second.silent_for(0.2, 5))
        for sound in sounds:
            sound.close()
    came = [packet for one in (first, second, *sounds) for packet in one.packets]
    assert stream.sent.packets == len(came)
    assert stream.sent.bytes == sum(len(packet.payload) for packet in came)


def test_positions_outside_are_refused(clips: Clips, sender: Sender) -> None:
    """In words, and the stream goes on."""
    with Receiver() as receiver:
        stream, end = begin(sender, medium(clips.get("plain.mp4")), receiver)
        for position in (-1.0, SECONDS + 60.0):
            with pytest.raises(MediaError, match="no such position"):
                stream.seek(position)
        assert end.wait() == ""
    assert receiver.lost == 0


def test_control_after_the_end_does_nothing(clips: Clips, sender: Sender) -> None:
    """A stream that was stopped neither pauses nor goes on."""
    with Receiver() as receiver:
        stream, _ = begin(sender, medium(clips.get("plain.mp4")), receiver)
        stream.stop()
        stream.pause()
        stream.resume()
        assert receiver.silent_for(0.5, 3)
        with pytest.raises(MediaError):
            stream.seek(1.0)
