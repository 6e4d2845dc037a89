"""How the farm's services find each other: the channel FarmAvailability."""

import functools
from collections.abc import Callable, Collection
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import event
from iceflix.runtime.channels import Channel, Heard, Kind

TOPIC = "FarmAvailability"
_NODE = "node:"
# Two announcements may be lost. Passing the token, exchanges and deadlines tell who hangs.
_SILENCE = 60.0

GATEWAY = Kind(
    "gateway",
    IceFlix.GatewayPrx,
    lambda topic, proxy, own_id: topic.gatewayServiceAsync(proxy, own_id),
    _SILENCE,
)
CENTRAL = Kind(
    "central",
    IceFlix.CentralPrx,
    lambda topic, proxy, own_id: topic.centralServiceAsync(proxy, own_id),
    _SILENCE,
)
MULTISERVER = Kind(
    "multiserver",
    IceFlix.MultiserverPrx,
    lambda topic, proxy, own_id: topic.multiserverServiceAsync(proxy, own_id),
    _SILENCE,
)
FILTERADMIN = Kind(
    "filteradmin",
    IceFlix.FilterAdminPrx,
    lambda topic, proxy, own_id: topic.filterAdminServiceAsync(proxy, own_id),
    _SILENCE,
)
USERADMIN = Kind(
    "useradmin",
    IceFlix.UserAdminPrx,
    lambda topic, proxy, own_id: topic.userAdminServiceAsync(proxy, own_id),
    _SILENCE,
)


@functools.lru_cache(1000)  # anybody may claim any ring
def node_kind(ring: str) -> Kind[IceFlix.RingPrx]:
    """The nodes of one ring."""
    return Kind(
        f"{_NODE}{ring}",
        IceFlix.RingPrx,
        lambda topic, proxy, own_id: topic.ringNodeAsync(proxy, own_id, ring),
        _SILENCE,
    )


class _FarmListener(IceFlix.FarmAvailability):
    """Hears FarmAvailability."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    @event
    def gatewayService(
        self,
        service: IceFlix.GatewayPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a gateway."""
        self._heard(GATEWAY, service, service_id)

    @event
    def centralService(
        self,
        service: IceFlix.CentralPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a central."""
        self._heard(CENTRAL, service, service_id)

    @event
    def multiserverService(
        self,
        service: IceFlix.MultiserverPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a multiserver (F24)."""
        self._heard(MULTISERVER, service, service_id)

    @event
    def filterAdminService(
        self,
        service: IceFlix.FilterAdminPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a filter administrator."""
        self._heard(FILTERADMIN, service, service_id)

    @event
    def userAdminService(
        self,
        service: IceFlix.UserAdminPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a user administrator."""
        self._heard(USERADMIN, service, service_id)

    @event
    def ringNode(
        self,
        service: IceFlix.RingPrx | None,
        service_id: str,
        ring: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a ring's node."""
        self._heard(node_kind(ring), service, service_id)


def _channel(wanted: Callable[[str], bool]) -> Channel:
    return Channel(
        TOPIC,
        IceFlix.FarmAvailabilityPrx,
        (GATEWAY, CENTRAL, MULTISERVER, FILTERADMIN, USERADMIN),
        _FarmListener,
        wanted,
    )


def farm_channel(kinds: Collection[Kind[Any]]) -> Channel:
    """The channel for one who cares for these kinds only: whoever is heard of is also probed."""
    names = {kind.name for kind in kinds}
    return _channel(names.__contains__)


FARM = _channel(lambda name: not name.startswith(_NODE))
"""The farm's services; its nodes are heard of through ``farm_channel``."""

EVERYBODY = _channel(lambda _name: True)
"""For the filter administrator, who must know which rings live."""


def ring_of(kind_name: str) -> str | None:
    """The ring whose nodes are of this kind; None for other kinds."""
    return kind_name.removeprefix(_NODE) if kind_name.startswith(_NODE) else None
