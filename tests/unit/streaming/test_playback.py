"""Controlling a playback: what is refused, what is remembered, what is told. No packets."""

import math
from dataclasses import replace

import pytest

from iceflix.runtime.errors import ControlRefusal, InvalidRequest
from iceflix.streaming.library import Medium
from iceflix.streaming.playback import Offer, Playback, Studio
from iceflix.streaming.sender import MediaError, Sent, Target
from tests.unit.streaming.fakes import FakeSender
from tests.unit.streaming.samples import FORMAT, medium

HERE = Target("127.0.0.1", 5004)
MEDIA = "a" * 64


class FakeOffer:
    """Remembers whether it was withdrawn."""

    def __init__(self) -> None:
        self.withdrawn = 0

    def url(self, address: str) -> str:
        """Some URL."""
        return f"rtsp://{address}:1/x"

    def withdraw(self) -> None:
        """Take note."""
        self.withdrawn += 1


class Desk:  # pylint: disable=too-few-public-methods
    """A playback, and what is around it."""

    def __init__(self) -> None:
        self.sender = FakeSender()
        self.media: dict[str, Medium] = {MEDIA: medium()}
        self.offers: list[FakeOffer] = []
        self.problem: Exception | None = None
        self.playback = Playback(MEDIA, Studio(self.sender, self.media.get, True, self.offer))

    def offer(self, found: Medium, audio: bool) -> Offer:
        """Offer a medium."""
        assert found.id == MEDIA and audio
        if self.problem is not None:
            raise self.problem
        self.offers.append(FakeOffer())
        return self.offers[-1]


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def test_before_anything_is_sent(desk: Desk) -> None:
    """A position to begin at can be given; the rest has nothing to work on."""
    progress = desk.playback.progress
    assert (progress.position, progress.duration, progress.sending) == (0.0, 60.0, False)
    assert not progress.seekable and not progress.paused and progress.sent == Sent()
    for call in (desk.playback.pause, desk.playback.resume, lambda: desk.playback.seek(1)):
        with pytest.raises(ControlRefusal, match="getSDP first"):
            call()
    desk.playback.start_at(12.5)
    assert desk.playback.progress.position == 12.5


def test_it_begins_where_it_was_told_to_once(desk: Desk) -> None:
    """The description names the position; the next one is as ever."""
    desk.playback.start_at(12.5)
    text = desk.playback.play(HERE)
    assert text is not None and "a=range:npt=12.500-60.000\r\n" in text
    assert desk.sender.streams[0].order.start == 12.5
    desk.sender.streams[0].finish()
    text = desk.playback.play(HERE)
    assert text is not None and "a=range:npt=0-60.000\r\n" in text


def test_a_running_stream_is_moved_there(desk: Desk) -> None:
    """When it is described again; without that the description tells where it is."""
    desk.playback.play(HERE)
    desk.playback.start_at(30)
    text = desk.playback.play(HERE)
    assert text is not None and "a=range:npt=30.000-60.000\r\n" in text
    assert len(desk.sender.streams) == 1
    desk.sender.streams[0].position = 31.25
    text = desk.playback.play(HERE)
    assert text is not None and "a=range:npt=31.250-60.000\r\n" in text
    desk.sender.streams[0].seekable = False
    with pytest.raises(ControlRefusal, match="cannot be positioned"):
        desk.playback.start_at(1)


def test_a_start_that_fails_is_not_forgotten(desk: Desk) -> None:
    """The next description tries it again."""
    desk.playback.start_at(7)
    desk.sender.broken = "no picture"
    with pytest.raises(InvalidRequest, match="no picture"):
        desk.playback.play(HERE)
    desk.sender.broken = ""
    desk.playback.play(HERE)
    assert desk.sender.streams[0].order.start == 7


@pytest.mark.parametrize("seconds", [-0.001, 60.001, math.inf, -math.inf, math.nan])
def test_positions_that_there_are_not(desk: Desk, seconds: float) -> None:
    """With the duration in the sentence."""
    desk.playback.play(HERE)
    for call in (desk.playback.start_at, desk.playback.seek):
        with pytest.raises(ControlRefusal, match=r"no position .* it lasts 60.000 seconds"):
            call(seconds)


def test_a_medium_of_unknown_length(desk: Desk) -> None:
    """Any position may be tried."""
    desk.media[MEDIA] = replace(medium(), format=replace(FORMAT, duration_seconds=None))
    desk.playback.play(HERE)
    assert desk.playback.seek(1e6) == 1e6
    assert desk.playback.progress.duration is None
    with pytest.raises(ControlRefusal, match=r"no position nan seconds$"):
        desk.playback.seek(math.nan)


def test_pausing_and_seeking(desk: Desk) -> None:
    """What the stream does is what is told."""
    desk.playback.play(HERE)
    desk.playback.pause()
    desk.playback.pause()
    assert desk.playback.progress.paused and desk.playback.progress.sending
    assert desk.playback.seek(20) == 20
    desk.playback.resume()
    desk.sender.streams[0].sent = Sent(3, 300)
    progress = desk.playback.progress
    assert (progress.position, progress.paused, progress.seekable) == (20, False, True)
    assert progress.sent == Sent(3, 300)


def test_what_the_medium_does_not_allow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused with the sender's words."""
    desk.playback.play(HERE)

    def refuse(*_arguments: object) -> None:
        raise MediaError("it is transcoded")

    stream = desk.sender.streams[0]
    for name in ("pause", "resume", "seek"):
        monkeypatch.setattr(stream, name, refuse)
    for call in (desk.playback.pause, desk.playback.resume, lambda: desk.playback.seek(1)):
        with pytest.raises(ControlRefusal, match="does not allow it: it is transcoded"):
            call()


def test_seeking_after_the_end_begins_again(desk: Desk) -> None:
    """To the target that there was; what was sent before is counted."""
    desk.playback.play(HERE)
    desk.sender.streams[0].sent = Sent(10, 1000)
    desk.sender.streams[0].finish()
    with pytest.raises(ControlRefusal, match="again at the end"):
        desk.playback.pause()
    assert not desk.playback.progress.sending
    assert desk.playback.seek(42) == 42
    again = desk.sender.streams[1]
    assert again.order.start == 42 and again.targets == [HERE]
    again.sent = Sent(1, 100)
    assert desk.playback.progress.sent == Sent(11, 1100)
    again.finish()
    desk.sender.broken = "its file has changed"
    with pytest.raises(ControlRefusal, match="its file has changed"):
        desk.playback.seek(1)
    desk.media.clear()
    with pytest.raises(ControlRefusal, match="not here any more"):
        desk.playback.seek(1)


def test_a_stream_that_ends_while_it_is_moved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins again."""
    desk.playback.play(HERE)
    stream = desk.sender.streams[0]

    def end(_seconds: float) -> float:
        stream.finish()
        raise MediaError("it is over")

    monkeypatch.setattr(stream, "seek", end)
    assert desk.playback.seek(5) == 5
    assert len(desk.sender.streams) == 2


def test_what_is_told_of_a_medium_that_is_gone(desk: Desk) -> None:
    """What was known of it; nothing when nothing was."""
    assert [track.media for track in desk.playback.tracks] == ["video", "audio"]
    desk.media.clear()
    assert [track.media for track in desk.playback.tracks] == ["video", "audio"]
    assert desk.playback.progress.duration == 60.0
    fresh = Playback(MEDIA, Studio(desk.sender, desk.media.get, audio=True))
    assert not fresh.tracks and fresh.progress.duration is None


def test_silent_services_tell_no_sound(desk: Desk) -> None:
    """Stream.Audio=0."""
    silent = Playback(MEDIA, Studio(desk.sender, desk.media.get, audio=False))
    assert [track.media for track in silent.tracks] == ["video"]


def test_one_offer_per_playback(desk: Desk) -> None:
    """The same URL again, withdrawn at the end, none afterwards."""
    assert desk.playback.offer("192.0.2.1") == "rtsp://192.0.2.1:1/x"
    assert desk.playback.offer("192.0.2.1") == "rtsp://192.0.2.1:1/x"
    assert len(desk.offers) == 1
    desk.playback.close()
    desk.playback.close()
    assert desk.offers[0].withdrawn == 1
    assert desk.playback.offer("192.0.2.1") is None
    assert desk.playback.play(HERE) is None


def test_offers_that_cannot_be(desk: Desk) -> None:
    """No RTSP here, a file that has gone."""
    desk.problem = MediaError("its file has changed")
    with pytest.raises(ControlRefusal, match="its file has changed"):
        desk.playback.offer("192.0.2.1")
    none = Playback(MEDIA, Studio(desk.sender, desk.media.get, audio=True))
    with pytest.raises(ControlRefusal, match=r"Stream\.RtspPort=off"):
        none.offer("192.0.2.1")
