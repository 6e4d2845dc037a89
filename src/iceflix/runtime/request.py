"""The request that this thread is answering, and its correlation id.

The id comes with the call, in its Ice context, or is made when somebody first wants it: most
requests neither log nor call on.
"""

import secrets
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

CORRELATION = "correlation"
_LONGEST = 32


@dataclass(slots=True)
class Request:
    """One operation that is being answered; ``current`` is what Ice gave its servant."""

    operation: str
    current: Any
    _correlation: str = ""

    @property
    def correlation(self) -> str:
        """The caller's id if it is usable (letters and digits, at most 32), else one of our own."""
        if not self._correlation:
            context = getattr(self.current, "ctx", None) or {}
            given = context.get(CORRELATION, "")
            usable = 0 < len(given) <= _LONGEST and given.isalnum()
            self._correlation = given if usable else secrets.token_hex(4)
        return self._correlation


REQUEST: ContextVar[Request | None] = ContextVar("request", default=None)


def onward(proxy: Any) -> Any:
    """The proxy for calls on behalf of the present request, if there is one."""
    request = REQUEST.get()
    return proxy if request is None else proxy.ice_context({CORRELATION: request.correlation})


def add_request(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Any:
    """Log processor: say which request a line belongs to, unless it says so itself."""
    request = REQUEST.get()
    if request is not None:
        event.setdefault("correlation", request.correlation)
        event["operation"] = request.operation
    return event
