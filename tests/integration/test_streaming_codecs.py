"""What needs no transcoding, in every combination: it arrives as it was (V44-V46)."""

import contextlib
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from iceflix.streaming.gst import modules
from iceflix.streaming.library import Sound
from iceflix.streaming.pipeline import GstSender
from iceflix.streaming.plans import COPY, H264, H265
from iceflix.streaming.sender import Order, Target
from tests.conftest import wait_until
from tests.media.clips import COMBINATIONS, FRAMES, Clips, frame_digests
from tests.media.hevc import sound, sound_of, write_h265
from tests.media.playing import (
    HERE,
    End,
    Played,
    describe,
    ffmpeg_records,
    free_port,
    gstreamer_plays,
    medium,
)
from tests.media.receiver import Receiver

pytestmark = pytest.mark.slow

FRAME_BYTES = 192 * 108 * 3 // 2
ENCODINGS = {"aac": "MPEG4-GENERIC", "mp3": "MPA", "opus": "OPUS"}


@pytest.fixture(name="played", scope="module")
def _played(clips: Clips) -> dict[str, Played]:
    """Every combination, all played at the same time."""
    sender, played, ends = GstSender(), dict[str, Played](), dict[str, End]()
    with contextlib.ExitStack() as stack:
        for name in COMBINATIONS:
            pictures = stack.enter_context(Receiver(parity=0))
            beside = stack.enter_context(Receiver(pictures.port + 2))
            played[name] = Played(clips.get(name), medium(clips.get(name)), pictures, beside)
        for name, one in played.items():
            ends[name] = End()
            sender.start(Order(one.medium, Target(HERE, one.pictures.port)), ends[name])
        assert {end.wait(30) for end in ends.values()} == {""}
        wait_until(lambda: all(one.pictures.silent_for(0.2, 5) for one in played.values()))
    sender.close()
    return played


@pytest.mark.parametrize("name", COMBINATIONS)
def test_nothing_is_transcoded(name: str, played: dict[str, Played]) -> None:
    """H.264 and H.265 beside AAC, MP3 and Opus, in MP4, Matroska and transport streams."""
    form = played[name].medium.format
    picture, heard = name.partition(".")[0].split("-")
    assert (form.plan.video, form.plan.audio) == (COPY, COPY)
    assert form.picture.codec == form.plan.video_type == {"h264": H264, "h265": H265}[picture]
    assert [track.encoding for track in form.tracks] == [picture.upper(), ENCODINGS[heard]]


@pytest.mark.parametrize("name", COMBINATIONS)
def test_pictures_arrive_bit_by_bit(name: str, played: dict[str, Played], tmp_path: Path) -> None:
    """Every frame of the source and no other."""
    one = played[name]
    received, form = tmp_path / "received", "hevc" if name.startswith("h265") else "h264"
    if form == "hevc":
        write_h265(one.pictures.packets, received)
    else:
        one.pictures.write_h264(received)
    assert one.pictures.lost == 0
    frames = frame_digests(received, form)
    assert len(frames) == FRAMES and frames == frame_digests(one.source)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_sound_arrives_bit_by_bit(name: str, played: dict[str, Played]) -> None:
    """Every frame of the source, but for those at its ends that the container leaves out."""
    one = played[name]
    assert one.sound.lost == 0
    heard = sound(one.sound.packets, one.medium.format.tracks[1].encoding)
    original = sound_of(one.source)
    assert len(heard) > 0.9 * len(original)
    assert heard in original


def test_languages_are_told(clips: Clips, tmp_path: Path) -> None:
    """Of every sound and of subtitles, as far as the container tells; nonsense is left out."""
    texts, several = tmp_path / "texts.srt", tmp_path / "several.mkv"
    texts.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n")
    command = ["ffmpeg", "-v", "error", "-i", str(clips.get("h265-aac.mp4"))]
    command += ["-i", str(texts)]
    command += ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "0:a", "-map", "1"]
    command += ["-c", "copy", "-metadata:s:a:0", "language=spa", "-metadata:s:a:1", "language=eng"]
    command += ["-metadata:s:a:2", "language=und", "-metadata:s:s:0", "language=fre", str(several)]
    subprocess.run(command, check=True)
    form = medium(several).format
    assert [sound.language for sound in form.choices.sounds] == ["es", "en", ""]
    assert form.sound == Sound("audio/mpeg", 44100, 1, "es")
    assert len(form.choices.subtitles) == 1


@pytest.mark.parametrize("name", ["h265-aac.mp4", "h265-opus.mkv", "h265-mp3.ts"])
def test_ffmpeg_plays_it(name: str, clips: Clips, pipelines: GstSender, tmp_path: Path) -> None:
    """From nothing but the description; every decoded frame is the source's."""
    recorded = ffmpeg_records(pipelines, medium(clips.get(name)), tmp_path, 2)
    frames = frame_digests(recorded)
    assert len(frames) >= 0.95 * 2 / 3 * FRAMES
    assert frames == frame_digests(clips.get(name))[: len(frames)]
    show = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", str(recorded)]
    assert "codec_type=audio" in subprocess.check_output(show, text=True)


@pytest.mark.parametrize("decoder", ["avdec_h265", "libde265dec"])
def test_gstreamer_plays_it(
    decoder: str, clips: Clips, pipelines: GstSender, tmp_path: Path
) -> None:
    """Both decoders that Debian has: every frame, and it is the source's."""
    source = clips.get("h265-aac.mp4")
    found, port = medium(source), free_port()
    file, recorded = tmp_path / "one.sdp", tmp_path / "recorded.yuv"
    file.write_bytes(describe(found, port).encode())
    gst: Any = modules()["Gst"]
    player = gst.parse_launch(
        f"filesrc location={file} ! sdpdemux latency=200 ! rtph265depay ! h265parse ! {decoder} ! "
        f"videoconvert ! video/x-raw,format=I420 ! filesink sync=false location={recorded}"
    )
    gstreamer_plays(
        gst,
        player,
        pipelines,
        Order(found, Target(HERE, port)),
        lambda: recorded.stat().st_size >= 0.95 * FRAMES * FRAME_BYTES,
    )
    raw = recorded.read_bytes()
    frames = [raw[at : at + FRAME_BYTES] for at in range(0, len(raw), FRAME_BYTES)]
    digests = [hashlib.md5(frame, usedforsecurity=False).hexdigest() for frame in frames]
    assert digests == frame_digests(source)[: len(digests)]
