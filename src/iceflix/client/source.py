"""Who sends a stream: provider and controller, found through the catalogue."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from iceflix.client.control import STREAM, Control, ask, needs_control
from iceflix.client.sentences import ClientError, NotNow, say
from iceflix.client.services import CATALOG, Services
from iceflix.client.subscriptions import Subscriptions
from iceflix.client.wire import Wire, explain, is_dead
from iceflix.contract import Ice, IceFlix

T = TypeVar("T")
PROVIDER = say("The video server")
_FRESH_SECONDS = 1.0  # so old may the catalogue's answer be when another server is wanted


class _Sync(IceFlix.StreamerSync):
    """Receives the controller's calls on Ice's thread and passes them on."""

    # pylint: disable=invalid-name,unused-argument,too-few-public-methods
    # the Slice contract fixes the names

    def __init__(self, asked: Callable[[], None]) -> None:
        self._asked = asked

    def requestAuthentication(self, current: Ice.Current | None = None) -> None:
        """Ask for a valid token (V70)."""
        self._asked()


@dataclass(frozen=True)
class Around:
    """What a stream needs around it."""

    wire: Wire
    services: Services
    topics: Subscriptions | None


@dataclass
class Source:
    """A controller and the provider that it lives with. ``control``: None if it has none."""

    provider: IceFlix.StreamProviderPrx
    controller: IceFlix.StreamControllerPrx
    control: Control | None
    topic: str = ""

    def require_control(self) -> Control:
        """Return the control. Raises Refused."""
        if self.control is None:
            raise needs_control()
        return self.control


class Finder:
    """Finds sources of one title. On the session's event loop; everything raises ClientError."""

    def __init__(self, around: Around, media_id: str) -> None:
        self._around = around
        self._media_id = media_id
        self._scout: asyncio.Task[IceFlix.StreamProviderPrx] | None = None
        self._scouted = 0.0  # when it set off

    async def any(self, token: str) -> Source:
        """Return a source; when the first provider dies under us, the catalogue is asked again."""
        for last_try in (False, True):
            provider = await self._ask_catalogue()
            try:
                return await self.at(provider, token)
            except ClientError as error:
                if last_try or not is_dead(error.__cause__ or error):
                    raise
        raise ClientError(say("{who} gave no stream.", who=PROVIDER))

    async def at(self, provider: IceFlix.StreamProviderPrx, token: str) -> Source:
        """Get a controller from this provider."""
        wire = self._around.wire
        get_stream = functools.partial(provider.getStreamAsync, self._media_id, token)
        try:
            controller = await wire.call(get_stream)
        except Ice.Exception as error:
            raise explain(error, PROVIDER) from error
        if controller is None:
            raise ClientError(say("{who} gave no stream.", who=PROVIDER))
        controller = wire.bounded(controller)
        return Source(provider, controller, await Control.of(wire, controller))

    def scout(self) -> None:
        """Ask the catalogue already: an answer may be needed soon."""
        now, before = asyncio.get_running_loop().time(), self._scout
        if before is None or (before.done() and now - self._scouted > _FRESH_SECONDS):
            self._scout, self._scouted = asyncio.ensure_future(self._ask_catalogue()), now
            self._scout.add_done_callback(_regard)

    async def another(self, old: Source) -> IceFlix.StreamProviderPrx | None:
        """Return a provider in the place of one that seems dead; None if it lives after all."""
        self.scout()
        scout, self._scout = self._scout, None
        assert scout is not None
        try:
            provider = await scout
        finally:
            scout.cancel()
        if provider.ice_toString() != old.provider.ice_toString():
            return provider
        try:
            await self.ask(old.controller.ice_pingAsync)
        except ClientError as error:
            raise NotNow(error.sentence) from error  # the catalogue will find it out, too
        return None

    async def describe(self, source: Source, token: str, port: int) -> str:
        """Let packets be sent to this port of ours."""
        return await self.ask(lambda: source.controller.getSDPAsync(token, port))

    async def listen(self, source: Source, asked: Callable[[], None]) -> None:
        """Subscribe to the controller's topic. Playback goes without: the session has a clock."""
        source.topic = await self.ask(source.controller.getSyncTopicAsync)
        loop = asyncio.get_running_loop()

        def heard() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(asked)

        if source.topic and self._around.topics is not None:
            self._around.topics.subscribe(source.topic, _Sync(heard), create=False)

    async def dismiss(self, source: Source) -> None:
        """Tell the controller to end; raises nothing."""
        with contextlib.suppress(ClientError):
            await self.ask(source.controller.stopAsync)
        if source.topic and self._around.topics is not None:
            await self._around.topics.unsubscribe(source.topic)

    def close(self) -> None:
        """Ask nobody any more."""
        if self._scout is not None:
            self._scout.cancel()
            self._scout = None

    async def ask(self, invoke: Callable[[], "Ice.Future[T]"]) -> T:
        """Call the controller."""
        return await ask(self._around.wire, invoke, STREAM)

    async def _ask_catalogue(self) -> IceFlix.StreamProviderPrx:
        media = await self._around.services.catalog(lambda it: it.getTileAsync(self._media_id))
        if media.provider is None:
            raise NotNow(say("{who} does not know where this title is.", who=CATALOG))
        return self._around.wire.bounded(media.provider)


def _regard(scout: "asyncio.Task[IceFlix.StreamProviderPrx]") -> None:
    """Nobody may ask for what went wrong, and that is well."""
    if not scout.cancelled():
        scout.exception()
