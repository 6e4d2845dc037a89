"""One playback: whoever sends it over there, and the player over here."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from iceflix.client import vocabulary as v
from iceflix.client.control import Place
from iceflix.client.player import Player, Statistics
from iceflix.client.sentences import ClientError, Refused, Sentence, Unreachable, say
from iceflix.client.source import Around, Finder, Source
from iceflix.client.watch import Signs, Verdict, Watch

T = TypeVar("T")
_LOCATE_SECONDS = 1.0
_BEFORE_END_SECONDS = 2.0  # seeking goes no further: there would be nothing to see
_OVER_SECONDS = 0.5  # a stream that loses its server so near to the end has ended


@dataclass(frozen=True)
class Calls:
    """Whom a stream tells: called on the event loop."""

    asked: Callable[[], None]
    ended: Callable[[Sentence | None], None]
    lost: Callable[[], None]


@dataclass
class _Here:
    """What is so on our side."""

    address: str = ""
    port: int = 0
    place: Place | None = None  # where the server was when it was last asked
    suspended: bool = False  # no packets are to be expected
    movable: bool = False  # another server could go on with it
    ordering: asyncio.Lock = field(default_factory=asyncio.Lock)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)


class Stream:
    """Opens, keeps, moves and closes one playback. On the session's event loop."""

    def __init__(self, around: Around, media_id: str, player: Player, calls: Calls) -> None:
        self.player = player
        self._wire = around.wire
        self._finder = Finder(around, media_id)
        self._calls = calls
        self._source: Source | None = None
        self._here = _Here()

    # ------------------------------------------------------------ life

    async def open(self, token: str, wish: v.Wish) -> None:
        """Get a controller and start the player. Raises ClientError; nothing is left then."""
        try:
            source = self._source = await self._finder.any(token)
            await self._finder.listen(source, self._calls.asked)
            self._here.address, _ = await self._wire.addresses(source.controller)
            if wish.start:
                await source.require_control().start_at(wish.start)
            if wish.rtsp:
                described = await source.require_control().rtsp_url(token)
            else:
                self._here.port = await _aside(lambda: self.player.bind(self._here.address))
                described = await self._finder.describe(source, token, self._here.port)
                self._here.movable = True
            loop = asyncio.get_running_loop()

            def ended(reason: Sentence | None) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                    loop.call_soon_threadsafe(self._calls.ended, reason)

            await _aside(lambda: self.player.start(described, ended))
            await self._settle(source)
        except BaseException:
            await asyncio.shield(self.close())
            raise

    async def take_over(self, token: str) -> None:
        """Go on from another server, where it was. Raises ClientError; may be tried again."""
        old, was = self._source, self.statistics()
        if old is None or not self._here.movable:
            raise ClientError(say("The video server has died."))
        if was.duration is not None and was.position >= was.duration - _OVER_SECONDS:
            self._calls.ended(None)
            return
        self._suspend(True)
        provider = await self._finder.another(old)
        if provider is None:
            self._suspend(was.paused)
            await self._settle(old)
            return
        source = await self._finder.at(provider, token)
        try:
            await self._move_to(source, token, was)
        except BaseException:
            await asyncio.shield(self._finder.dismiss(source))
            raise
        # It may be hung and wake up: then it finds this in its queue, and sends nothing more.
        self._begin(self._finder.dismiss(old))
        self._begin(self._finder.listen(source, self._calls.asked))

    async def _move_to(self, source: Source, token: str, was: Statistics) -> None:
        control = source.require_control()
        address, _ = await self._wire.addresses(source.controller)
        if address != self._here.address:
            raise ClientError(say("The other video server reaches this computer another way."))
        await control.start_at(was.position)
        described = await self._finder.describe(source, token, self._here.port)
        await _aside(lambda: self.player.rejoin(described))
        if was.paused and not self.player.statistics().paused:
            await control.pause(True)
        else:
            self._here.suspended = False
        self._source = source
        await self._settle(source)

    async def refresh(self, token: str) -> None:
        """Give the controller a token. Raises ClientError: Denied, Gone or Unreachable."""
        source = self._source
        if source is not None:
            await self._finder.ask(lambda: source.controller.refreshAuthenticationAsync(token))

    async def close(self) -> None:
        """Stop the player and tell the controller, whatever state they are in."""
        self._finder.close()
        for task in self._here.tasks:
            task.cancel()
        await _aside(self.player.stop)
        source, self._source = self._source, None
        if source is not None:
            await self._finder.dismiss(source)

    # ------------------------------------------------------------ what a viewer does

    @property
    def seekable(self) -> bool:
        """Whether the position can be chosen."""
        return self._here.place is not None and self._here.place.seekable

    def statistics(self) -> Statistics:
        """Tell what has arrived, and where the server is with it. From any thread."""
        figures, place = self.player.statistics(), self._here.place
        if place is None:
            return figures
        return replace(
            figures,
            position=place.position_at(time.monotonic() - figures.silence),
            duration=place.duration or figures.duration,
            paused=figures.paused or place.paused,
        )

    async def pause(self, on: bool) -> None:
        """Let the server wait, else hold the picture here; or go on. Raises ClientError."""
        async with self._here.ordering:
            source, now = self._source, self.statistics()
            held = self.player.statistics().paused
            if source is None or source.control is None or held:
                await _aside(lambda: self.player.pause(on))
                return
            self._suspend(on)
            try:
                await source.control.pause(on)
            except Refused:
                self._suspend(False)
                await _aside(lambda: self.player.pause(on))
                return
            except Unreachable:
                self._place_at(now.position, paused=on)
                self._calls.lost()  # the next server does it
                raise
            await self._locate(source)

    async def seek(self, seconds: float, *, relative: bool) -> None:
        """Go to a position, or so far from where it is. Raises ClientError."""
        async with self._here.ordering:
            source, now = self._source, self.statistics()
            if source is None:
                return
            target = max(0.0, seconds + now.position if relative else seconds)
            if now.duration is not None:
                target = min(target, max(now.position, now.duration - _BEFORE_END_SECONDS))
            try:
                position = await source.require_control().seek(target)
            except Unreachable:
                self._place_at(target, paused=now.paused)
                self._calls.lost()  # the next server begins there
                raise
            self._place_at(position, paused=now.paused)
            self.player.moved(position)
            await self._locate(source)

    # ------------------------------------------------------------ inside

    def _suspend(self, on: bool) -> None:
        self._here.suspended = on
        self.player.suspend(on)

    def _place_at(self, position: float, *, paused: bool) -> None:
        if self._here.place is not None:
            at = asyncio.get_running_loop().time()
            self._here.place = replace(
                self._here.place, position=position, at=at, moving=not paused, paused=paused
            )

    async def _locate(self, source: Source) -> None:
        """Ask the server where it is; meanwhile that is worked out here."""
        if source.control is None:
            self._here.place = None
            return
        with contextlib.suppress(ClientError):
            place = await source.control.place(asyncio.get_running_loop().time)
            if source is self._source:
                self._here.place = place

    async def _settle(self, source: Source) -> None:
        await self._locate(source)
        self._begin(self._watch(source))

    async def _watch(self, source: Source) -> None:
        """Notice that the source is gone."""

        def silence() -> float:
            return self.player.statistics().silence

        signs = Signs(silence, self._expecting, self._finder.scout)
        follower = asyncio.ensure_future(self._follow(source))
        try:
            verdict = await Watch(self._wire, source.controller, source.provider, signs).verdict()
        finally:
            follower.cancel()
        if source is not self._source:
            return
        if verdict is Verdict.ENDED:
            self._calls.ended(say("The server has ended the stream."))
        elif self._here.movable:
            self._calls.lost()
        else:
            self._calls.ended(say("The video server has died."))

    def _expecting(self) -> bool:
        return self._here.movable and not self._here.suspended

    async def _follow(self, source: Source) -> None:
        while True:
            await asyncio.sleep(_LOCATE_SECONDS)
            await self._locate(source)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        async def quietly() -> None:
            with contextlib.suppress(ClientError):
                await work

        task = asyncio.get_running_loop().create_task(quietly())
        self._here.tasks.add(task)
        task.add_done_callback(self._here.tasks.discard)


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
