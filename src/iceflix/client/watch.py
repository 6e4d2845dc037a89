"""Notices that the server of a stream has died or hangs, or has ended the stream.

Three signs count: the connection to the controller is closed, packets fail to come, a call is not
answered. A server counts as dead when nobody listens there any more and no packet comes, or when
it sends no packets and does not answer either; one sign alone proves nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from iceflix.client.wire import Wire
from iceflix.contract import Ice

_TICK_SECONDS = 0.1
_CHECK_SECONDS = 2.0  # between calls while all is well
_DOUBT_SECONDS = 0.2  # without a packet: it looks bad
_SILENCE_SECONDS = 0.35  # without a packet: call at once
_AGAIN_SECONDS = 1.0  # between calls while it answers and is silent
_ANSWER_SECONDS = 0.4  # to a call when no packets come
_SUSPICION_SECONDS = 0.12  # without an answer
_LULL_SECONDS = 0.1  # without a packet: none come any more
_FAREWELL_SECONDS = 0.5  # from the end of a controller to that of a server that is stopping


class Verdict(Enum):
    """What became of the server of a stream."""

    ENDED = "it lives, but not this stream"
    DEAD = "it is dead or hangs"


@dataclass(frozen=True)
class Signs:
    """Where to look: ``silence()`` is in seconds, ``expected()`` whether packets should come.

    ``suspected`` is called when it looks bad, before the verdict, and again while it does.
    """

    silence: Callable[[], float]
    expected: Callable[[], bool]
    suspected: Callable[[], None]


class Watch:
    """Watches one controller. Runs on the session's event loop."""

    # pylint: disable=too-few-public-methods  # it has one question to answer

    def __init__(
        self, wire: Wire, controller: Ice.ObjectPrx, provider: Ice.ObjectPrx, signs: Signs
    ) -> None:
        self._wire = wire
        self._controller = controller
        self._provider = provider
        self._signs = signs
        self._closed = asyncio.Event()

    async def verdict(self) -> Verdict:
        """Return when there is no server for the stream any more."""
        loop = asyncio.get_running_loop()
        self._listen(loop)
        due, was_quiet = loop.time() + _CHECK_SECONDS, False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _TICK_SECONDS)
            if self._quiet(_DOUBT_SECONDS):
                self._signs.suspected()
            quiet = self._quiet(_SILENCE_SECONDS)
            if not self._closed.is_set() and loop.time() < due and (not quiet or was_quiet):
                was_quiet = quiet
                continue
            was_quiet = quiet
            found = await self._check(urgent=quiet or self._closed.is_set())
            if found is not None:
                return found
            due = loop.time() + (_AGAIN_SECONDS if quiet else _CHECK_SECONDS)
            self._listen(loop)

    def _quiet(self, seconds: float) -> bool:
        """Whether packets should have come, and have not for so long."""
        return self._signs.expected() and self._signs.silence() >= seconds

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of the connection's end at once."""
        self._closed.clear()
        connection = self._controller.ice_getCachedConnection()

        def closed(_ended: Ice.Connection) -> None:  # on Ice's thread
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
                loop.call_soon_threadsafe(self._closed.set)

        if connection is not None:
            with contextlib.suppress(Ice.LocalException):  # closed: the next call will tell
                connection.setCloseCallback(closed)

    async def _check(self, *, urgent: bool) -> Verdict | None:
        """Ask the controller whether it is there."""
        seconds = _ANSWER_SECONDS if urgent else self._wire.timeout_seconds
        try:
            await self._ping(self._controller, seconds)
        except Ice.ObjectNotExistException:
            return await self._after_the_end()
        except (Ice.TimeoutException, Ice.InvocationTimeoutException):
            return Verdict.DEAD if self._quiet(_SILENCE_SECONDS) else None
        except Ice.LocalException:
            self._signs.suspected()
            await asyncio.sleep(_LULL_SECONDS)
            if self._signs.expected() and not self._quiet(_LULL_SECONDS):
                return None  # somebody sends; the stream is well without its controller
            return Verdict.DEAD
        return None

    async def _after_the_end(self) -> Verdict:
        """A server that is being stopped ends its controllers first."""
        await asyncio.sleep(_FAREWELL_SECONDS)
        try:
            await self._ping(self._provider, _ANSWER_SECONDS)
        except Ice.LocalException:
            return Verdict.DEAD
        return Verdict.ENDED

    async def _ping(self, proxy: Ice.ObjectPrx, seconds: float) -> None:
        bounded = proxy.ice_invocationTimeout(int(seconds * 1000))
        asking = asyncio.ensure_future(self._wire.call(bounded.ice_pingAsync))
        try:
            done, _ = await asyncio.wait({asking}, timeout=_SUSPICION_SECONDS)
            if not done and self._quiet(_LULL_SECONDS):
                self._signs.suspected()
            await asking
        finally:
            asking.cancel()
