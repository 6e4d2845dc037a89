"""The channels on which services announce themselves: topic, kinds, handler."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from iceflix.contract import Ice, IceFlix
from iceflix.contract.topics import SERVICE_AVAILABILITY
from iceflix.runtime.boundary import event

PrxT = TypeVar("PrxT", bound=Ice.ObjectPrx)
Heard = Callable[["Kind[Any]", Ice.ObjectPrx | None, str], None]


@dataclass(frozen=True)
class Kind(Generic[PrxT]):
    """A kind of service: its name, its typed proxy and how it announces itself.

    silence: seconds for which an announcement is believed to be a sign of life, where those who use
    a service notice soon that it hangs; 0: it has to answer every ``Discovery.ProbeSeconds``.
    """

    name: str
    proxy: type[PrxT]
    announce: Callable[[Any, PrxT, str], "Ice.Future[None]"]
    silence: float = 0.0

    @property
    def type_id(self) -> str:
        """The Slice type that a service of this kind must have."""
        return self.proxy.ice_staticId()


@dataclass(frozen=True)
class Channel:
    """A discovery topic. ``listener`` makes the servant that hears it.

    ``wanted``: the names of kinds that are of use; the others are strangers.
    """

    topic: str
    publisher: type[Ice.ObjectPrx]
    kinds: tuple[Kind[Any], ...]
    listener: Callable[[Heard], Ice.Object]
    wanted: Callable[[str], bool] = lambda _name: True


AUTHENTICATOR = Kind(
    "authenticator",
    IceFlix.AuthenticatorPrx,
    lambda topic, proxy, own_id: topic.authenticationServiceAsync(proxy, own_id),
)
CATALOG = Kind(
    "catalog",
    IceFlix.MediaCatalogPrx,
    lambda topic, proxy, own_id: topic.catalogServiceAsync(proxy, own_id),
)
PROVIDER = Kind(
    "provider",
    IceFlix.StreamProviderPrx,
    lambda topic, proxy, own_id: topic.mediaServiceAsync(proxy, own_id),
)


class _StreamingListener(IceFlix.ServiceAvailability):
    """Hears ServiceAvailability."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    @event
    def authenticationService(
        self,
        service: IceFlix.AuthenticatorPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of an Authenticator."""
        self._heard(AUTHENTICATOR, service, service_id)

    @event
    def catalogService(
        self,
        service: IceFlix.MediaCatalogPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a MediaCatalog."""
        self._heard(CATALOG, service, service_id)

    @event
    def mediaService(
        self,
        service: IceFlix.StreamProviderPrx | None,
        service_id: str,
        _current: Ice.Current | None = None,
    ) -> None:
        """Hear of a StreamProvider."""
        self._heard(PROVIDER, service, service_id)


STREAMING = Channel(
    SERVICE_AVAILABILITY,
    IceFlix.ServiceAvailabilityPrx,
    (AUTHENTICATOR, CATALOG, PROVIDER),
    _StreamingListener,
)
