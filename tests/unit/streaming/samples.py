"""Values that the tests of streaming share."""

from iceflix.streaming.library import Entry, Format, Medium, Picture, Stamp
from iceflix.streaming.plans import COPY, Plan
from iceflix.streaming.sdp import Track

VIDEO = Track(
    "video",
    96,
    "H264",
    90000,
    parameters=(
        ("packetization-mode", "1"),
        ("profile-level-id", "4d401f"),
        ("sprop-parameter-sets", "Z01AH9mAUAW7ARAAAAMAEAAAAwPA8YMmgA==,aOlzLIA="),
    ),
)
AUDIO = Track(
    "audio",
    97,
    "MPEG4-GENERIC",
    48000,
    2,
    (
        ("streamtype", "5"),
        ("profile-level-id", "2"),
        ("mode", "AAC-hbr"),
        ("config", "119056e500"),
        ("sizelength", "13"),
        ("indexlength", "3"),
        ("indexdeltalength", "3"),
    ),
)
FORMAT = Format(
    "video/quicktime",
    Picture("video/x-h264", 1280, 720, 30.0),
    "audio/mpeg",
    60.0,
    Plan("qtdemux", COPY, COPY, "audio/mpeg", 4),
    (VIDEO, AUDIO),
)


def entry(digest: str, stamp: Stamp | None = None) -> Entry:
    """A video that was read."""
    return Entry(stamp or Stamp(1, 1, 1), digest, FORMAT)


def medium(media_id: str = "a" * 64, path: str = "/media/One.mp4") -> Medium:
    """A medium that is there."""
    return Medium(media_id, "One", path, Stamp(1, 1, 1), FORMAT)
