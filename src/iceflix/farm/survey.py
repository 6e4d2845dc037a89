"""How a farm is: what its processes say when they are asked (``iceflix farm status``)."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.farm.launch import Ready
from iceflix.farm.model import Token
from iceflix.farm.wire import from_slice
from iceflix.runtime.communicator import proxy_from

_MILLIS = 1000
_SAMPLE_SECONDS = 2.5
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Multiserver:
    """A multiserver and its queue."""

    id: str
    name: str
    queued: int
    running: int
    capacity: int
    rings: list[str]


@dataclass(frozen=True)
class Node:
    """A member of a ring as the token knows it."""

    id: str
    cpu_free: float
    free_megabytes: int
    running: int
    slots: int
    hop_milliseconds: float


@dataclass(frozen=True)
class Ring:
    """A ring as its members saw it last."""

    ring: str
    master: str
    epoch: int
    turns_per_second: float
    filter: str
    nodes: list[Node]

    # pylint: disable=too-many-instance-attributes  # a table's row


@dataclass(frozen=True)
class Survey:
    """Everything. ``silent``: services that are there and do not answer."""

    multiservers: list[Multiserver]
    rings: list[Ring]
    services: list[Ready]
    silent: list[Ready]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def look(communicator: Ice.Communicator, ready: list[Ready]) -> Survey:
    """Ask all of them; takes as long as counting a ring's turns does, 2.5 s."""
    silent: list[Ready] = []
    multiservers = []
    first: dict[str, tuple[float, Token]] = {}
    for service in ready:
        try:
            if service.kind == "multiserver":
                multiservers.append(_multiserver(communicator, service))
            elif service.kind == "node":
                _newest(first, _last_seen(communicator, service))
            else:
                _proxy(communicator, service).ice_ping()
        except Ice.Exception:
            silent.append(service)
    if first:
        time.sleep(_SAMPLE_SECONDS)
    second: dict[str, tuple[float, Token]] = {}
    for service in ready:
        if service.kind == "node" and service not in silent:
            try:
                _newest(second, _last_seen(communicator, service))
            except Ice.Exception:
                silent.append(service)
    rings = [_ring(first.get(name), second[name]) for name in sorted(second)]
    return Survey(multiservers, rings, [each for each in ready if each not in silent], silent)


def _proxy(communicator: Ice.Communicator, service: Ready) -> Ice.ObjectPrx:
    proxy = proxy_from(communicator, service.proxy, service.kind)
    return proxy.ice_invocationTimeout(_MILLIS)


def _multiserver(communicator: Ice.Communicator, service: Ready) -> Multiserver:
    proxy = IceFlix.MultiserverPrx.uncheckedCast(_proxy(communicator, service))
    health = proxy.health()
    name = proxy.ice_getIdentity().category
    counts = (health.queued, health.running, health.capacity)
    return Multiserver(service.id, name, *counts, list(health.rings))


def _last_seen(communicator: Ice.Communicator, service: Ready) -> Token:
    proxy = IceFlix.RingPrx.uncheckedCast(_proxy(communicator, service))
    return from_slice(Token, proxy.lastSeen())


def _newest(known: dict[str, tuple[float, Token]], token: Token) -> None:
    before = known.get(token.ring)
    if before is None or (token.key, token.passes) > (before[1].key, before[1].passes):
        known[token.ring] = (time.monotonic(), token)


def _ring(first: tuple[float, Token] | None, second: tuple[float, Token]) -> Ring:
    at, token = second
    rate = 0.0
    if first is not None and first[1].key == token.key and at > first[0]:
        passes = token.passes - first[1].passes
        rate = passes / max(1, len(token.members)) / (at - first[0])
    nodes = [
        Node(
            load.node,
            round(load.cpu_free, 2),
            load.free_bytes // _MEGABYTE,
            load.running,
            load.slots,
            round(load.hop_seconds * 1000, 2),
        )
        for load in sorted(token.loads, key=lambda load: load.node)
        if load.node in token.members
    ]
    name = token.filter[0].name if token.filter else ""
    return Ring(token.ring, token.master, token.epoch, round(rate, 2), name, nodes)
