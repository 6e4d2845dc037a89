"""RTSP: players that know nothing of us show what the file holds."""

import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.media.clips import RATE, Clips, frame_digests
from tests.media.staging import Stage, Staged

pytestmark = pytest.mark.slow


@pytest.fixture(name="service")
def _service(stage: Stage, clips: Clips) -> Iterator[Staged]:
    """Twenty seconds of video."""
    with stage.play(clips.get("long.mp4")) as staged:
        yield staged


def _frames(url: str, folder: Path, *options: str, frames: int = 25) -> list[str]:
    """The digests of the first frames that ffmpeg receives; there must be sound as well."""
    recorded = folder / "recorded.mkv"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *options, "-i", url]
    command += ["-map", "0:v", "-map", "0:a", "-fps_mode", "passthrough", "-c:v", "ffv1"]
    command += ["-c:a", "pcm_s16le", "-frames:v", str(frames), str(recorded)]
    subprocess.run(command, check=True, timeout=60)
    return frame_digests(recorded)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("clip", ["bframes.mp4", "matroska.mkv", "h265-aac.mp4"])
def test_ffmpeg_receives_the_very_pictures(
    stage: Stage, clips: Clips, tmp_path: Path, transport: str, clip: str
) -> None:
    """Over UDP and interleaved in the connection."""
    source = clips.get(clip)
    with stage.play(source) as service:
        url = service.open().rtspUrl(service.token())
        frames = _frames(url, tmp_path, "-rtsp_transport", transport)
    original = frame_digests(source)
    first = original.index(frames[0])
    assert first <= 1 and frames == original[first : first + len(frames)]


def test_what_has_to_be_transcoded_is(stage: Stage, clips: Clips, tmp_path: Path) -> None:
    """MPEG-4 pictures and MP3 come as H.264 and AAC."""
    with stage.play(clips.get("mpeg4.avi")) as service:
        url = service.open().rtspUrl(service.token())
        assert len(_frames(url, tmp_path, "-rtsp_transport", "tcp")) == 25


def test_ffprobe_tells_what_there_is(service: Staged) -> None:
    """Both tracks, and how long it lasts."""
    url = service.open().rtspUrl(service.token())
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width"]
    command += ["-show_entries", "format=duration", "-of", "csv=p=0", url]
    told = subprocess.run(command, check=True, timeout=30, capture_output=True, text=True).stdout
    assert "h264,192" in told and "aac" in told
    assert 19 < float(told.split()[-1]) < 21


@pytest.mark.skipif(shutil.which("ffplay") is None, reason="apt install ffmpeg")
def test_ffplay_plays_the_url(stage: Stage, clips: Clips) -> None:
    """Through the one connection, to the end."""
    command = ["ffplay", "-hide_banner", "-v", "info", "-autoexit", "-rtsp_transport", "tcp"]
    with stage.play(clips.get("plain.mp4")) as service:
        done = subprocess.run(
            [*command, service.open().rtspUrl(service.token())],
            env={**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"},
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        )
    assert "Video: h264" in done.stderr and "Audio: aac" in done.stderr


def test_gstreamer_plays_the_url(service: Staged) -> None:
    """By uridecodebin, which is what playbin uses."""
    gi = importlib.import_module("gi")
    gi.require_version("Gst", "1.0")
    gst: Any = importlib.import_module("gi.repository.Gst")
    gst.init(None)
    url = service.open().rtspUrl(service.token())
    player = gst.parse_launch(
        f"uridecodebin uri={url} ! video/x-raw ! fakesink name=seen sync=false signal-handoffs=true"
    )
    frames = []
    player.get_by_name("seen").connect("handoff", lambda *_: frames.append(1))
    try:
        player.set_state(gst.State.PLAYING)
        wait_until(lambda: len(frames) > RATE, 15, "GStreamer shows pictures")
    finally:
        player.set_state(gst.State.NULL)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_seeking_gives_the_right_frame(
    service: Staged, clips: Clips, tmp_path: Path, transport: str
) -> None:
    """PLAY with a Range: what comes begins at the key frame before that moment."""
    url = service.open().rtspUrl(service.token())
    frames = _frames(url, tmp_path, "-rtsp_transport", transport, "-ss", "2.5", frames=10)
    original = frame_digests(clips.get("long.mp4"), seconds=3)
    shown = [original.index(frame) for frame in frames]
    assert shown[0] in range(2 * RATE, 2 * RATE + 15)
    assert abs(shown[1] - 2.5 * RATE) <= 2  # ffmpeg leaves out what is before
    assert shown[1:] == list(range(shown[1], shown[1] + len(shown) - 1))
