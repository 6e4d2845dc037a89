"""The client without a face: what a person or a script can do, and what it tells them.

Every request returns a ``concurrent.futures.Future`` at once; a script waits for its result, a face
with an event loop awaits it through ``asyncio.wrap_future``. Futures fail with ClientError and
nothing else. Listeners get a ``View`` whenever something changes, a ``Notice`` when there is
something to say, and a ``Progress`` during long searches - on the session's thread, so they must
pass them on and return.
"""

import concurrent.futures
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from iceflix.client import vocabulary as v
from iceflix.client.engine import Engine, Said
from iceflix.client.lookup import Lookup, SearchResult
from iceflix.client.player import Player, Statistics
from iceflix.client.sentences import ClientError, Denied, Refusal, say
from iceflix.client.state import Machine
from iceflix.client.wire import Wire
from iceflix.client.worker import Worker
from iceflix.runtime.settings import Settings

T = TypeVar("T")
Future = concurrent.futures.Future
Change = Callable[[Lookup, v.Title, str], Awaitable[v.Title]]
_CLOSE_SECONDS = 8.0
_log = logging.getLogger(__name__)


def digest(password: str) -> str:
    """Return what the contract wants of a password: the hexadecimal SHA-256 of its UTF-8 (V59)."""
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Options:
    """How a session behaves. ``topic_manager``: a proxy; empty: on Main's host, port 10000."""

    policy: v.Policy
    timeout_seconds: float
    topic_manager: str
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> "Options":
        """Read the ``Client.*`` properties. Raises SetupError."""
        renew = settings.seconds("Client.RenewSeconds")
        policy = v.Policy(
            attempts=max(1, settings.integer("Client.Attempts")),
            pause_seconds=settings.seconds("Client.PauseSeconds"),
            renew_seconds=renew,
            life_seconds=max(30.0, renew),
            probe_seconds=settings.seconds("Client.ProbeSeconds"),
        )
        manager = settings.values.get("IceStorm.TopicManager.Proxy", "")
        return cls(policy, settings.seconds("Client.TimeoutSeconds"), manager, settings)


class Session:
    """See the module's description. Close it, or use it as a context manager."""

    # pylint: disable=too-many-public-methods  # each is something that a person can do

    def __init__(self, options: Options) -> None:
        self._options = options
        self._wire = Wire(options.settings, options.timeout_seconds)
        self._listeners: list[Callable[[Said], None]] = []
        self._engine = Engine(
            Machine(options.policy), self._wire, options.topic_manager, self._tell
        )
        self._worker = Worker("session")
        self._closed = False

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def view(self) -> v.View:
        """The present state; immutable, readable from any thread."""
        return self._engine.view

    def missing(self, *, session: bool = False, selection: bool = False) -> Refusal | None:
        """Tell what stands in the way of an operation: connection, session, selection (V67)."""
        return self._engine.machine.missing(session=session, selection=selection)

    def subscribe(self, listener: Callable[[Said], None]) -> Callable[[], None]:
        """Tell this listener from now on; the returned function ends that."""
        self._listeners.append(listener)

        def forget() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return forget

    def statistics(self) -> Statistics | None:
        """Tell what the player has received, or None when nothing plays. From any thread."""
        return self._engine.statistics()

    def set_retries(self, attempts: int, pause_seconds: float) -> "Future[None]":
        """Set how often to try while nothing is available, in all, and how far apart (V57)."""
        return self._submit(self._set_retries(attempts, pause_seconds))

    def connect(self, main: str) -> "Future[None]":
        """Use this Main (V56, V57)."""
        return self._submit(self._engine.request(lambda number: v.ConnectAsked(main, number)))

    def disconnect(self) -> "Future[None]":
        """Leave the Main; ends session and playback."""
        return self._submit(self._finish(v.DisconnectAsked()))

    def sign_in(self, user: str, password_hash: str) -> "Future[None]":
        """Begin a session with the ``digest`` of the password (V59)."""
        return self._submit(
            self._engine.request(lambda number: v.SignInAsked(user, password_hash, number))
        )

    def sign_out(self) -> "Future[None]":
        """End the session: no renewal, no playback (V61)."""
        return self._submit(self._finish(v.SignOutAsked()))

    def search_name(self, name: str, *, exact: bool = False) -> "Future[SearchResult]":
        """Find titles by name: equal to, or containing it (V63)."""
        return self._submit(self._search(lambda it: it.by_name(name, exact=exact)))

    def search_tags(self, tags: list[str], *, every: bool = False) -> "Future[SearchResult]":
        """Find titles that have any, or every one, of these tags (V63)."""
        return self._submit(self._search(lambda it: it.by_tags(tags, every=every)))

    def search_id(self, prefix: str) -> "Future[SearchResult]":
        """Find titles whose id begins like this."""
        return self._submit(self._search(lambda it: it.by_id(prefix)))

    def select(self, title: v.Title) -> "Future[None]":
        """Make this the active selection (V66)."""
        return self._submit(self._feed(v.Chosen(title)))

    def rename(self, name: str) -> "Future[v.Title]":
        """Give the selected title another name (V68)."""

        async def change(lookup: Lookup, title: v.Title, token: str) -> v.Title:
            if not name.strip():
                raise ClientError(say("A title needs a name; the old one was kept."))
            await lookup.rename(title.id, name, token)
            return replace(title, name=name)

        return self._submit(self._edit(change))

    def add_tags(self, tags: list[str]) -> "Future[v.Title]":
        """Add tags to the selected title (V68)."""

        async def change(lookup: Lookup, title: v.Title, token: str) -> v.Title:
            await lookup.add_tags(title.id, tags, token)
            return replace(title, tags=tuple(dict.fromkeys([*title.tags, *tags])))

        return self._submit(self._edit(change))

    def remove_tags(self, tags: list[str]) -> "Future[v.Title]":
        """Remove tags from the selected title (V68)."""

        async def change(lookup: Lookup, title: v.Title, token: str) -> v.Title:
            await lookup.remove_tags(title.id, tags, token)
            return replace(title, tags=tuple(tag for tag in title.tags if tag not in tags))

        return self._submit(self._edit(change))

    def play(self, player: Player, wish: v.Wish = v.WHOLE) -> "Future[None]":
        """Play the selected title with this player; done when the player has started (V69)."""
        return self._submit(self._play(player, wish))

    def pause(self, on: bool) -> "Future[None]":
        """Let the server wait, or go on. What a server that cannot sends meanwhile is kept."""
        return self._submit(self._pause(on))

    def seek(self, seconds: float, relative: bool = False) -> "Future[None]":
        """Go to this position, or so far from the present one; fails where the server cannot."""
        return self._submit(self._seek(seconds, relative))

    def stop(self) -> "Future[None]":
        """Stop playing; done when player and controller are stopped."""
        return self._submit(self._finish(v.StopAsked()))

    def close(self) -> None:
        """End playback, session and connection, and wait for that; then nothing works any more."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):  # whatever still goes wrong, the rest must be ended
            self._worker.submit(self._finish(v.DisconnectAsked())).result(_CLOSE_SECONDS)
        with contextlib.suppress(Exception):
            self._worker.stop()
        self._wire.close()

    # ------------------------------------------------------------ on the event loop

    def _submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        if self._closed:
            work.close()
            refused: Future[T] = Future()
            refused.set_exception(ClientError(say("The session is closed.")))
            return refused
        return self._worker.submit(self._plainly(work))

    @staticmethod
    async def _plainly(work: Coroutine[Any, Any, T]) -> T:
        """Let nothing but ClientError out."""
        try:
            return await work
        except ClientError:
            raise
        except Exception as error:
            _log.exception("unexpected")
            name = type(error).__name__
            reason = say("Something unexpected went wrong ({name}).", name=name)
            raise ClientError(reason) from error

    def _tell(self, said: Said) -> None:
        for listener in list(self._listeners):
            try:
                listener(said)
            except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught
                _log.exception("a listener failed")  # its mistake must not stop the session

    async def _set_retries(self, attempts: int, pause_seconds: float) -> None:
        machine = self._engine.machine
        machine.policy = replace(
            machine.policy, attempts=max(1, attempts), pause_seconds=max(0.0, pause_seconds)
        )

    async def _feed(self, event: v.Event) -> None:
        self._engine.feed(event)

    async def _finish(self, event: v.Event) -> None:
        """Feed an event and wait until what it ends has ended."""
        self._engine.feed(event)
        await self._engine.settle(2 * self._options.timeout_seconds)

    async def _play(self, player: Player, wish: v.Wish) -> None:
        refusal = self._engine.machine.missing(session=True, selection=True)
        if refusal is not None:
            raise refusal
        self._engine.feed(v.StopAsked())
        self._engine.player = player
        await self._engine.request(lambda number: v.PlayAsked(number, wish))

    async def _pause(self, on: bool) -> None:
        await self._engine.stream.pause(on)

    async def _seek(self, seconds: float, relative: bool) -> None:
        await self._engine.stream.seek(seconds, relative=relative)

    def _lookup(self) -> Lookup:
        return Lookup(self._engine.services(), self._tell)

    async def _search(self, find: Callable[[Lookup], Awaitable[SearchResult]]) -> SearchResult:
        result = await find(self._lookup())
        self._engine.feed(v.Found(result.titles))
        return result

    async def _edit(self, change: Change) -> v.Title:
        """Change the selected title; a token that is refused is renewed and tried once more."""
        refusal = self._engine.machine.missing(session=True, selection=True)
        title = self.view.selection
        if refusal is not None or title is None:
            raise refusal or ClientError(say("The attempt was cancelled."))
        token = await self._engine.token()
        try:
            changed = await change(self._lookup(), title, token)
        except Denied:
            self._engine.feed(v.TokenDoubted(token))
            changed = await change(self._lookup(), title, await self._engine.token())
        with contextlib.suppress(ClientError):  # without a provider the catalogue does not tell
            changed = await self._lookup().title(title.id)
        self._engine.feed(v.TitleChanged(changed))
        return changed
