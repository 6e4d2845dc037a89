"""RTSP (RFC 2326) for players that know nothing of us: who may come, where, to what. Pure.

One path per playback, unguessable, which leads to that playback's medium and to nothing else, as
long as the playback lives. Who knows the path is let in, like who knows a controller's proxy.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from iceflix.runtime.errors import SetupError
from iceflix.streaming.plans import Plan, launch

OFF = "off"
_EVERYWHERE = {"", "*", "0.0.0.0", "::"}  # noqa: S104  how endpoints say it
_END = "END"
# RTP leaves from here when we listen at one address only; above the ports that systems give away.
RTP_PORTS = (61000, 65533)


@dataclass(frozen=True)
class Door:
    """Where RTSP clients come in: an IP address, empty for all of them; a TCP port, 0 for any."""

    address: str
    port: int


def door(setting: str, hosts: Iterable[str]) -> Door | None:
    """Where to listen, given ``Stream.RtspPort`` and the hosts of the service's own endpoints.

    None: nowhere. Raises SetupError for what is neither a port nor "off".
    """
    if setting == OFF:
        return None
    if not (setting.isascii() and setting.isdigit() and int(setting) < 65536):
        raise SetupError(
            f"Stream.RtspPort must be a port below 65536, 0 for any free one, or {OFF};"
            f" not {setting[:80]!r}"
        )
    known = set(hosts)
    only = known.pop() if len(known) == 1 else ""
    return Door("" if only in _EVERYWHERE else only, int(setting))


def url(address: str, port: int, path: str) -> str:
    """The URL for somebody who reaches us at this IP address."""
    plain = ipaddress.ip_address(address.partition("%")[0])
    host = f"[{plain}]" if plain.version == 6 else str(plain)
    return f"rtsp://{host}:{port}{path}"


def media_launch(plan: Plan, location: str) -> str:
    """What the RTSP server builds for each of its sessions: the plan's pipeline without sinks.

    Its payloaders are called pay0 (picture) and pay1 (sound). It waits for both before it sends:
    each needs a thread. ``location`` is a path without anything to quote.
    """
    if not re.fullmatch(r"[\w/]+", location):
        raise ValueError(f"a path that would have to be quoted: {location!r}")
    text = launch(plan, _END, _END, queued=True)
    text = text.replace("filesrc name=source", f"filesrc name=source location={location}", 1)
    for name, number in (("video", 0), ("audio", 1)):
        text = text.replace(f"name={name} ! {_END}", f"name=pay{number}")
    return f"( {text} )"
