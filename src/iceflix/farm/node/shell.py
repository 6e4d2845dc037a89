"""The ring's state machine put to work: events in from Ice, effects out by asynchronous calls.

Effects are done in the order in which they came about, by whichever thread brought the event; no
call blocks. Who is called must answer within its deadline, or the machine hears that it did not.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.farm.discovery import FILTERADMIN, node_kind
from iceflix.farm.model import Completion, FilterCode, Task, job_of
from iceflix.farm.node.hands import Hands
from iceflix.farm.ring import effects as fx
from iceflix.farm.ring.machine import Member
from iceflix.farm.wire import many_from_slice, to_slice
from iceflix.runtime.calls import Known
from iceflix.runtime.host import Host
from iceflix.runtime.log import get_logger

Event = Callable[[Member, float], list[fx.Effect]]
Done = Callable[[Any, BaseException | None], None]
PASS_MILLIS = 800
EXCHANGE_MILLIS = 2000
_EARLIER = 0.0002  # a timer is set anew when it is due so much earlier than planned
_log = get_logger(__name__)

# The call did not reach a servant: a token sent like this is still ours.
_NOT_DELIVERED = (
    Ice.ConnectFailedException,
    Ice.ConnectTimeoutException,
    Ice.DNSException,
    Ice.ObjectNotExistException,
    Ice.NoEndpointException,
)


@dataclass
class _Wire:
    """The proxies by id."""

    peers: dict[str, IceFlix.RingPrx] = field(default_factory=dict)
    kicks: dict[str, IceFlix.RingPrx] = field(default_factory=dict)
    multiservers: dict[str, IceFlix.MultiserverPrx] = field(default_factory=dict)


@dataclass
class _Flow:
    """Effects that wait, and when the next tick is planned. Guarded by the shell's lock."""

    waiting: deque[fx.Effect] = field(default_factory=deque)
    draining: bool = False
    planned: float = float("inf")
    stopped: bool = False


class Shell:
    """Thread-safe."""

    def __init__(self, host: Host, member: Member, hands: Hands) -> None:
        self._host = host
        self._member = member
        self._hands = hands
        self._lock = threading.Lock()
        self._flow = _Flow()
        self._wire = _Wire()
        self._doubts = ThreadPoolExecutor(2, thread_name_prefix="doubts")

    @property
    def member(self) -> Member:
        """The machine, for looking at."""
        return self._member

    def event(self, happened: Event) -> None:
        """Something happened: let the machine decide, then do what it wants."""
        with self._lock:
            if self._flow.stopped:
                return
            self._flow.waiting.extend(happened(self._member, time.monotonic()))
            if self._flow.draining:
                return
            self._flow.draining = True
        self._drain()

    def tick(self) -> None:
        """The planned time has come."""
        with self._lock:
            self._flow.planned = float("inf")
        self.event(lambda member, now: member.tick(now) if member.due() <= now else [])

    def call_off(self, node: str, task: str) -> None:
        """Stop a task; if it is another node's, tell that one."""
        if node == self._member.me.id:
            self._hands.cancel(task)
        else:
            _call(self._wire.kicks.get(node), lambda proxy: proxy.callOffAsync(node, task), _ignore)

    def leave(self, seconds: float) -> None:
        """Take leave of the ring, then take part no more; takes so long at most."""
        self.event(lambda member, now: member.leave(now))
        deadline = time.monotonic() + seconds
        while not self._member.left and time.monotonic() < deadline:
            time.sleep(0.01)
        with self._lock:
            self._flow.stopped = True
        self._doubts.shutdown(wait=False, cancel_futures=True)
        self._hands.stop()

    # -- whom the directory found

    def peer_added(self, known: Known[IceFlix.RingPrx]) -> None:
        """A node of our ring."""
        proxy = known.proxy.ice_invocationTimeout(PASS_MILLIS)
        self._wire.peers[known.id] = proxy
        self._wire.kicks[known.id] = proxy.ice_oneway()
        self.event(lambda member, now: member.peer_added(known.id, now))

    def peer_removed(self, known: Known[IceFlix.RingPrx]) -> None:
        """It is dead or hung."""
        self.event(lambda member, now: member.peer_removed(known.id, now))

    def multiserver_added(self, known: Known[IceFlix.MultiserverPrx]) -> None:
        """A multiserver; in system A only the ring's own is of interest (F30)."""
        me = self._member.me
        if not me.system.serves(me.ring, known.proxy.ice_getIdentity().category):
            return
        self._wire.multiservers[known.id] = known.proxy.ice_invocationTimeout(EXCHANGE_MILLIS)

        def added(member: Member, now: float) -> list[fx.Effect]:
            member.desk.multiserver_added(known.id)
            return member.tick(now)

        self.event(added)

    def multiserver_removed(self, known: Known[IceFlix.MultiserverPrx]) -> None:
        """It is dead or hung."""

        def removed(member: Member, _now: float) -> list[fx.Effect]:
            member.desk.multiserver_removed(known.id)
            return []

        self.event(removed)

    # -- inside

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._flow.waiting:
                    self._flow.draining = False
                    due = self._member.due()
                    sooner = due < self._flow.planned - _EARLIER
                    if sooner:
                        self._flow.planned = due
                    break
                effect = self._flow.waiting.popleft()
            try:
                self._do(effect)
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("an effect failed", effect=type(effect).__name__)
        if sooner:
            self._host.scheduler.after(max(0.0, due - time.monotonic()), self.tick)

    def _do(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Pass():
                self._pass(effect)
            case fx.Kick(to):
                _call(self._wire.kicks.get(to), lambda proxy: proxy.kickAsync(), _ignore)
            case fx.Exchange():
                self._exchange(effect)
            case fx.Start(task):
                self._hands.start(task, self._finished)
            case fx.Store(code):
                self._hands.store(code)
            case fx.AskFilter(have):
                self._ask_filter(have)
            case fx.Note(text, about):
                _log.info(text, about=about)
            case fx.Doubt(peer):
                self._doubts.submit(self._doubt, peer)
            case fx.Candidacy():
                self._host.greet()  # the others may have given us up, or we may have been frozen
                self._announce(effect)
            case fx.Victory():
                self._announce(effect)

    def _pass(self, effect: fx.Pass) -> None:
        to, began = effect.to, time.monotonic()

        def done(_nothing: None, error: BaseException | None) -> None:
            if error is None:
                with self._lock:  # nothing comes of it, so nothing has to be looked for
                    self._member.pass_succeeded(to, time.monotonic() - began)
                return
            certain = isinstance(error, _NOT_DELIVERED)
            _log.warning("pass failed", to=to, error=type(error).__name__)
            self.event(lambda member, now: member.pass_failed(to, now, certain=certain))

        token = to_slice(effect.token)
        _call(self._wire.peers.get(to), lambda proxy: proxy.takeAsync(token), done)

    def _announce(self, effect: fx.Candidacy | fx.Victory) -> None:
        ring, to = self._member.me.ring, effect.to

        def done(_nothing: None, error: BaseException | None) -> None:
            if error is not None:
                self.event(lambda member, now: member.unreachable(to, now))

        def call(proxy: IceFlix.RingPrx) -> "Ice.Future[None]":
            if isinstance(effect, fx.Candidacy):
                return proxy.electionAsync(ring, effect.candidate, effect.epoch)
            return proxy.electedAsync(ring, effect.master, effect.epoch)

        _call(self._wire.peers.get(to), call, done)

    def _exchange(self, effect: fx.Exchange) -> None:
        multiserver = effect.multiserver

        def done(answer: list[IceFlix.Task], error: BaseException | None) -> None:
            tasks = many_from_slice(Task, answer) if error is None else None
            if error is not None:
                _log.warning("exchange failed", id=multiserver, error=type(error).__name__)
            self.event(lambda member, now: member.exchanged(multiserver, tasks, now))

        report = to_slice(effect.report)
        own = IceFlix.RingPrx.uncheckedCast(self._host.proxy)
        proxy = self._wire.multiservers.get(multiserver)
        _call(proxy, lambda to: to.exchangeAsync(report, own), done)

    def _ask_filter(self, have: str) -> None:
        ring = self._member.me.ring
        known = self._host.directory.all(FILTERADMIN)

        def done(answer: list[IceFlix.FilterCode], error: BaseException | None) -> None:
            codes = many_from_slice(FilterCode, answer) if error is None else None
            self.event(lambda member, now: member.filter_told(codes, now))

        proxy = known[0].proxy if known else None
        _call(proxy, lambda to: to.assignedAsync(ring, have), done)

    def _doubt(self, peer: str) -> None:
        """Ask it; the directory learns of it, too, if it does not answer."""
        known = self._host.directory.find(node_kind(self._member.me.ring), peer)
        if known is not None and self._host.directory.live(known):
            self.event(lambda member, now: member.peer_added(peer, now))
        else:
            self.event(lambda member, now: member.peer_removed(peer, now))

    def _finished(self, completion: Completion) -> None:
        task, how = completion.task, {"good": completion.good, "detail": completion.detail}
        _log.info("task done", correlation=job_of(task), task=task, **how)
        self.event(lambda member, now: member.finished(completion, now))


def _ignore(_nothing: None, _error: BaseException | None) -> None:
    """A kick that is lost costs time only."""


def _call(proxy: Any, start: Callable[[Any], "Ice.Future[Any]"], done: Done) -> None:
    """Call asynchronously; ``done`` gets the answer or the error, also if there is no proxy."""
    if proxy is None:
        done(None, Ice.NoEndpointException())
        return
    try:
        future = start(proxy)
    except Ice.LocalException as error:
        done(None, error)
        return

    def ended(answer: "Ice.Future[Any]") -> None:
        error = answer.exception()
        done(None if error is not None else answer.result(), error)

    future.add_done_callback(ended)
