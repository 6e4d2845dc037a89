"""The master's desk: what goes between the token and the multiservers.

Nothing is taken out of the token before a multiserver has it, and a task that no node names as
running is not named to the multiserver either: its lease there runs out and it is given again.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from iceflix.farm.model import Completion, FilterCode, NodeLoad, RingReport, Task, Token
from iceflix.farm.ring.bench import remember
from iceflix.farm.ring.effects import AskFilter, Effect, Exchange
from iceflix.farm.ring.settings import Me

_TASK_WEIGHT = 0.2
_TURNS_A_TASK = 4
_UNKNOWN_SECONDS = 5.0  # how long a completion waits for a multiserver that nobody knows


@dataclass
class _Line:
    """Dealings with one multiserver. ``failed``: nodes that it has not been told of."""

    failed: set[str] = field(default_factory=set)
    sent: RingReport | None = None
    wanted: bool = True
    due: float = -math.inf


@dataclass
class _Inquiry:
    """Dealings with the filter administrator (F40)."""

    code: FilterCode | None = None
    asked: bool = False
    due: float = -math.inf


@dataclass
class _Ring:
    """What the last turn told of the ring."""

    epoch: int = 0
    loads: tuple[NodeLoad, ...] = ()
    running: set[str] = field(default_factory=set)
    given: dict[str, Task] = field(default_factory=dict)  # in the token since the last visit
    turned: bool = False  # the token has been round under this master
    task_seconds: float = 0.0  # smoothed, with what a task waited at its node


class Desk:
    """Used by the member that is master; the others keep it up to date in vain."""

    def __init__(self, me: Me) -> None:
        self._me = me
        self._lines: dict[str, _Line] = {}
        self._inquiry = _Inquiry()
        self._ring = _Ring()
        self._waiting: list[Task] = []
        self._pending: dict[str, tuple[Completion, float]] = {}
        self._delivered: OrderedDict[str, None] = OrderedDict()

    # -- who there is

    def multiserver_added(self, multiserver: str) -> None:
        """A multiserver that this ring serves is there (again)."""
        self._lines.setdefault(multiserver, _Line())

    def multiserver_removed(self, multiserver: str) -> None:
        """It is gone; so is whoever waited for its tasks."""
        self._lines.pop(multiserver, None)
        self._waiting = [task for task in self._waiting if task.multiserver != multiserver]

    def nodes_failed(self, nodes: Iterable[str]) -> None:
        """These will not finish what they had."""
        for node in nodes:
            for line in self._lines.values():
                line.failed.add(node)
                line.wanted = True

    def resign(self) -> None:
        """Somebody else is master, or we have just become it: know nothing of the ring."""
        self.forget_ring()
        self._waiting.clear()

    def forget_ring(self) -> None:
        """The token was lost, and with it what is known of the ring, until it has been round."""
        self._ring = _Ring()

    # -- the token

    def arrived(self, token: Token, now: float) -> Token:
        """The token has been round: learn what it says."""
        self._ring = _Ring(token.epoch, turned=True, task_seconds=self._ring.task_seconds)
        return self.learn(replace(token, dead=()), now)

    def learn(self, token: Token, now: float) -> Token:
        """Take the news out of the token that lies here."""
        ring = self._ring
        ring.epoch = token.epoch
        ring.loads = tuple(load for load in token.loads if load.node in token.members)
        for completion in token.completions:
            if completion.task not in self._delivered and completion.task not in self._pending:
                self._pending[completion.task] = (completion, now)
                longer = completion.seconds - ring.task_seconds
                ring.task_seconds += _TASK_WEIGHT * longer if ring.task_seconds else longer
                if completion.multiserver in self._lines:
                    self._lines[completion.multiserver].wanted = True
        self._drop_undeliverable(now)
        inside = {task.task for task in token.assignments}
        ring.given = {name: task for name, task in ring.given.items() if name in inside}
        ring.running |= set(token.running)
        ring.running -= self._pending.keys() | self._delivered.keys()
        kept = tuple(c for c in token.completions if c.task in self._pending)
        return replace(token, completions=kept, loads=ring.loads)

    def compose(self, token: Token) -> Token:
        """Put into the token what is to go round."""
        here, lost = [], set()
        for task in (*token.assignments, *self._waiting):
            if task.node in token.members:
                here.append(task)
            else:
                lost.add(task.node)
        self.nodes_failed(lost)  # it was given to a node that has died meanwhile
        self._ring.given.update((task.task, task) for task in here)
        self._waiting.clear()
        code = self._inquiry.code
        return replace(
            token, assignments=tuple(here), filter=token.filter if code is None else (code,)
        )

    @property
    def busy(self) -> bool:
        """Whether anything is being done or told."""
        return bool(self._ring.running or self._ring.given or self._pending or self._waiting)

    def gap(self) -> float:
        """The least time between turns: tasks that end are told of together while others wait."""
        timing, ring = self._me.timing, self._ring
        ahead = len(ring.running | ring.given.keys()) - sum(load.slots for load in ring.loads)
        if ahead < len(ring.loads):
            return timing.gap
        return min(timing.gap_ahead, max(timing.gap, ring.task_seconds / _TURNS_A_TASK))

    # -- the multiservers

    def kicked(self) -> None:
        """There is news: ask all multiservers."""
        for line in self._lines.values():
            line.wanted = True

    def exchanges(self, token: Token | None, now: float) -> list[Effect]:
        """The reports that are due; none before the token has been round once."""
        if not self._ring.turned:
            return []
        effects: list[Effect] = []
        lines = self._lines if self._ready else {}
        for multiserver, line in lines.items():
            if line.sent is None and (line.wanted or now >= line.due):
                line.sent = self._report(multiserver, line, token)
                line.wanted = False
                effects.append(Exchange(multiserver, line.sent))
        if self._me.system.one_filter and not self._inquiry.asked and now >= self._inquiry.due:
            self._inquiry.asked = True
            have = self._inquiry.code.sha256 if self._inquiry.code else ""
            effects.append(AskFilter(have))
        return effects

    def exchanged(self, multiserver: str, tasks: Iterable[Task], now: float) -> None:
        """A multiserver has taken note and given work."""
        line = self._lines.get(multiserver)
        if line is None or line.sent is None:
            return
        for completion in line.sent.completed:
            self._pending.pop(completion.task, None)
            remember(self._delivered, completion.task)
        line.failed -= set(line.sent.failed_nodes)
        line.sent = None
        timing = self._me.timing
        self._waiting += tasks
        line.due = now + (timing.renew if self.busy else timing.heartbeat)

    def exchange_failed(self, multiserver: str, now: float) -> None:
        """A multiserver did not answer: what it was told is told again later."""
        line = self._lines.get(multiserver)
        if line is not None:
            line.sent = None
            line.due = now + self._me.timing.retry
            line.wanted = False

    def filter_told(self, codes: Iterable[FilterCode] | None, now: float) -> bool:
        """The filter administrator answered (None: it did not); True if the filter changed."""
        self._inquiry.asked = False
        self._inquiry.due = now + self._me.timing.filter_poll
        for code in codes or ():
            self._inquiry.code = code
            return True
        return False

    def inherit(self, code: FilterCode | None) -> None:
        """A new master goes on with the filter that the ring runs."""
        self._inquiry.code = self._inquiry.code or code

    def due(self) -> float:
        """When ``exchanges`` may have something to say."""
        times = [line.due for line in self._lines.values() if line.sent is None and self._ready]
        if self._me.system.one_filter and not self._inquiry.asked:
            times.append(self._inquiry.due)
        return min(times, default=math.inf) if self._ring.turned else math.inf

    # -- inside

    @property
    def _ready(self) -> bool:
        """System B: without a filter there is nothing to ask a multiserver for."""
        return not self._me.system.one_filter or self._inquiry.code is not None

    def _report(self, multiserver: str, line: _Line, token: Token | None) -> RingReport:
        ring = self._ring
        code = self._inquiry.code if self._me.system.one_filter else None
        given = ring.given.keys() | {task.task for task in self._waiting}
        running = (ring.running | given) - self._pending.keys() - self._delivered.keys()
        own = (c for c, _ in self._pending.values() if c.multiserver == multiserver)
        return RingReport(
            ring=self._me.ring,
            master=self._me.id,
            epoch=ring.epoch if token is None else token.epoch,
            filter=code.name if code else "",
            filter_sha256=code.sha256 if code else "",
            nodes=ring.loads,
            running=tuple(sorted(running)),
            completed=tuple(own),
            failed_nodes=tuple(sorted(line.failed)),
        )

    def _drop_undeliverable(self, now: float) -> None:
        for task, (completion, since) in list(self._pending.items()):
            if completion.multiserver not in self._lines and now - since > _UNKNOWN_SECONDS:
                del self._pending[task]
                remember(self._delivered, task)
