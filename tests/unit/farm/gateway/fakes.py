"""What the gateway's peers look like from inside: proxies, a directory, planned calls."""

from collections.abc import Callable
from typing import Any

from iceflix.contract import Ice
from iceflix.runtime.calls import Known
from iceflix.runtime.membership import Rumour
from iceflix.runtime.scheduler import Handle


class FakeProxy:
    """A peer that answers so; None: at some time, by ``answer``."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[object, ...]] = []
        self.pending: list[Ice.Future[Any]] = []

    def ice_invocationTimeout(self, _millis: int) -> "FakeProxy":
        """The same."""
        return self

    def processAsync(self, *arguments: object) -> "Ice.Future[Any]":
        """The next answer."""
        self.calls.append(arguments)
        future: Ice.Future[Any] = Ice.Future()
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            self.pending.append(future)
        elif isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future

    def refreshAuthorizationAsync(self, *arguments: object) -> "Ice.Future[Any]":
        """The next answer."""
        return self.processAsync(*arguments)


class FakeDirectory:
    """Knows these, one list for each look; the last one stays. ``drop`` is a failed probe."""

    def __init__(self, *known: list[FakeProxy]) -> None:
        self._lists = [[_known(proxy) for proxy in each] for each in known]
        self._seen: list[Known[Any]] = []
        self._removed: list[Callable[[Known[Any]], None]] = []

    def all(self, _kind: object) -> list[Known[Any]]:
        """The next list."""
        self._seen = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        return list(self._seen)

    def find(self, _kind: object, service_id: str) -> Known[Any] | None:
        """One of those."""
        return next((known for known in self._seen if known.id == service_id), None)

    def on_removed(self, _kind: object, callback: Callable[[Known[Any]], None]) -> None:
        """Keep it."""
        self._removed.append(callback)

    def drop(self, proxy: FakeProxy) -> None:
        """It does not answer."""
        known = _known(proxy)
        for each in (*self._lists, self._seen):
            each[:] = [other for other in each if other.rumour != known.rumour]
        for callback in self._removed:
            callback(known)


def _known(proxy: FakeProxy) -> Known[Any]:
    name = str(id(proxy))
    return Known(name, proxy, Rumour("peer", name, ""))


class FakeWorld:
    """Calls back when the test says so."""

    def __init__(self) -> None:
        self.planned: list[Callable[[], object]] = []

    def after(self, _seconds: float, callback: Callable[[], object]) -> Handle:
        """Keep it."""
        self.planned.append(callback)
        return Handle(callback, None)

    def run(self) -> int:
        """Call back all that is planned now; returns how many."""
        planned, self.planned = self.planned, []
        for callback in planned:
            callback()
        return len(planned)

    def run_all(self) -> None:
        """Call back until nothing is planned any more."""
        while self.run():
            pass
