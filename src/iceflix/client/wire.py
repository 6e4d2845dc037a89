"""The client's door to Ice: proxies from people, calls with a deadline, plain sentences for errors.

Everything here runs on the session's event loop; nothing blocks it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from iceflix.client.sentences import (
    ClientError,
    Denied,
    Gone,
    NotNow,
    Sentence,
    Unreachable,
    WrongObject,
    say,
)
from iceflix.client.text import safe
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.communicator import initialize
from iceflix.runtime.settings import Settings

T = TypeVar("T")
P = TypeVar("P", bound=Ice.ObjectPrx)
_EXAMPLE = "IceFlix/Main:tcp -h 127.0.0.1 -p 10010"
# Ice for Python makes asynchronous calls without releasing the interpreter's lock. With two threads
# for replies, one may finish a request that the other is still sending off on a new connection; the
# latter then waits for the lock while the next caller, holding it, waits for the connection.
_ONE_READER = {"Ice.ThreadPool.Client.Size": "1", "Ice.ThreadPool.Client.SizeMax": "1"}
_SLACK_SECONDS = 1.0  # by which asyncio waits longer than Ice, whose error says more


class Wire:
    """One communicator. ``timeout_seconds`` is the deadline of every single call."""

    def __init__(self, settings: Settings, timeout_seconds: float) -> None:
        values = {**settings.values, **_ONE_READER}
        self.communicator = initialize(Settings.of(settings.home, values))
        self.timeout_seconds = timeout_seconds

    def close(self) -> None:
        """End all connections and threads of Ice."""
        self.communicator.destroy()

    def proxy(self, text: str) -> Ice.ObjectPrx:
        """Parse a proxy that a person wrote. Raises WrongObject."""
        try:
            proxy = self.communicator.stringToProxy(text.strip())
        except Ice.LocalException:
            proxy = None
        if proxy is None:
            raise WrongObject(
                say("“{given}” is not a proxy. A proxy looks like {example}",
                    given=safe(text, 100), example=_EXAMPLE)
            )  # fmt: skip
        return self.bounded(proxy)

    def bounded(self, proxy: P) -> P:
        """Return the same proxy with our deadline."""
        return proxy.ice_invocationTimeout(int(self.timeout_seconds * 1000))

    async def call(self, invoke: Callable[[], "Ice.Future[T]"]) -> T:
        """Make an asynchronous Ice call and wait for it. Raises what Ice raises."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def forward(done: "Ice.Future[T]") -> None:
            if outcome.done():
                return
            error = done.exception()
            if error is None:
                outcome.set_result(done.result())
            else:
                outcome.set_exception(error)

        def wake(done: "Ice.Future[T]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(forward, done)

        invoke().add_done_callback(wake)
        try:
            return await asyncio.wait_for(outcome, self.timeout_seconds + _SLACK_SECONDS)
        except TimeoutError:
            raise Ice.TimeoutException from None

    async def addresses(self, proxy: Ice.ObjectPrx) -> tuple[str, str]:
        """Return our own address and the peer's on the connection that the proxy uses."""
        connection = await self.call(proxy.ice_getConnectionAsync)
        info = connection.getInfo() if connection is not None else None
        while info is not None and not isinstance(info, Ice.IPConnectionInfo):
            info = info.underlying
        if info is None:
            return "127.0.0.1", "127.0.0.1"
        return _unmapped(info.localAddress), _unmapped(info.remoteAddress)


def _unmapped(address: str) -> str:
    """``::ffff:127.0.0.1`` is IPv4."""
    return address.removeprefix("::ffff:") if "." in address else address


def is_dead(error: BaseException) -> bool:
    """Whether another instance of the service might do better than the one that failed."""
    if isinstance(error, Ice.UnknownException):
        return False  # it is alive and has a problem of its own
    return isinstance(error, Ice.LocalException)


def explain(error: BaseException, who: Sentence) -> ClientError:
    """Say what went wrong with ``who`` (a service, with its article) in plain words."""
    for kind, describe in _DECLARED:
        if isinstance(error, kind):
            return describe(who)
    if isinstance(error, Ice.ConnectionRefusedException):
        return Unreachable(say("{who} is not running: nobody listens at its address.", who=who))
    if isinstance(error, Ice.DNSException):
        host = safe(str(error.host), 100)
        return Unreachable(say("There is no computer called “{host}”.", host=host))
    if isinstance(error, Ice.UnknownException):
        reason = safe(str(error.unknown).strip().splitlines()[0] if error.unknown else "", 200)
        return ClientError(say("{who} has a problem of its own: {reason}.", who=who, reason=reason))
    if isinstance(error, ClientError):
        return error
    name = type(error).__name__.removesuffix("Exception")
    return Unreachable(say("{who} cannot be reached ({name}).", who=who, name=name))


_DECLARED: tuple[tuple[type[BaseException], Callable[[Sentence], ClientError]], ...] = (
    (
        IceFlix.TemporaryUnavailable,
        lambda who: NotNow(say("{who} is not available at the moment.", who=who)),
    ),
    (
        IceFlix.Unauthorized,
        lambda who: Denied(say("{who} does not accept your session. Sign in again.", who=who)),
    ),
    (
        IceFlix.WrongMediaId,
        lambda who: Gone(say("{who} does not know this title any more.", who=who)),
    ),
    (
        Ice.ObjectNotExistException,
        lambda who: Gone(say("{who} does not exist any more.", who=who)),
    ),
    (
        Ice.NoEndpointException,
        lambda who: WrongObject(
            say("The proxy does not say where {who} is: it lacks an address such as “tcp -h HOST "
                "-p PORT”.", who=who)
        ),
    ),
    (
        Ice.TimeoutException,
        lambda who: Unreachable(say("{who} does not answer.", who=who)),
    ),
    (
        Ice.ProtocolException,
        lambda who: WrongObject(say("Whoever listens there is not {who}.", who=who)),
    ),
)  # fmt: skip
