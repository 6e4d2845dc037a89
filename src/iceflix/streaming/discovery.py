"""What is in a video file, as GStreamer's discoverer tells it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iceflix.streaming import gst
from iceflix.streaming.library import Choices, Picture, Sound, Subtitles
from iceflix.streaming.plans import H264, H265, Content
from iceflix.streaming.sender import MediaError

_NANOSECONDS = 1_000_000_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # BCP 47, roughly: files say anything


@dataclass(frozen=True)
class Discovery:
    """What is in a file; its duration in seconds, None where it tells none."""

    content: Content
    picture: Picture
    duration_seconds: float | None
    choices: Choices


def discover(location: str, container: str, timeout_seconds: float) -> Discovery:
    """Look into a file. Raises MediaError when it holds no video that can be decoded."""
    modules = gst.modules()
    pbutils = modules["GstPbutils"]
    discoverer = pbutils.Discoverer.new(int(timeout_seconds * _NANOSECONDS))
    try:
        info = discoverer.discover_uri(f"file://{location}")
    except modules["GLib"].Error as error:
        raise MediaError(str(error.message)) from None
    if info.get_result() != pbutils.DiscovererResult.OK:
        missing = ", ".join(info.get_missing_elements_installer_details() or [])
        raise MediaError(missing or f"discovery ended with {info.get_result().value_nick}")
    picture = _picture_of(info.get_video_streams())
    audible = [stream for stream in info.get_audio_streams() if _caps_name(stream)]
    nanoseconds = info.get_duration()
    return Discovery(
        Content(container, picture.codec, *_main_audio(audible)),
        picture,
        nanoseconds / _NANOSECONDS if 0 < nanoseconds < 2**63 else None,
        Choices(
            tuple(_sound_of(stream) for stream in audible),
            tuple(
                Subtitles(_caps_name(stream), _language(stream))
                for stream in info.get_subtitle_streams()
            ),
        ),
    )


def _picture_of(streams: Sequence[Any]) -> Picture:
    """The video track to play: one that needs no transcoding if there is any. A cover is none."""
    moving = [stream for stream in streams if not stream.is_image()]
    if not moving:
        raise MediaError("no moving pictures in it")
    names = [_caps_name(stream) for stream in moving]
    chosen = next((names.index(name) for name in (H264, H265) if name in names), 0)
    stream = moving[chosen]
    rate = stream.get_framerate_num() / max(1, stream.get_framerate_denom())
    return Picture(names[chosen], stream.get_width(), stream.get_height(), round(rate, 3))


def _main_audio(streams: Sequence[Any]) -> tuple[str, int]:
    """The media type of the first audio track and its MPEG version; nothing and 0 without one."""
    if not streams:
        return "", 0
    found, number = streams[0].get_caps().get_structure(0).get_int("mpegversion")
    return _caps_name(streams[0]), number if found else 0


def _sound_of(stream: Any) -> Sound:
    return Sound(
        _caps_name(stream), stream.get_sample_rate(), stream.get_channels(), _language(stream)
    )


def _language(stream: Any) -> str:
    told = stream.get_language() or ""
    known = _LANGUAGE.fullmatch(told) and told.lower() != "und"
    return told.lower() if known else ""


def _caps_name(stream: Any) -> str:
    caps = stream.get_caps()
    return str(caps.get_structure(0).get_name()) if caps else ""
