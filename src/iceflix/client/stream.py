"""One playback: the controller over there, the player over here, and the topic between them."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from iceflix.client.sentences import ClientError, Gone, NotNow, Sentence, say
from iceflix.client.services import CATALOG, Services
from iceflix.client.subscriptions import Subscriptions
from iceflix.client.wire import Wire, explain
from iceflix.contract import Ice, IceFlix

T = TypeVar("T")
PROVIDER = say("The video server")
STREAM = say("The stream")
_WATCH_SECONDS = 2.0


@dataclass(frozen=True)
class Statistics:
    """What a player has received so far. Times in seconds, rates in bits per second."""

    packets: int = 0
    lost: int = 0
    bits_per_second: float = 0.0
    position: float = 0.0
    duration: float | None = None
    silence: float = 0.0  # since the last packet
    paused: bool = False


class Player(Protocol):
    """What receives the packets. ``iceflix.client.player`` has them; tests have their own.

    ``bind`` and ``start`` may take a moment and run on a worker thread. They raise ClientError.
    """

    def bind(self, address: str) -> int:
        """Open the UDP ports on this address of ours; return the one to ask the stream for."""

    def start(self, sdp: str, ended: Callable[[Sentence | None], None]) -> None:
        """Play what arrives. ``ended`` is called once, from any thread, at the end."""

    def pause(self, on: bool) -> None:
        """Hold the picture, or go on where it was held. ClientError where that cannot be."""

    def stop(self) -> None:
        """Give everything back; harmless when repeated and before ``start``."""

    def statistics(self) -> Statistics:
        """Tell what has arrived; callable from any thread."""


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


@dataclass(frozen=True)
class Calls:
    """Whom a stream tells: called on the event loop."""

    asked: Callable[[], None]
    ended: Callable[[Sentence | None], None]


class Stream:
    """Opens, keeps and closes one playback. All methods run on the session's event loop."""

    def __init__(self, around: Around, player: Player, calls: Calls) -> None:
        self.player = player
        self._around = around
        self._calls = calls
        self._controller: IceFlix.StreamControllerPrx | None = None
        self._topic = ""
        self._watcher: asyncio.Task[None] | None = None

    async def open(self, media_id: str, token: str) -> None:
        """Get a controller and start the player. Raises ClientError; nothing is left then."""
        try:
            controller = await self._get_controller(media_id, token)
            self._controller = controller
            await self._listen(controller)
            ours, _ = await self._around.wire.addresses(controller)
            port = await self._aside(lambda: self.player.bind(ours))
            sdp = await self._ask(lambda: controller.getSDPAsync(token, port), STREAM)
            loop = asyncio.get_running_loop()

            def ended(reason: Sentence | None) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                    loop.call_soon_threadsafe(self._calls.ended, reason)

            await self._aside(lambda: self.player.start(sdp, ended))
            self._watcher = loop.create_task(self._watch(controller))
        except BaseException:
            await asyncio.shield(self.close())
            raise

    async def refresh(self, token: str) -> None:
        """Give the controller a token. Raises ClientError: Denied, Gone or Unreachable."""
        controller = self._controller
        if controller is not None:
            await self._ask(lambda: controller.refreshAuthenticationAsync(token), STREAM)

    async def close(self) -> None:
        """Stop the player and tell the controller, whatever state they are in."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._aside(self.player.stop)
        controller, self._controller = self._controller, None
        if controller is not None:
            with contextlib.suppress(ClientError):
                await self._ask(controller.stopAsync, STREAM)
        if self._topic and self._around.topics is not None:
            await self._around.topics.unsubscribe(self._topic)

    async def _get_controller(self, media_id: str, token: str) -> IceFlix.StreamControllerPrx:
        """Go through catalogue and provider; a provider that dies is asked for once more."""
        for last_try in (False, True):
            media = await self._around.services.catalog(lambda it: it.getTileAsync(media_id))
            if media.provider is None:
                raise NotNow(say("{who} does not know where this title is.", who=CATALOG))
            provider = self._around.wire.bounded(media.provider)
            get_stream = functools.partial(provider.getStreamAsync, media_id, token)
            try:
                controller = await self._around.wire.call(get_stream)
            except Ice.Exception as error:
                if last_try or not isinstance(error, Ice.LocalException):
                    raise explain(error, PROVIDER) from error
                continue
            if controller is not None:
                return self._around.wire.bounded(controller)
            break
        raise ClientError(say("{who} gave no stream.", who=PROVIDER))

    async def _listen(self, controller: IceFlix.StreamControllerPrx) -> None:
        """Subscribe to the controller's topic. Playback goes without: the session has a clock."""
        self._topic = await self._ask(controller.getSyncTopicAsync, STREAM)
        loop = asyncio.get_running_loop()

        def asked() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._calls.asked)

        if self._topic and self._around.topics is not None:
            self._around.topics.subscribe(self._topic, _Sync(asked), create=False)

    async def _watch(self, controller: IceFlix.StreamControllerPrx) -> None:
        """Notice that the controller is gone. That it is silent proves nothing."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._ask(controller.ice_pingAsync, STREAM)
            except Gone:
                self._calls.ended(say("The server has ended the stream."))
                return
            except ClientError:
                continue

    async def _ask(self, invoke: Callable[[], "Ice.Future[T]"], who: Sentence) -> T:
        try:
            return await self._around.wire.call(invoke)
        except Ice.Exception as error:
            raise explain(error, who) from error

    @staticmethod
    async def _aside(work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work)
