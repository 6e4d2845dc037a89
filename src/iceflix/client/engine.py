"""Carries out what the state machine wants. Lives on the session's event loop."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from iceflix.client import vocabulary as v
from iceflix.client.lookup import Progress
from iceflix.client.player import Player, Statistics
from iceflix.client.sentences import ClientError, Denied, Unreachable, say
from iceflix.client.services import AUTHENTICATOR, Services, recognise_main
from iceflix.client.source import Around
from iceflix.client.state import Machine
from iceflix.client.stream import Calls, Stream
from iceflix.client.subscriptions import Subscriptions
from iceflix.client.wire import Wire
from iceflix.contract import Ice, IceFlix
from iceflix.contract.topics import AUTHENTICATION_STATUS

Said = v.View | v.Notice | Progress
_TOKEN_SECONDS = 8.0  # that an operation waits for a renewal
_TOPIC_MANAGER = 'IceStorm/TopicManager:default -h "{host}" -p 10000'
_log = logging.getLogger(__name__)


class _Revocations(IceFlix.TokenRevocation):
    """Receives revocations on Ice's thread and passes them on."""

    # pylint: disable=invalid-name,unused-argument,too-few-public-methods
    # the Slice contract fixes the names

    def __init__(self, revoked: Callable[[str], None]) -> None:
        self._revoked = revoked

    def revoke(self, authentication: str, current: Ice.Current | None = None) -> None:
        """Hear that a token is not valid any more."""
        self._revoked(authentication)


@dataclass
class _Link:
    """What exists while there is a connection."""

    serial: int = 0
    services: Services | None = None
    topics: Subscriptions | None = None
    stream: Stream | None = None
    opening: "asyncio.Task[None] | None" = None


@dataclass
class _Pending:
    """Who waits for what. ``changed`` is set and replaced after every event."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    requests: dict[int, "asyncio.Future[None]"] = field(default_factory=dict)
    timers: dict[v.Timer, asyncio.TimerHandle] = field(default_factory=dict)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    closing: "asyncio.Task[None] | None" = None


class Engine:
    """Owns the machine. Everything but ``view`` and ``player`` is for the event loop only."""

    def __init__(
        self, machine: Machine, wire: Wire, manager: str, tell: Callable[[Said], None]
    ) -> None:
        self.machine = machine
        self.player: Player | None = None
        self._wire = wire
        self._manager = manager
        self._tell = tell
        self._link = _Link()
        self._pending = _Pending()

    @property
    def view(self) -> v.View:
        """The present state."""
        return self.machine.view

    @property
    def stream(self) -> Stream:
        """What plays. Raises ClientError when nothing does."""
        if self._link.stream is None or self.view.playing is None:
            raise ClientError(say("Nothing is playing."))
        return self._link.stream

    def statistics(self) -> Statistics | None:
        """Figures about what plays; from any thread."""
        stream, player = self._link.stream, self.player
        if self.view.playing is None or player is None:
            return None
        return stream.statistics() if stream is not None else player.statistics()

    def services(self) -> Services:
        """Return what a connection gives. Raises Refusal when there is none."""
        refusal = self.machine.missing()
        if refusal is not None or self._link.services is None:
            raise refusal or ClientError(say("The attempt was cancelled."))
        return self._link.services

    def feed(self, event: v.Event) -> None:
        """Let the machine handle an event, then carry out what it wants."""
        shown = self.view
        effects = self.machine.handle(event, asyncio.get_running_loop().time())
        if self.view != shown:
            self._tell(self.view)
        for effect in effects:
            self._carry_out(effect)
        self._pending.changed.set()
        self._pending.changed = asyncio.Event()

    async def request(self, make: Callable[[int], v.Event]) -> None:
        """Feed an event and wait for the answer to it. Raises ClientError."""
        number = next(self._pending.numbers)
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.requests[number] = outcome
        try:
            self.feed(make(number))
            await outcome
        finally:
            self._pending.requests.pop(number, None)

    async def token(self) -> str:
        """Return a token that is good now; waits for a renewal that is under way."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _TOKEN_SECONDS
        while True:
            token = self.machine.token(loop.time())
            if token is not None:
                return token
            refusal = self.machine.missing(session=True)
            if refusal is not None:
                raise refusal
            try:
                changed = self._pending.changed.wait()
                await asyncio.wait_for(changed, deadline - loop.time())
            except TimeoutError:
                reason = say("Your session cannot be renewed: no authenticator answers.")
                raise Unreachable(reason) from None

    async def settle(self, seconds: float) -> None:
        """Wait until what was begun in the background is done, at most so long."""
        tasks = self._pending.tasks - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    # ------------------------------------------------------------ effects

    def _carry_out(self, effect: v.Effect) -> None:
        match effect:
            case v.Notice():
                self._tell(effect)
            case v.Answer(request=request, error=error):
                self._answer(request, error)
            case v.StartTimer(timer=timer, seconds=seconds):
                self._start_timer(timer, seconds)
            case v.StopTimer(timer=timer):
                self._stop_timer(timer)
            case v.CloseStream():
                self._close_stream()
            case v.ForgetMain():
                self._forget_main()
            case v.OpenStream():
                self._link.opening = self._begin(self._open_stream(effect))
            case v.TakeOver(serial=serial, token=token):
                self._link.opening = self._begin(self._take_over(serial, token))
            case _:
                self._carry_out_remotely(effect)

    def _carry_out_remotely(self, effect: v.Effect) -> None:
        match effect:
            case v.CheckMain(serial=serial, main=main):
                self._link.serial = serial
                self._begin(self._check_main(serial, main))
            case v.ProbeMain(serial=serial):
                self._begin(self._probe_main(serial))
            case v.AskToken(serial=serial):
                self._begin(self._ask_token(effect))
            case v.Listen(on=on):
                self._listen(on)
            case v.RefreshStream(serial=serial, token=token):
                self._begin(self._refresh_stream(serial, token))

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._pending.tasks.add(task)
        task.add_done_callback(self._pending.tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            # A mistake of ours must not end the session without a word.
            _log.exception("unexpected")
            name = type(error).__name__
            self._tell(v.Notice(say("Something unexpected went wrong ({name}).", name=name), True))

    def _answer(self, request: int, error: ClientError | None) -> None:
        outcome = self._pending.requests.get(request)
        if outcome is None or outcome.done():
            return
        if error is None:
            outcome.set_result(None)
        else:
            outcome.set_exception(error)

    def _start_timer(self, timer: v.Timer, seconds: float) -> None:
        self._stop_timer(timer)

        def fire() -> None:
            self._pending.timers.pop(timer, None)
            self.feed(v.TimerFired(timer))

        self._pending.timers[timer] = asyncio.get_running_loop().call_later(seconds, fire)

    def _stop_timer(self, timer: v.Timer) -> None:
        handle = self._pending.timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    # ------------------------------------------------------------ connection

    async def _check_main(self, serial: int, text: str) -> None:
        try:
            services = Services(self._wire, await recognise_main(self._wire, text))
            await services.find_catalog()
            topics = await self._open_topics(services)
        except ClientError as error:
            self.feed(v.MainFailed(serial, error))
            return
        if serial != self._link.serial:
            await topics.close()
            return
        self._link.services, self._link.topics = services, topics
        self.feed(v.MainAnswered(serial))

    async def _open_topics(self, services: Services) -> Subscriptions:
        if self._pending.closing is not None:
            await asyncio.wait({self._pending.closing})  # it may hold the port that we want
        try:
            ours, theirs = await self._wire.addresses(services.main)
            manager = self._manager or _TOPIC_MANAGER.format(host=theirs)
            return Subscriptions(self._wire, manager, ours)
        except Ice.LocalException as error:
            name = type(error).__name__
            reason = say("This program cannot listen for the server's events ({name}).", name=name)
            raise ClientError(reason) from error

    async def _probe_main(self, serial: int) -> None:
        services = self._link.services
        if services is None:
            return
        try:
            await self._wire.call(services.main.ice_pingAsync)
        except Ice.Exception as error:
            gone = Ice.ConnectionRefusedException | Ice.ObjectNotExistException
            self.feed(v.MainSilent(serial, refused=isinstance(error, gone)))
        else:
            self.feed(v.MainHeard(serial))

    def _forget_main(self) -> None:
        topics = self._link.topics
        self._link = _Link()
        if topics is not None:
            self._pending.closing = self._begin(topics.close())

    # ------------------------------------------------------------ account

    async def _ask_token(self, effect: v.AskToken) -> None:
        try:
            token = await self.services().authenticator(
                lambda it: it.refreshAuthorizationAsync(effect.user, effect.password_hash)
            )
            if not token:
                raise ClientError(say("{who} gave no token.", who=AUTHENTICATOR))
        except Denied:
            wrong = Denied(say("Wrong user or password."))
            self.feed(v.TokenFailed(effect.serial, wrong))
        except ClientError as error:
            self.feed(v.TokenFailed(effect.serial, error))
        else:
            self.feed(v.TokenGranted(effect.serial, token))

    def _listen(self, on: bool) -> None:
        topics = self._link.topics
        if topics is None:
            return
        if not on:
            self._begin(topics.unsubscribe(AUTHENTICATION_STATUS))
            return
        loop = asyncio.get_running_loop()

        def revoked(token: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
                loop.call_soon_threadsafe(self.feed, v.Revoked(token))

        topics.subscribe(AUTHENTICATION_STATUS, _Revocations(revoked), create=True)

    # ------------------------------------------------------------ stream

    async def _open_stream(self, effect: v.OpenStream) -> None:
        player, serial = self.player, effect.serial
        if player is None:
            raise RuntimeError("a stream without a player")
        calls = Calls(
            asked=lambda: self.feed(v.StreamAsked(serial)),
            ended=lambda reason: self.feed(v.StreamEnded(serial, reason)),
            lost=lambda: self.feed(v.StreamLost(serial)),
        )
        around = Around(self._wire, self.services(), self._link.topics)
        stream = Stream(around, effect.title.id, player, calls)
        try:
            await stream.open(effect.token, effect.wish)
        except ClientError as error:
            self.feed(v.StreamFailed(serial, error))
            return
        self._link.stream, self._link.opening = stream, None
        self.feed(v.StreamOpened(serial, stream.seekable))

    async def _take_over(self, serial: int, token: str) -> None:
        stream = self._link.stream
        if stream is None:
            return
        try:
            await stream.take_over(token)
        except ClientError as error:
            self.feed(v.StreamFailed(serial, error))
            return
        self._link.opening = None
        self.feed(v.StreamOpened(serial, stream.seekable))

    async def _refresh_stream(self, serial: int, token: str) -> None:
        stream = self._link.stream
        if stream is None:
            return
        try:
            await stream.refresh(token)
        except ClientError as error:
            self.feed(v.RefreshFailed(serial, error))

    def _close_stream(self) -> None:
        opening, stream = self._link.opening, self._link.stream
        self._link.opening = self._link.stream = None
        if opening is not None and opening is not asyncio.current_task():
            opening.cancel()
        if stream is not None:
            self._begin(stream.close())
