"""How a file becomes RTP: which elements, in which order. Pure.

A plan copies whatever RTP players can play and transcodes only the rest. The candidates are tried
by the probe on the file itself, cheapest first; what worked is kept with the file's digest and is
what plays later.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

COPY = "copy"
TRANSCODE = "transcode"
NOTHING = ""

# The container's media type -> the element that opens it. Other containers go to decodebin.
_DEMUXERS = {
    "video/quicktime": "qtdemux",
    "video/x-matroska": "matroskademux",
    "video/webm": "matroskademux",
    "video/mpegts": "tsdemux",
    "video/x-flv": "flvdemux",
    "video/x-msvideo": "avidemux",
    "video/mpeg": "mpegpsdemux",
}
_FURTHER_CONTAINERS = {"application/ogg", "application/mxf", "application/vnd.rn-realmedia"}
_MEDIA_TYPE = re.compile(r"(audio|video)/[a-z0-9.+-]+")

# qtdemux hands its samples out in the order of their time, so one thread can wait for both clocks.
# The others follow the file's order, where audio lags or leads: each branch gets a thread.
_IN_ORDER = {"qtdemux"}
_QUEUE = "queue max-size-time=3000000000 max-size-bytes=0 max-size-buffers=0 ! "

_COPIED_AUDIO = {  # media type, mpegversion -> filter, parser and payloader
    ("audio/mpeg", 4): ("audio/mpeg,mpegversion=(int){2,4}", "aacparse ! rtpmp4gpay pt=97"),
    ("audio/mpeg", 2): ("audio/mpeg,mpegversion=(int){2,4}", "aacparse ! rtpmp4gpay pt=97"),
    ("audio/mpeg", 1): ("audio/mpeg,mpegversion=(int)1", "mpegaudioparse ! rtpmpapay pt=14"),
    ("audio/x-opus", 0): ("audio/x-opus", "opusparse ! rtpopuspay pt=97"),
}
H264, H265 = "video/x-h264", "video/x-h265"
_COPIED_VIDEO = {  # media type -> parser and payloader (RFC 6184, RFC 7798)
    H264: "h264parse ! rtph264pay pt=96 config-interval=-1 name=video",
    H265: "h265parse ! rtph265pay pt=96 config-interval=-1 name=video",
}
# One key frame a second or so: late joiners see a picture at once. Even sizes: 4:2:0 needs them.
_ENCODE_VIDEO = (
    "videoconvert ! videoscale ! "
    "video/x-raw,format=I420,width=(int)[2,16384,2],height=(int)[2,16384,2] ! "
    "x264enc tune=zerolatency speed-preset=veryfast pass=qual quantizer=21 key-int-max=25 ! "
    "video/x-h264,profile=main ! " + _COPIED_VIDEO[H264]
)
_ENCODE_AUDIO = (
    "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=(int)[1,2] ! "
    "avenc_aac bitrate=128000 ! aacparse ! rtpmp4gpay pt=97"
)


@dataclass(frozen=True)
class Content:
    """What the discoverer found: media types as GStreamer names them; no audio: empty."""

    container: str
    video: str
    audio: str = NOTHING
    audio_version: int = 0  # MPEG version, 0 where there is none


@dataclass(frozen=True)
class Plan:
    """``audio_type`` and ``audio_version`` say which audio pad of the demuxer is meant.

    ``video_type`` says which video pad, where the pictures are copied.
    """

    demuxer: str
    video: str
    audio: str
    audio_type: str = NOTHING
    audio_version: int = 0
    video_type: str = H264

    def __post_init__(self) -> None:
        if self.video_type not in _COPIED_VIDEO:
            raise ValueError(f"not pictures that we copy: {self.video_type!r}")
        if self.audio_type and not _MEDIA_TYPE.fullmatch(self.audio_type):
            raise ValueError(f"not a media type: {self.audio_type!r}")
        if self.demuxer not in {*_DEMUXERS.values(), "decodebin"}:
            raise ValueError(f"not a demuxer that we use: {self.demuxer!r}")

    @property
    def silent(self) -> "Plan":
        """The same without audio."""
        return replace(self, audio=NOTHING, audio_type=NOTHING, audio_version=0)

    @property
    def transcodes(self) -> bool:
        """Whether anything is decoded and encoded again."""
        return TRANSCODE in (self.video, self.audio)


def is_container(media_type: str) -> bool:
    """Whether files of this type may hold video and name no other resources to open.

    Playlists and manifests are refused: opening them would fetch what a stranger's file says.
    """
    refused = media_type.endswith(("-hls", "dash+xml", "ss+xml")) or "playlist" in media_type
    return not refused and (media_type.startswith("video/") or media_type in _FURTHER_CONTAINERS)


def candidates(content: Content) -> Iterator[Plan]:
    """Plans that may play this content, in the order in which to try them."""
    copied = _copy(content)
    whole = Plan("decodebin", TRANSCODE, TRANSCODE if content.audio else NOTHING)
    if copied is not None:
        yield copied
    yield whole
    if content.audio:
        if copied is not None:
            yield copied.silent
        yield whole.silent


def _copy(content: Content) -> Plan | None:
    demuxer = _DEMUXERS.get(content.container)
    if demuxer is None or content.video not in _COPIED_VIDEO:
        return None
    if not content.audio:
        return Plan(demuxer, COPY, NOTHING, video_type=content.video)
    key = (content.audio, content.audio_version)
    how = COPY if key in _COPIED_AUDIO else TRANSCODE
    return Plan(demuxer, COPY, how, *key, content.video)


def launch(plan: Plan, video_sink: str, audio_sink: str, *, queued: bool = False) -> str:
    """The pipeline in GStreamer's notation; payloaders are named ``video`` and ``audio``.

    ``queued`` gives each branch a thread, whatever the container: for sinks that block.
    """
    queue = "" if plan.demuxer in _IN_ORDER | {"decodebin"} and not queued else _QUEUE
    if plan.demuxer == "decodebin":  # it has queues of its own
        opening = "filesrc name=source ! decodebin force-sw-decoders=true name=demux"
    else:
        opening = f"filesrc name=source ! {plan.demuxer} name=demux"
    if plan.video == COPY:
        pay = _COPIED_VIDEO[plan.video_type]
        picture = f"demux. ! {plan.video_type} ! {queue}{pay} ! {video_sink}"
    else:
        picture = f"demux. ! video/x-raw ! {queue}{_ENCODE_VIDEO} ! {video_sink}"
    return f"{opening} {picture} {_audio(plan, queue, audio_sink)}".strip()


def _audio(plan: Plan, queue: str, sink: str) -> str:
    if plan.audio == NOTHING:
        return NOTHING
    if plan.audio == COPY:
        caps, payload = _COPIED_AUDIO[plan.audio_type, plan.audio_version]
        return f"demux. ! {caps} ! {queue}{payload} name=audio ! {sink}"
    if plan.demuxer == "decodebin":
        return f"demux. ! audio/x-raw ! {queue}{_ENCODE_AUDIO} name=audio ! {sink}"
    # The picture is copied, the sound is not: only this branch decodes.
    return (
        f"demux. ! {plan.audio_type} ! {_QUEUE}"
        f"decodebin force-sw-decoders=true ! {_ENCODE_AUDIO} name=audio ! {sink}"
    )
