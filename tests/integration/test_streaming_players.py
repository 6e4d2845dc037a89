"""Players that we did not write play what the description says (V44, V45)."""

import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from iceflix.streaming.sender import Order, Sender, Target
from tests.conftest import wait_until
from tests.media.clips import FRAMES, Clips, frame_digests
from tests.media.playing import (
    HERE,
    SAMPLE,
    End,
    describe,
    ffmpeg_records,
    free_port,
    gstreamer_plays,
    is_bound,
    medium,
)

pytestmark = pytest.mark.slow

# Debian builds VLC without live555, which reads descriptions elsewhere; FFmpeg inside VLC does too.
VLC = [
    "cvlc",
    "--demux=avformat",
    "--avformat-format=sdp",
    '--avformat-options={protocol_whitelist="file,udp,rtp"}',
]
_RECORD = [  # two seconds, decoded, without loss
    "--sout=#transcode{vcodec=FFV1}:std{access=file,mux=avformat{mux=matroska},dst=recorded.mkv}",
    "--sout-all",
    "--run-time=2",
]


def test_ffmpeg_plays_the_description(sender: Sender, tmp_path: Path) -> None:
    """Picture and sound of the sample video, from nothing but the SDP."""
    recorded = ffmpeg_records(sender, medium(SAMPLE), tmp_path, 3)
    frames = frame_digests(recorded)
    assert len(frames) >= 0.95 * 90
    assert frames == frame_digests(SAMPLE, seconds=5)[: len(frames)]
    show = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,sample_rate"]
    show += ["-show_entries", "format=duration", "-of", "csv=p=0", str(recorded)]
    told = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    assert "audio,48000" in told
    assert float(told.split()[-1]) >= 2.8


def test_gstreamer_plays_the_description(clips: Clips, sender: Sender, tmp_path: Path) -> None:
    """Its sdpdemux binds the address of the connection line."""
    found = medium(clips.get("bframes.mp4"))
    port = free_port()
    file = tmp_path / "one.sdp"
    file.write_bytes(describe(found, port).encode())
    gi = importlib.import_module("gi")
    gi.require_version("Gst", "1.0")
    gst: Any = importlib.import_module("gi.repository.Gst")
    gst.init(None)
    player = gst.parse_launch(
        f"filesrc location={file} ! sdpdemux latency=200 ! rtph264depay ! avdec_h264 ! "
        "fakesink name=seen sync=false signal-handoffs=true"
    )
    frames = list[int]()
    player.get_by_name("seen").connect("handoff", lambda *_: frames.append(1))
    order = Order(found, Target(HERE, port))
    gstreamer_plays(gst, player, sender, order, lambda: len(frames) >= 0.95 * FRAMES)


@pytest.mark.skipif(shutil.which("cvlc") is None, reason="apt install vlc-bin vlc-plugin-base")
def test_vlc_plays_the_description(clips: Clips, sender: Sender, tmp_path: Path) -> None:
    """Every picture that VLC decodes is the source's; the sound is there."""
    source = clips.get("plain.mp4")
    found = medium(source)
    port = free_port()
    (tmp_path / "one.sdp").write_bytes(describe(found, port).encode())
    with subprocess.Popen(
        [*_ordinary(tmp_path), *VLC, *_RECORD, "one.sdp", "vlc://quit"],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as vlc:
        try:
            wait_until(lambda: is_bound(port) and is_bound(port + 2), 30)
            stream = sender.start(Order(found, Target(HERE, port)), End())
            assert vlc.wait(60) == 0
        finally:
            vlc.kill()
    stream.stop()
    recorded = tmp_path / "recorded.mkv"
    frames, original = frame_digests(recorded), frame_digests(source)
    assert len(frames) >= FRAMES / 3
    first = original.index(frames[0])
    assert first <= 2
    assert frames == original[first : first + len(frames)]
    show = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", str(recorded)]
    told = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    assert "codec_type=audio" in told


def _ordinary(folder: Path) -> list[str]:
    """A command's beginning that makes it run as an ordinary user, who may write to ``folder``.

    VLC refuses to run as root.
    """
    if os.geteuid() != 0:
        return []
    folder.chmod(0o777)
    for place in folder.parents:
        if place.stat().st_mode & 0o077 == 0:
            place.chmod(0o711)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
