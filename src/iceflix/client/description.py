"""The session description (SDP, RFC 8866) as far as a receiver needs it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MEDIA = re.compile(r"m=(\w+) (\d+)(?:/\d+)? RTP/AVPF? (\d+)")
_RTPMAP = re.compile(r"a=rtpmap:(\d+) ([A-Za-z0-9._-]+)/(\d+)")
_RANGE = re.compile(r"a=range:npt=\s*(\d+(?:\.\d+)?)?\s*-\s*(\d+(?:\.\d+)?)?")
_STATIC = {"0": "PCMU", "8": "PCMA", "14": "MPA", "26": "JPEG", "32": "MPV", "33": "MP2T"}


@dataclass(frozen=True)
class Track:
    """One medium: ``media`` is audio or video, ``encoding`` in capitals, ``index`` its m= line.

    ``clock_rate``: of the time stamps, in Hz.
    """

    index: int
    media: str
    port: int
    payload_type: int
    encoding: str
    clock_rate: int = 90_000


@dataclass(frozen=True)
class Description:
    """What a server says that it sends; where it begins and how long the title is, in seconds."""

    tracks: tuple[Track, ...]
    duration: float | None
    start: float = 0.0


def parse(sdp: str) -> Description:
    """Read a description; media that are neither audio nor video are left out.

    Raises ValueError when nothing playable is in it.
    """
    tracks: list[Track] = []
    names: dict[str, tuple[str, str]] = {}
    sections = re.split(r"(?m)^(?=m=)", sdp.replace("\r\n", "\n").replace("\r", "\n"))
    for index, section in enumerate(sections[1:]):
        media = _MEDIA.match(section)
        if media is None or media[1] not in {"audio", "video"} or not 0 < int(media[2]) < 65536:
            continue
        names = {payload: (name, rate) for payload, name, rate in _RTPMAP.findall(section)}
        encoding, rate = names.get(media[3]) or (_STATIC.get(media[3], ""), "90000")
        track = Track(index, media[1], int(media[2]), int(media[3]), encoding.upper(), int(rate))
        tracks.append(track)
    if not tracks:
        raise ValueError("the description names no audio and no video over RTP")
    found = _RANGE.search(sdp)
    start, end = found.groups() if found is not None else (None, None)
    return Description(tuple(tracks), float(end) if end else None, float(start or 0.0))


def redirect(sdp: str, address: str, ports: Mapping[int, int]) -> str:
    """Rewrite a description so that it names another address and other ports (old to new)."""
    version = 6 if ":" in address else 4
    lines = []
    for line in sdp.splitlines():
        media = _MEDIA.match(line)
        if line.startswith("c="):
            lines.append(f"c=IN IP{version} {address}")
        elif media is not None and int(media[2]) in ports:
            rest = line.split(" ", 2)[2]
            lines.append(f"m={media[1]} {ports[int(media[2])]} {rest}")
        else:
            lines.append(line)
    return "".join(f"{line}\r\n" for line in lines)


def bound_ports(table: str) -> set[int]:
    """Read the local ports out of ``/proc/net/udp`` or ``udp6``."""
    return {int(port, 16) for port in re.findall(r"(?m)^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) ", table)}
