"""The live services as this process knows them: membership and failover put to work with Ice."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from iceflix.contract import Ice
from iceflix.runtime.calls import Known, Outcome, Question, Reports, run
from iceflix.runtime.channels import Kind, PrxT
from iceflix.runtime.log import get_logger
from iceflix.runtime.membership import (
    Added,
    Effect,
    Limits,
    Member,
    Membership,
    Probe,
    Rumour,
    Verify,
)

T = TypeVar("T")
_log = get_logger(__name__)

# The service answered, whatever it said: no reason to think it dead.
_ANSWERS = (
    Ice.UnknownException,
    Ice.OperationNotExistException,
    Ice.FacetNotExistException,
)


@dataclass(frozen=True)
class Timing:
    """Deadline of a call to one candidate, silence before a rival is asked, probe interval."""

    call: float = 1.0
    hedge: float = 0.3
    probe: float = 2.0


@dataclass
class _Wire:
    """What Ice knows of the members. Guarded by the directory's lock."""

    communicator: Ice.Communicator
    kinds: dict[str, Kind[Any]] = field(default_factory=dict)
    proxies: dict[Rumour, Any] = field(default_factory=dict)
    connections: dict[Rumour, str] = field(default_factory=dict)
    attended: set[str] = field(default_factory=set)

    def known(self, rumour: Rumour) -> Known[Any]:
        """The member with its proxy."""
        return Known(rumour.id, self.proxies[rumour], rumour)

    def forget(self, rumour: Rumour) -> None:
        """Drop what belongs to a member that has gone."""
        self.proxies.pop(rumour, None)
        self.connections.pop(rumour, None)


def _callbacks_by_kind() -> defaultdict[str, list[Callable[[Known[Any]], None]]]:
    return defaultdict(list)


@dataclass
class _Hooks:
    """Who wants to hear of changes; called on worker threads."""

    added: defaultdict[str, list[Callable[[Known[Any]], None]]] = field(
        default_factory=_callbacks_by_kind
    )
    removed: defaultdict[str, list[Callable[[Known[Any]], None]]] = field(
        default_factory=_callbacks_by_kind
    )
    newcomer: list[Callable[[], object]] = field(default_factory=list)
    workers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="directory")
    )

    def later(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Call on a worker; what it raises is logged."""

        def run_it() -> None:
            try:
                callback(*arguments)
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("a membership callback failed")

        try:
            self.workers.submit(run_it)
        except RuntimeError:
            _log.debug("stopped; callback left out")


class Directory:
    """Thread-safe. Nothing is believed of an announcement until the service has answered."""

    def __init__(self, communicator: Ice.Communicator, own_id: str, timing: Timing) -> None:
        self._timing = timing
        self._lock = threading.Lock()
        self._membership = Membership(Limits(probe_after=timing.probe), own_id)
        self._wire = _Wire(communicator)
        self._hooks = _Hooks()
        self._turns: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        self._reports = Reports(self._answered, self._failed)

    # -- events

    def heard(self, kind: Kind[Any], proxy: Ice.ObjectPrx | None, service_id: str) -> None:
        """An announcement came in. It may be anything."""
        if proxy is None:
            return
        rumour = Rumour(kind.name, service_id, proxy.ice_twoway().ice_toString())
        with self._lock:
            self._learn(kind)
            effects = self._membership.announced(rumour, time.monotonic())
        self._apply(effects)

    def tick(self) -> float:
        """Probe those that have been quiet; returns the seconds until there is more to do.

        At most the shortest interval, which a member that is found meanwhile may have. Those that
        are nearly due are probed as well: waking up costs more than a probe.
        """
        now = time.monotonic()
        with self._lock:
            effects = self._membership.tick(now + self._timing.probe / 8)
            due = self._membership.due() - now
            kinds = [self._membership.patience(kind) for kind in self._wire.kinds]
        self._apply(effects)
        return min(max(0.0, due), min(kinds, default=self._timing.probe))

    def expect(self, kinds: Iterable[Kind[Any]]) -> None:
        """Services of these kinds may be heard of."""
        with self._lock:
            for kind in kinds:
                self._learn(kind)

    def attend(self, kind: Kind[Any]) -> None:
        """Probe this kind at the usual interval: here, nobody else would notice who hangs."""
        with self._lock:
            self._wire.attended.add(kind.name)
            self._membership.trusted.pop(kind.name, None)

    def stop(self) -> None:
        """No more callbacks."""
        self._hooks.workers.shutdown(wait=False, cancel_futures=True)

    # -- questions

    def members(self) -> list[Member]:
        """All members with the times of their last announcement and answer."""
        with self._lock:
            return self._membership.members()

    def all(self, kind: Kind[PrxT]) -> list[Known[PrxT]]:
        """The live services of this kind, in the order in which they were found."""
        with self._lock:
            members = self._membership.members(kind.name)
            return [self._wire.known(member.rumour) for member in members]

    def find(self, kind: Kind[PrxT], service_id: str) -> Known[PrxT] | None:
        """The live service with this id."""
        with self._lock:
            member = self._membership.member(kind.name, service_id)
            return None if member is None else self._wire.known(member.rumour)

    def live(self, known: Known[Any]) -> bool:
        """Whether it answers now (V27). Takes a call's deadline."""
        try:
            known.proxy.ice_ping()
        except Ice.LocalException as error:
            return self._failed(known, error)
        self._answered(known)
        return True

    def choose(self, kind: Kind[PrxT]) -> PrxT:
        """A service of this kind that answers now, another one each time. Raises NotAvailable."""
        return self._ask(self._rotated(kind), Question(lambda proxy: proxy.ice_pingAsync())).proxy

    def ask(
        self,
        kind: Kind[PrxT],
        call: Callable[[PrxT], "Ice.Future[T]"],
        accept: Callable[[T], bool] = lambda _answer: True,
    ) -> T:
        """Call every live service of this kind until one gives an accepted answer (V09).

        The call must be repeatable. A Slice user exception counts as the answer and is raised.
        If none was accepted, the last answer is returned. Raises NotAvailable if nobody answered.
        """
        return self._ask(self._rotated(kind), Question(call, accept)).answer

    def on_added(self, kind: Kind[PrxT], callback: Callable[[Known[PrxT]], None]) -> None:
        """Call back for every service of this kind, those already known included."""
        with self._lock:
            self._hooks.added[kind.name].append(callback)
        for known in self.all(kind):
            self._hooks.later(callback, known)

    def on_removed(self, kind: Kind[PrxT], callback: Callable[[Known[PrxT]], None]) -> None:
        """Call back for every service of this kind that is dropped."""
        with self._lock:
            self._hooks.removed[kind.name].append(callback)

    def on_newcomer(self, callback: Callable[[], object]) -> None:
        """Call back whenever a service is found that was not known before."""
        self._hooks.newcomer.append(callback)

    # -- inside

    def _learn(self, kind: Kind[Any]) -> None:
        self._wire.kinds[kind.name] = kind
        if kind.silence > self._timing.probe and kind.name not in self._wire.attended:
            self._membership.trusted[kind.name] = kind.silence

    def _rotated(self, kind: Kind[PrxT]) -> list[Known[PrxT]]:
        candidates = self.all(kind)
        start = next(self._turns[kind.name]) % max(1, len(candidates))
        return candidates[start:] + candidates[:start]

    def _ask(self, candidates: list[Known[PrxT]], question: Question[PrxT, T]) -> Outcome[PrxT, T]:
        return run(candidates, question, self._timing.hedge, self._reports)

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Verify):
                self._verify(effect.rumour)
            elif isinstance(effect, Probe):
                self._probe(effect.rumour)
            elif isinstance(effect, Added):
                self._tell_added(effect.rumour)

    def _verify(self, rumour: Rumour) -> None:
        kind = self._wire.kinds[rumour.kind]
        try:
            base = self._wire.communicator.stringToProxy(rumour.address)
            proxy = kind.proxy.uncheckedCast(base)
            proxy = proxy.ice_invocationTimeout(int(self._timing.call * 1000))
            future = proxy.ice_isAAsync(kind.type_id)
        except Ice.LocalException:
            # Not here and now: a thousand unusable rumours must not nest a thousand calls deep.
            self._hooks.later(self._verified, rumour, None)
            return

        def done(ended: "Ice.Future[bool]") -> None:
            good = ended.exception() is None and ended.result()
            self._verified(rumour, proxy if good else None)

        future.add_done_callback(done)

    def _verified(self, rumour: Rumour, proxy: Any) -> None:
        good = proxy is not None
        with self._lock:
            effects = self._membership.verified(rumour, good=good, now=time.monotonic())
            if Added(rumour) in effects:
                self._wire.proxies[rumour] = proxy
        self._apply(effects)

    def _probe(self, rumour: Rumour) -> None:
        with self._lock:
            if rumour not in self._wire.proxies:
                return
            known = self._wire.known(rumour)

        def done(ended: "Ice.Future[None]") -> None:
            error = ended.exception()
            if error is None:
                self._answered(known)
            else:
                self._failed(known, error)

        try:
            known.proxy.ice_pingAsync().add_done_callback(done)
        except Ice.LocalException as error:
            self._failed(known, error)

    def _answered(self, known: Known[Any]) -> None:
        with self._lock:
            self._membership.answered(known.rumour, time.monotonic())
        self._watch(known)

    def _failed(self, known: Known[Any], error: BaseException) -> bool:
        """Take note of a failed call; returns whether the service is alive all the same."""
        if isinstance(error, _ANSWERS):
            self._answered(known)
            return True
        if isinstance(error, Ice.CommunicatorDestroyedException):
            return False
        rumour = known.rumour
        reason = type(error).__name__.removesuffix("Exception")
        with self._lock:
            if not self._membership.failed(rumour, reason):
                return False
            self._wire.forget(rumour)
            callbacks = list(self._hooks.removed[rumour.kind])
        _log.warning("service dropped", kind=rumour.kind, id=rumour.id, reason=reason)
        for callback in callbacks:
            self._hooks.later(callback, known)
        return False

    def _watch(self, known: Known[Any]) -> None:
        """Learn of a killed process from its closed connection, at once."""
        connection = known.proxy.ice_getCachedConnection()
        if connection is None:
            return
        name = connection.toString()
        with self._lock:
            if self._wire.connections.get(known.rumour) == name:
                return
            self._wire.connections[known.rumour] = name

        def closed(ended: Ice.Connection) -> None:  # Ice wants a function, not a bound method
            self._closed(ended)

        try:
            connection.setCloseCallback(closed)
        except Ice.LocalException:
            self._closed(connection)

    def _closed(self, connection: Ice.Connection) -> None:
        name = connection.toString()
        effects: list[Effect] = []
        with self._lock:
            connections = self._wire.connections
            for rumour in [rumour for rumour, used in connections.items() if used == name]:
                del connections[rumour]
                effects += self._membership.doubted(rumour)
        self._apply(effects)

    def _tell_added(self, rumour: Rumour) -> None:
        with self._lock:
            if rumour not in self._wire.proxies:
                return  # it has failed already
            known = self._wire.known(rumour)
            stale = [old for old in self._wire.proxies if _replaced(old, rumour)]
            for old in stale:
                self._wire.forget(old)
            callbacks = list(self._hooks.added[rumour.kind])
        _log.info("service found", kind=rumour.kind, id=rumour.id, proxy=rumour.address)
        self._watch(known)
        for greet in self._hooks.newcomer if not stale else ():
            self._hooks.later(greet)
        for callback in callbacks:
            self._hooks.later(callback, known)


def _replaced(old: Rumour, new: Rumour) -> bool:
    return (old.kind, old.id) == (new.kind, new.id) and old != new
