"""Control over the wire: a real service, real packets; and foreign clients notice nothing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from tests.conftest import wait_until
from tests.media.clips import RATE, Clips, frame_digests
from tests.media.foreign import take
from tests.media.receiver import Receiver
from tests.media.staging import Stage, Staged, gone

pytestmark = [pytest.mark.slow, pytest.mark.serial]

TOKEN, GRACE = 2.0, 1.0


@pytest.fixture(name="service")
def _service(stage: Stage, clips: Clips) -> Iterator[Staged]:
    lives = {"Auth.TokenSeconds": str(TOKEN), "Stream.GraceSeconds": str(GRACE)}
    with stage.play(clips.get("long.mp4"), lives) as staged:
        yield staged


@pytest.fixture(name="sender", params=["paced", "gstreamer"])
def _sender(request: pytest.FixtureRequest, stage: Stage, clips: Clips) -> Iterator[Staged]:
    with stage.play(clips.get("long.mp4"), {"Stream.Sender": request.param}) as staged:
        yield staged


def test_foreign_clients_see_what_they_know(service: Staged) -> None:
    """The object is a StreamController, and says so."""
    found = service.provider.getStream(service.media, service.token())
    assert found is not None
    assert {"::IceFlix::StreamController", "::IceFlix::PlaybackControl"} <= set(found.ice_ids())
    assert IceFlix.StreamControllerPrx.checkedCast(found) is not None


def test_it_begins_in_the_middle(sender: Staged, clips: Clips, tmp_path: Path) -> None:
    """At the key frame before, which the description names."""
    control = sender.open()
    control.startAt(2.5)
    with Receiver() as receiver:
        text = control.getSDP(sender.token(), receiver.port)
        (line,) = [line for line in text.splitlines() if line.startswith("a=range:npt=")]
        start, duration = line.removeprefix("a=range:npt=").split("-")
        assert 2 <= float(start) < 2.5 and 19 < float(duration) < 21
        wait_until(lambda: len(receiver.packets) > 20)
        control.stop()
        frames = frame_digests(receiver.write_h264(tmp_path / "got.h264"), "h264")
    original = frame_digests(clips.get("long.mp4"), seconds=3)
    assert frames[0] == original[2 * RATE]


def test_pausing_seeking_and_counting(sender: Staged) -> None:
    """What is told is what arrives; one source, no gap."""
    control = sender.open()
    with Receiver() as receiver:
        control.getSDP(sender.token(), receiver.port)
        wait_until(lambda: len(receiver.packets) > 10)
        control.pause()
        control.pause()
        assert receiver.silent_for(0.5, 3)
        state = control.state()
        assert state.paused and state.sending and state.seekable
        assert 19 < state.duration < 21
        assert control.seek(1.7) == pytest.approx(1, abs=0.1)
        control.resume()
        heard = len(receiver.packets)
        wait_until(lambda: len(receiver.packets) > heard + 5)
        state = control.state()
        assert 0.9 < state.position < 5 and not state.paused
        assert state.packets >= heard and state.bytes > 1000
        assert len({packet.source for packet in receiver.packets}) == 1
        tracks = control.tracks()
        assert [(track.media, track.encoding) for track in tracks] == [
            ("video", "H264"),
            ("audio", "MPEG4-GENERIC"),
        ]
        assert (tracks[0].width, tracks[0].height, tracks[1].clockRate) == (192, 108, 44100)
        control.stop()


def test_after_the_end_seeking_begins_again(stage: Stage, clips: Clips) -> None:
    """To the same place."""
    with stage.play(clips.get("plain.mp4")) as service, Receiver() as receiver:
        control = service.open()
        control.getSDP(service.token(), receiver.port)
        wait_until(lambda: not control.state().sending, 15)
        heard, sent = len(receiver.packets), control.state().packets
        with pytest.raises(IceFlix.ControlRefused, match="again at the end"):
            control.pause()
        assert control.seek(2.2) == pytest.approx(2, abs=0.1)
        wait_until(lambda: len(receiver.packets) > heard)
        assert control.state().packets > sent
        control.stop()


def test_refusals_are_sentences(service: Staged) -> None:
    """And the playback is as it was."""
    control = service.open()
    for call in (control.pause, control.resume, lambda: control.seek(1)):
        with pytest.raises(IceFlix.ControlRefused, match="call getSDP first"):
            call()
    for seconds in (-1.0, 1e9, float("nan"), float("inf")):
        with pytest.raises(IceFlix.ControlRefused, match="this medium has no position"):
            control.startAt(seconds)
    with Receiver() as receiver:
        control.getSDP(service.token(), receiver.port)
        wait_until(lambda: len(receiver.packets) > 5)
    control.stop()
    calls = (control.pause, control.resume, control.state, control.tracks)
    for ended in (*calls, lambda: control.seek(1), lambda: control.startAt(1)):
        with pytest.raises(Ice.ObjectNotExistException):
            ended()
    with pytest.raises(Ice.ObjectNotExistException):
        control.rtspUrl(service.token())


def test_a_pause_suspends_no_authority(service: Staged) -> None:
    """V47: the paused client is asked for a new token like any other, and ends without one."""
    token = service.token(TOKEN)
    control = service.open(token)
    with Receiver() as receiver:
        control.getSDP(token, receiver.port)
        wait_until(lambda: len(receiver.packets) > 5)
        topic = control.getSyncTopic()
        sync = service.foreigners.listen(topic, IceFlix.StreamerSync, "requestAuthentication")
        control.pause()
        assert take(sync, TOKEN + 1)[0] == "requestAuthentication"
        control.refreshAuthentication(service.token(TOKEN))
        assert control.state().paused
        assert take(sync, TOKEN + 1)[0] == "requestAuthentication"
        asked = time.monotonic()
        wait_until(lambda: gone(control), GRACE + 1)
        assert time.monotonic() - asked > GRACE - 0.3


def test_many_hands_on_one_control(service: Staged) -> None:
    """Nothing hangs, nothing breaks, and it can still be stopped."""
    control = service.open()
    problems: list[BaseException] = []
    with Receiver() as receiver:
        control.getSDP(service.token(), receiver.port)

        def fiddle(number: int) -> None:
            calls = (control.pause, control.resume, lambda: control.seek(number % 3), control.state)
            for turn in range(10):
                try:
                    calls[(turn + number) % len(calls)]()
                except Ice.Exception as error:
                    problems.append(error)

        hands = [threading.Thread(target=fiddle, args=[number]) for number in range(6)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join(30)
            assert not hand.is_alive()
        assert not problems
        control.resume()
        heard = len(receiver.packets)
        wait_until(lambda: len(receiver.packets) > heard)
        control.stop()
        assert receiver.silent_for(0.5, 3)
