"""The one boundary between the domain and the wire.

A servant's method says which domain errors its Slice operation declares; they become Slice
exceptions here and nowhere else. Whatever else goes wrong is logged with its traceback under an
incident number, and the caller learns the number only: left alone, Ice for Python would send the
traceback itself.
"""

import functools
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.errors import (
    ControlRefusal,
    Denial,
    InvalidRequest,
    NotAuthorized,
    NotAvailable,
    ServiceError,
    UnknownMedia,
)
from iceflix.runtime.log import get_logger
from iceflix.runtime.request import REQUEST, Request
from iceflix.runtime.scheduler import Scheduler

_log = get_logger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass
class _Refusals:
    """The delayed refusals of this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[Any, Callable[[], None]] = field(default_factory=dict)
    scheduler: Scheduler | None = None


_refusals = _Refusals()

_TRANSLATIONS: dict[type[ServiceError], Callable[[Any], BaseException]] = {
    NotAuthorized: lambda _error: IceFlix.Unauthorized(),
    UnknownMedia: lambda error: IceFlix.WrongMediaId(error.media_id),
    NotAvailable: lambda _error: IceFlix.TemporaryUnavailable(),
    ControlRefusal: lambda error: IceFlix.ControlRefused(str(error)),
    Denial: lambda error: IceFlix.Denied(error.reason, str(error)),
}


def _outward(error: Exception, declared: tuple[type[ServiceError], ...]) -> BaseException:
    """What the caller gets instead of this error."""
    if isinstance(error, declared):
        return _TRANSLATIONS[type(error)](error)
    if isinstance(error, Ice.RequestFailedException):
        return error  # ObjectNotExist of a servant that has just ended
    if isinstance(error, InvalidRequest):
        _log.warning("request refused", reason=str(error))
        return Ice.UnknownException(str(error))
    incident = secrets.token_hex(4)
    _log.error("internal error", incident=incident, exc_info=error)
    return Ice.UnknownException(f"internal error, incident {incident}")


def operation(*declared: type[ServiceError]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a servant's method; ``declared`` are the errors that its operation declares."""

    def decorate(method: Callable[_P, _R]) -> Callable[_P, _R]:
        name = method.__name__

        @functools.wraps(method)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            current = args[-1] if args else kwargs.get("current")  # Ice gives it last
            before = REQUEST.set(Request(name, current))
            try:
                return method(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
                raise _outward(error, declared) from None
            finally:
                REQUEST.reset(before)

        return guarded

    return decorate


def event(method: Callable[_P, None]) -> Callable[_P, None]:
    """Decorate a topic subscriber's method: whatever goes wrong is logged, never raised.

    With IceStorm's defaults one exception in a handler unsubscribes it for ever (V10).
    """

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  pylint: disable=broad-exception-caught
            _log.warning("event ignored", handler=method.__qualname__, error=repr(error)[:200])

    return guarded


def caller_address(current: Ice.Current | None) -> str:
    """The address that a call came from, IPv4-mapped IPv6 unwrapped.

    Raises InvalidRequest for a call without an IP connection.
    """
    return _address(current, "remoteAddress")


def called_address(current: Ice.Current | None) -> str:
    """The address of ours that a call came to; IPv4-mapped IPv6 and errors as above."""
    return _address(current, "localAddress")


def _address(current: Ice.Current | None, which: str) -> str:
    info = current.con.getInfo() if current is not None and current.con is not None else None
    while info is not None and not hasattr(info, which):
        info = info.underlying
    address = getattr(info, which, "")
    if not address:
        raise InvalidRequest("the call came over no IP connection, so it has no return address")
    return str(address).removeprefix("::ffff:")


def refuse_after(seconds: float, error: ServiceError) -> Any:
    """Answer an ``@operation`` with this error later; no thread waits for it."""
    future: Ice.Future[Any] = Ice.Future()
    refusal = _TRANSLATIONS[type(error)](error)

    def refuse() -> None:
        with _refusals.lock:
            waiting = _refusals.waiting.pop(future, None)
        if waiting is not None:
            future.set_exception(refusal)

    with _refusals.lock:
        _refusals.waiting[future] = refuse
        if _refusals.scheduler is None:
            _refusals.scheduler = Scheduler("refusals")
    _refusals.scheduler.after(seconds, refuse)
    return future


def refuse_now() -> None:
    """Give all the delayed refusals at once: the process is ending and must not wait for them."""
    with _refusals.lock:
        waiting = list(_refusals.waiting.values())
    for refuse in waiting:
        refuse()
