"""Our own player plays what our provider sends untouched: H.265, and every sound."""

import hashlib
from pathlib import Path

import pytest

from iceflix.client.outputs import File, Output, Window
from iceflix.client.receiver import Receiver
from iceflix.client.sentences import Sentence
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.sender import Order, Target
from tests.conftest import wait_until
from tests.media.clips import FRAMES, Clips, frame_digests
from tests.media.playing import HERE, End, describe, medium

pytestmark = pytest.mark.slow

FRAME_BYTES = 192 * 108 * 3 // 2


def _play(sender: GstSender, clip: Path, output: Output) -> None:
    """Play a clip from its beginning to its end."""
    found = medium(clip)
    receiver, over = Receiver(output), list[Sentence | None]()
    port = receiver.bind(HERE)
    receiver.start(describe(found, port), over.append)
    sent = End()
    sender.start(Order(found, Target(HERE, port)), sent)
    assert sent.wait() == ""
    wait_until(lambda: bool(over), 20)
    receiver.stop()
    assert over == [None]


@pytest.mark.parametrize("name", ["h265-aac.mp4", "h265-opus.mkv", "h265-mp3.ts"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_recording_is_the_source(
    name: str, suffix: str, clips: Clips, pipelines: GstSender, tmp_path: Path
) -> None:
    """Frame by frame, whatever it came from."""
    recorded = tmp_path / f"recorded{suffix}"
    _play(pipelines, clips.get(name), File(recorded))
    assert frame_digests(recorded) == frame_digests(clips.get(name))


def test_the_window_shows_the_source(clips: Clips, pipelines: GstSender, tmp_path: Path) -> None:
    """Decoded by whatever GStreamer chooses."""
    shown = tmp_path / "shown.yuv"
    video = f"videoconvert ! video/x-raw,format=I420 ! filesink location={shown}"
    _play(pipelines, clips.get("h265-aac.mp4"), Window(video, "fakesink sync=true"))
    raw = shown.read_bytes()
    frames = [raw[at : at + FRAME_BYTES] for at in range(0, len(raw), FRAME_BYTES)]
    digests = [hashlib.md5(frame, usedforsecurity=False).hexdigest() for frame in frames]
    assert len(digests) >= 0.9 * FRAMES
    assert digests == frame_digests(clips.get("h265-aac.mp4"))[: len(digests)]
