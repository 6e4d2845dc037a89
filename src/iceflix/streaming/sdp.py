"""The session description (SDP, RFC 8866) that a viewer's player starts from. Pure.

Video is the first medium, on the port that the viewer gave; audio is the second, on the port + 2
(V44, V45). The connection line is the address to which the packets go, so that players which bind
what the description says (GStreamer's sdpdemux) bind an address of their own.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PORTS = range(1024, 65536)
AUDIO_OFFSET = 2
_SAFE = re.compile(r"[A-Za-z0-9+/=,._-]*")
_TITLE_LENGTH = 200

# The parameters of a=fmtp by encoding, as the payload formats define them.
_PARAMETERS = {
    "H264": ("packetization-mode", "profile-level-id", "sprop-parameter-sets"),  # RFC 6184
    "H265": ("sprop-vps", "sprop-sps", "sprop-pps"),  # RFC 7798
    "MPEG4-GENERIC": (  # RFC 3640
        "streamtype",
        "profile-level-id",
        "mode",
        "config",
        "sizelength",
        "indexlength",
        "indexdeltalength",
    ),
    "OPUS": ("sprop-stereo", "sprop-maxcapturerate"),  # RFC 7587
    "MPA": (),  # RFC 2250
}
_NAMES = {"MPEG4-GENERIC": "mpeg4-generic", "OPUS": "opus"}  # as their RFCs write them


@dataclass(frozen=True)
class Track:
    """One medium as RTP carries it.

    ``media`` is "video" or "audio", ``clock_rate`` in Hz. Raises ValueError for what has no place
    in a line of SDP: files say what stands here, and files lie.
    """

    media: str
    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 1
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        words = [self.media, self.encoding, *(word for pair in self.parameters for word in pair)]
        if self.media not in {"video", "audio"} or not all(map(_SAFE.fullmatch, words)):
            raise ValueError(f"not a track that SDP can describe: {self!r}")
        if not (0 <= self.payload_type < 128 and self.clock_rate > 0 and self.channels > 0):
            raise ValueError(f"numbers out of range: {self!r}")

    def lines(self, port: int) -> list[str]:
        """The lines from m= on."""
        name = _NAMES.get(self.encoding, self.encoding)
        channels = f"/{self.channels}" if self.channels > 1 else ""
        lines = [
            f"m={self.media} {port} RTP/AVP {self.payload_type}",
            f"a=rtpmap:{self.payload_type} {name}/{self.clock_rate}{channels}",
        ]
        if self.parameters:
            text = ";".join(f"{key}={value}" for key, value in self.parameters)
            lines.append(f"a=fmtp:{self.payload_type} {text}")
        return lines


@dataclass(frozen=True)
class Session:
    """What is described: ``origin`` sends to ``destination``, IP addresses; seconds or None.

    What is sent first stands at ``start_seconds`` of the medium.
    """

    identifier: int
    version: int
    title: str
    origin: str
    destination: str
    duration_seconds: float | None = None
    start_seconds: float = 0.0


def track_from_caps(caps: Mapping[str, str | int]) -> Track:
    """The track that a payloader's caps (application/x-rtp) describe. Raises ValueError."""
    encoding = str(caps.get("encoding-name", "")).upper()
    if encoding not in _PARAMETERS:
        raise ValueError(f"no payload format for {encoding!r}")
    wanted = _PARAMETERS[encoding]
    return Track(
        str(caps.get("media", "")),
        int(caps.get("payload", -1)),
        encoding,
        int(caps.get("clock-rate", 0)),
        int(caps.get("encoding-params", 1)),
        tuple((key, str(caps[key])) for key in wanted if key in caps),
    )


def audio_port(port: int) -> int | None:
    """Where audio goes when video goes to ``port``; None when there is no such port."""
    return port + AUDIO_OFFSET if port + AUDIO_OFFSET in PORTS else None


def audible(tracks: Sequence[Track], port: int) -> tuple[Track, ...]:
    """The tracks that find a port: video always, audio unless its port would be above 65535."""
    return tuple(
        track for track in tracks if track.media == "video" or audio_port(port) is not None
    )


def one_line(text: str, limit: int = _TITLE_LENGTH) -> str:
    """A title as one line of text: no control characters, never empty (RFC 8866, 5.3)."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:limit].strip() or "-"


def session_description(session: Session, tracks: Sequence[Track], port: int) -> str:
    """The description of the tracks, video on ``port``. Raises ValueError for a wrong address."""
    lines = [
        "v=0",
        f"o=- {session.identifier} {session.version} {_network(session.origin)}",
        f"s={one_line(session.title)}",
        f"c={_network(session.destination)}",
        "t=0 0",
        "a=tool:iceflix",
        "a=recvonly",
    ]
    if session.duration_seconds is not None:
        start = f"{session.start_seconds:.3f}" if session.start_seconds else "0"
        lines.append(f"a=range:npt={start}-{session.duration_seconds:.3f}")
    for track in audible(tracks, port):
        lines += track.lines(port if track.media == "video" else port + AUDIO_OFFSET)
    return "".join(f"{line}\r\n" for line in lines)


def _network(address: str) -> str:
    plain = ipaddress.ip_address(address.partition("%")[0])
    return f"IN IP{plain.version} {plain}"
