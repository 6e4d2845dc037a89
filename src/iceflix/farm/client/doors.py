"""The two doors of the gateway, as a client sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, TOO_LATE
from iceflix.farm.gateway.desk import Request
from iceflix.runtime.communicator import initialize, proxy_from
from iceflix.runtime.errors import Denial, NotAvailable
from iceflix.runtime.process import proxies
from iceflix.runtime.settings import Settings

_SPARE_SECONDS = 5.0


class Door(Protocol):
    """A gateway. Thread-safe. Both raise Denial."""

    def filter(self, request: Request) -> tuple[str, float]:
        """Return the result's path in the share and the seconds that it took."""

    def running(self) -> list[str]:
        """The filters that are running now."""


class IceDoor:
    """The gateway over Ice."""

    def __init__(self, proxy: IceFlix.GatewayPrx) -> None:
        self._proxy = proxy

    def filter(self, request: Request) -> tuple[str, float]:
        """Have an image filtered. Raises Denial."""
        fields = (request.user, request.password_hash, request.image, list(request.filters))
        try:
            result = self._proxy.filter(*fields)
        except IceFlix.Denied as error:
            raise Denial(error.reason, error.detail) from error
        except Ice.LocalException as error:
            raise _lost(error) from error
        return result.image, result.seconds

    def running(self) -> list[str]:
        """The filters that are running now. Raises Denial."""
        try:
            return self._proxy.getFilters()
        except Ice.LocalException as error:
            raise _lost(error) from error


def _lost(error: Ice.LocalException) -> Denial:
    if isinstance(error, Ice.InvocationTimeoutException):
        return Denial(TOO_LATE, "the gateway did not answer in time")
    return Denial(NO_SERVERS, f"the gateway does not answer ({type(error).__name__})")


@contextmanager
def open_door(settings: Settings, via: str) -> Iterator[Door]:
    """The gateway by ``corba`` or ``ice``. Raises ServiceError when there is none."""
    patience = settings.seconds("Gateway.DeadlineSeconds") + _SPARE_SECONDS
    if via == "corba":
        # Imported here: who uses Ice needs no omniORB.
        from iceflix.farm.gateway import naming, orb  # noqa: PLC0415  pylint: disable=import-outside-toplevel

        configured = orb.Address.parse(settings.text("Gateway.Naming"), "Gateway.Naming")
        client = orb.CorbaClient(naming.resolve(configured, settings.home / "naming"), patience)
        try:
            yield client
        finally:
            client.close()
        return
    with initialize(settings) as communicator:
        given = settings.text("Client.Gateway") or next(iter(proxies(settings.home, "gateway")), "")
        if not given:
            raise NotAvailable(
                f"no gateway runs here ({settings.home}); start the farm (iceflix farm up), or set "
                "Client.Gateway to the proxy of another machine's"
            )
        proxy = proxy_from(communicator, given, "Client.Gateway")
        proxy = proxy.ice_invocationTimeout(int(patience * 1000))
        yield IceDoor(IceFlix.GatewayPrx.uncheckedCast(proxy))
