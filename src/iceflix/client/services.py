"""The services behind a Main: asked for when needed, replaced when they die under us."""

from collections.abc import Callable
from typing import TypeVar

from iceflix.client.sentences import ClientError, NotNow, Sentence, Unreachable, WrongObject, say
from iceflix.client.text import safe
from iceflix.client.wire import Wire, explain, is_dead
from iceflix.contract import Ice, IceFlix

T = TypeVar("T")
CATALOG = say("The catalogue")
AUTHENTICATOR = say("The authenticator")
MAIN = say("Main")


async def recognise_main(wire: Wire, text: str) -> IceFlix.MainPrx:
    """Make sure that a proxy is a Main that lives (V56). Raises ClientError with the reason."""
    proxy = wire.proxy(text)
    try:
        is_main = await wire.call(lambda: proxy.ice_isAAsync("::IceFlix::Main"))
        kinds = [] if is_main else await wire.call(proxy.ice_idsAsync)
    except Ice.ObjectNotExistException as error:
        identity = wire.communicator.identityToString(proxy.ice_getIdentity())
        raise WrongObject(
            say("Somebody answers there, but knows nothing called “{name}”.", name=safe(identity))
        ) from error
    except Ice.Exception as error:
        raise _explain_main(error) from error
    if not is_main:
        kind = next((name for name in kinds if name.startswith("::IceFlix::")), "::Ice::Object")
        raise WrongObject(
            say("That is not a Main but another object, of type {kind}.", kind=safe(kind, 60))
        )
    return IceFlix.MainPrx.uncheckedCast(proxy)


def _explain_main(error: Ice.Exception) -> ClientError:
    """Main is the one service whose address people give, and which they start."""
    if isinstance(error, Ice.ConnectionRefusedException):
        return Unreachable(
            say("Main is not running: nobody listens at its address. Start it with ./run_iceflix, "
                "or name one that runs elsewhere: --Client.Main=PROXY")
        )  # fmt: skip
    return explain(error, MAIN)


class Services:
    """The catalogue and the authenticator that Main hands out, with fail over.

    A call that finds its service dead asks Main for another one and is made once more. Every method
    raises ClientError.
    """

    def __init__(self, wire: Wire, main: IceFlix.MainPrx) -> None:
        self.main = main
        self._wire = wire
        self._catalog: IceFlix.MediaCatalogPrx | None = None
        self._authenticator: IceFlix.AuthenticatorPrx | None = None

    async def find_catalog(self) -> IceFlix.MediaCatalogPrx:
        """Ask Main for a catalogue."""
        found = await self._ask_main(self.main.getCatalogServiceAsync, CATALOG)
        self._catalog = IceFlix.MediaCatalogPrx.uncheckedCast(self._wire.bounded(found))
        return self._catalog

    async def find_authenticator(self) -> IceFlix.AuthenticatorPrx:
        """Ask Main for an authenticator."""
        found = await self._ask_main(self.main.getAuthenticatorAsync, AUTHENTICATOR)
        self._authenticator = IceFlix.AuthenticatorPrx.uncheckedCast(self._wire.bounded(found))
        return self._authenticator

    async def catalog(self, call: Callable[[IceFlix.MediaCatalogPrx], "Ice.Future[T]"]) -> T:
        """Call an operation of a catalogue."""
        proxy = self._catalog or await self.find_catalog()
        try:
            return await self._wire.call(lambda: call(proxy))
        except Ice.Exception as error:
            if not is_dead(error):
                raise explain(error, CATALOG) from error
            known = self._catalog
        # Many calls may fail at once: one of them finds the replacement, the others use it.
        other = known if known not in {None, proxy} else None
        other = other or await self.find_catalog()
        try:
            return await self._wire.call(lambda: call(other))
        except Ice.Exception as error:
            self._catalog = None
            raise explain(error, CATALOG) from error

    async def authenticator(self, call: Callable[[IceFlix.AuthenticatorPrx], "Ice.Future[T]"]) -> T:
        """Call an operation of an authenticator."""
        proxy = self._authenticator or await self.find_authenticator()
        try:
            return await self._wire.call(lambda: call(proxy))
        except Ice.Exception as error:
            if not is_dead(error):
                raise explain(error, AUTHENTICATOR) from error
        other = await self.find_authenticator()
        try:
            return await self._wire.call(lambda: call(other))
        except Ice.Exception as error:
            self._authenticator = None
            raise explain(error, AUTHENTICATOR) from error

    async def _ask_main(self, ask: Callable[[], "Ice.Future[T | None]"], what: Sentence) -> T:
        try:
            found = await self._wire.call(ask)
        except IceFlix.TemporaryUnavailable as error:
            raise explain(error, what) from error
        except Ice.Exception as error:
            raise _explain_main(error) from error
        if found is None:
            raise NotNow(say("{who} is not available at the moment.", who=what))
        return found
