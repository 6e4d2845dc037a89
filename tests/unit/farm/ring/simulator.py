"""Rings and multiservers in a simulated network: seeded delays, loss, duplicates, crashes, pauses.

Everything that is simulated is what happens between the parts; the parts are the real ones.
"""

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from iceflix.farm.model import (
    Completion,
    FilterCode,
    Job,
    NodeLoad,
    RingReport,
    Step,
    Task,
    Token,
)
from iceflix.farm.multiserver import effects as said
from iceflix.farm.multiserver import jobs as books
from iceflix.farm.ring import effects as fx
from iceflix.farm.ring.machine import Member
from iceflix.farm.ring.settings import SYSTEM_A, Me, System

PASS_TIMEOUT = 0.8
PROBE_SECONDS = 2.0
TICK_SECONDS = 0.1


@dataclass
class Network:
    """How bad it is. ``lose`` and ``duplicate`` name kinds of messages and how many of them."""

    loss: float = 0.0
    duplication: float = 0.0
    delay: tuple[float, float] = (0.0003, 0.0012)
    lose: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    duplicate: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    cut: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)


@dataclass
class Node:
    """A member and whether it runs."""

    member: Member
    alive: bool = True
    paused: bool = False
    backlog: list[Callable[[], None]] = field(default_factory=list)
    due: float = float("inf")


@dataclass
class Records:
    """What happened."""

    # pylint: disable=too-many-instance-attributes  # a protocol of everything

    outcomes: defaultdict[str, list[said.Effect]] = field(default_factory=lambda: defaultdict(list))
    images: dict[str, tuple[str, ...]] = field(default_factory=dict)
    taken: list[tuple[float, str, Token]] = field(default_factory=list)
    started: list[tuple[float, str, str]] = field(default_factory=list)
    notes: list[tuple[float, str, str]] = field(default_factory=list)
    messages: int = 0
    ticks: int = 0
    ticked_at: float = -1.0


class World:
    """Nodes, multiservers and the network between them."""

    # pylint: disable=too-many-instance-attributes  # a whole world

    def __init__(self, seed: int = 0, system: System = SYSTEM_A) -> None:
        self.now = 0.0
        self.system = system
        self.random = random.Random(seed)
        self.network = Network()
        self.nodes: dict[str, Node] = {}
        self.multiservers: dict[str, books.Jobs] = {}
        self.refusing: set[str] = set()
        self.assigned: dict[str, FilterCode] = {}
        self.records = Records()
        self.work_seconds = 0.03
        self._askers: dict[tuple[str, str], str] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    # -- what a test does

    def join(self, name: str, ring: str = "ring") -> None:
        """Start a node; those of its ring find each other soon."""
        load = NodeLoad(name, cpu_free=1.0)
        self.nodes[name] = Node(Member(Me(ring, name, system=self.system), load, self.now))
        for multiserver in self.multiservers:
            self.nodes[name].member.desk.multiserver_added(multiserver)
        for other in self._ring_of(name):
            self._introduce(name, other, self.random.uniform(0.01, 0.3))
        self._plan(name)

    def serve(self, name: str, policy: books.Policy | None = None) -> None:
        """Start a multiserver."""
        self.multiservers[name] = books.Jobs(policy or books.Policy(name))
        for node in self.nodes.values():
            node.member.desk.multiserver_added(name)
        self.later(TICK_SECONDS, lambda: self._tick_multiserver(name))

    def submit(self, multiserver: str, job: str, chain: Iterable[str], seconds: float = 60) -> None:
        """Send a job."""
        source = f"{job}.png"
        self.records.images.setdefault(source, ())
        wanted = Job(job, source, tuple(Step(name) for name in chain), seconds)
        jobs = self.multiservers[multiserver]
        self._do_jobs(multiserver, jobs.submit(wanted, f"{job}-done.png", self.now))

    def kill(self, name: str) -> None:
        """End a node at once; its peers learn of it from closed connections."""
        self.nodes[name].alive = False
        for other in self._ring_of(name):
            self.later(0.02, lambda o=other: self._removed(o, name))  # type: ignore[misc]

    def doom(self, name: str) -> None:
        """Have a node die as soon as it holds the token."""
        self.network.doomed.add(name)

    def pause(self, name: str) -> None:
        """Hang a node; its peers' probes find out."""
        self.nodes[name].paused = True
        for other in self._ring_of(name):
            pause = PROBE_SECONDS + self.random.uniform(0, 1)
            self.later(pause, lambda o=other: self._probed(o, name))  # type: ignore[misc]

    def resume(self, name: str) -> None:
        """Let a hung node go on: first with what has come in meanwhile."""
        node = self.nodes[name]
        node.paused = False
        backlog, node.backlog = node.backlog, []
        for deliver in backlog:
            deliver()
        self._plan(name)
        for other in self._ring_of(name):
            self._introduce(name, other, self.random.uniform(0.5, 2))

    def cut(self, name: str) -> None:
        """Part a node from the others (not from the multiservers)."""
        self.network.cut.add(name)
        for other in self._ring_of(name):
            for one, two in ((name, other), (other, name)):
                pause = PROBE_SECONDS + self.random.uniform(0, 1)
                self.later(pause, lambda o=one, t=two: self._probed(o, t))  # type: ignore[misc]

    def heal(self) -> None:
        """Join what was parted."""
        parted, self.network.cut = self.network.cut, set()
        for name in parted:
            for other in self._ring_of(name):
                self._introduce(name, other, self.random.uniform(0.1, 2))

    def leave(self, name: str) -> None:
        """Have a node take its leave and end."""
        self._event(name, lambda member: member.leave(self.now))
        self.later(0.5, lambda: self.kill(name))

    def stop_multiserver(self, name: str) -> None:
        """End a multiserver with all it knows."""
        del self.multiservers[name]
        for node in self.nodes.values():
            node.member.desk.multiserver_removed(name)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = end

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), action))

    # -- what a test asks

    def live(self, ring: str = "ring") -> list[str]:
        """The nodes of a ring that run."""
        return sorted(
            name
            for name, node in self.nodes.items()
            if node.alive and not node.paused and node.member.me.ring == ring
        )

    def tokens(self, seconds: float = 2.5, ring: str = "ring") -> set[tuple[int, str]]:
        """The tokens that were accepted lately."""
        since = self.now - seconds
        keys = {
            token.key for at, _, token in self.records.taken if at >= since and token.ring == ring
        }
        held = {node.member.holds for name, node in self.nodes.items() if name in self.live(ring)}
        return keys | {token.key for token in held if token is not None}

    def masters(self, ring: str = "ring") -> set[str]:
        """Who is master, in the opinion of the nodes."""
        return {self.nodes[name].member.master for name in self.live(ring)}

    # -- inside

    def _ring_of(self, name: str) -> list[str]:
        ring = self.nodes[name].member.me.ring
        return [
            other
            for other, node in self.nodes.items()
            if other != name and node.alive and node.member.me.ring == ring
        ]

    def _introduce(self, one: str, two: str, pause: float) -> None:
        for who, whom in ((one, two), (two, one)):
            self.later(pause, lambda a=who, b=whom: self._found(a, b))  # type: ignore[misc]

    def _reachable(self, one: str, two: str) -> bool:
        node = self.nodes[two]
        return node.alive and not node.paused and not self.network.cut & {one, two}

    def _found(self, who: str, whom: str) -> None:
        if self._reachable(who, whom):
            self._event(who, lambda member: member.peer_added(whom, self.now))

    def _probed(self, who: str, whom: str) -> None:
        if not self._reachable(who, whom):
            self._removed(who, whom)

    def _removed(self, who: str, whom: str) -> None:
        self._event(who, lambda member: member.peer_removed(whom, self.now))

    def _event(self, name: str, call: Callable[[Member], list[fx.Effect]]) -> None:
        """Something happens at a node, now or when it goes on."""
        node = self.nodes[name]
        if not node.alive:
            return
        if node.paused:
            node.backlog.append(lambda: self._event(name, call))
            return
        for effect in call(node.member):
            self._do(name, effect)
        self._plan(name)

    def _plan(self, name: str) -> None:
        node = self.nodes[name]
        due = max(self.now, node.member.due())
        if due < node.due:
            node.due = due
            self.later(due - self.now, lambda: self._tick(name, due))

    def _tick(self, name: str, due: float) -> None:
        node = self.nodes[name]
        if node.due != due:
            return
        node.due = float("inf")
        self.records.ticks = self.records.ticks + 1 if self.now == self.records.ticked_at else 0
        self.records.ticked_at = self.now
        assert self.records.ticks < 1000, f"{name} is always due"
        if node.member.due() <= self.now:
            self._event(name, lambda member: member.tick(self.now))
        elif node.alive and not node.paused:
            self._plan(name)

    def _delay(self) -> float:
        return self.random.uniform(*self.network.delay)

    def _lost(self, kind: str) -> bool:
        if self.network.lose[kind] > 0:
            self.network.lose[kind] -= 1
            return True
        return self.random.random() < self.network.loss

    def _copies(self, kind: str) -> int:
        if self.network.duplicate[kind] > 0:
            self.network.duplicate[kind] -= 1
            return 2
        return 2 if self.random.random() < self.network.duplication else 1

    def _do(self, name: str, effect: fx.Effect) -> None:
        self.records.messages += 1
        match effect:
            case fx.Pass():
                self._pass(name, effect)
            case fx.Start(task):
                self.records.started.append((self.now, name, task.task))
                self.later(self.work_seconds, lambda: self._worked(name, task))
            case fx.Exchange():
                self.later(self._delay(), lambda: self._exchange(name, effect))
            case fx.AskFilter(have):
                self.later(self._delay(), lambda: self._told(name, have))
            case fx.Kick(to):
                self._send(name, to, "kick", lambda member: member.kick(self.now))
            case fx.Candidacy(to, who, epoch):
                self._send(name, to, "election", lambda m: m.election(who, epoch, self.now))
            case fx.Victory(to, master, epoch):
                self._send(name, to, "elected", lambda m: m.elected(master, epoch, self.now))
            case fx.Doubt(peer):
                self._doubt(name, peer)
            case fx.Note(text, about):
                self.records.notes.append((self.now, name, f"{text} {about}".strip()))
            case fx.Store():
                pass

    def _pass(self, name: str, effect: fx.Pass) -> None:
        to, token = effect.to, effect.token

        def fail(after: float, *, certain: bool) -> None:
            self.later(
                after,
                lambda: self._event(name, lambda m: m.pass_failed(to, self.now, certain=certain)),
            )

        def take(member: Member) -> list[fx.Effect]:
            if to in self.network.doomed:
                self.kill(to)  # after it has taken the token, before it can pass it on
                return []
            effects = member.take(token, self.now)
            if fx.Note("duplicate dropped") not in effects:
                self.records.taken.append((self.now, to, token))
            return effects

        def arrive(*, answers: bool) -> None:
            node = self.nodes[to]
            if not node.alive:
                fail(self._delay(), certain=True)
            elif self.network.cut & {name, to}:
                fail(PASS_TIMEOUT, certain=False)
            elif node.paused or not answers:
                self._event(to, take)
                fail(PASS_TIMEOUT, certain=False)
            else:
                self._event(to, take)
                self.later(
                    self._delay(),
                    lambda: self._event(name, lambda m: m.pass_succeeded(to, 0.001)),
                )

        if self._lost("token"):
            fail(PASS_TIMEOUT, certain=False)
            return
        answers = not self._lost("answer")
        for copy in range(self._copies("token")):
            if copy:
                self.later(self._delay() * 3, lambda: self._event(to, take))
            else:
                self.later(self._delay(), lambda: arrive(answers=answers))

    def _send(
        self, name: str, to: str, kind: str, call: Callable[[Member], list[fx.Effect]]
    ) -> None:
        if self._lost(kind):
            return
        node = self.nodes[to]
        if not node.alive or node.paused or self.network.cut & {name, to}:
            if node.paused and node.alive:
                self._event(to, call)
            if kind != "kick":
                pause = PASS_TIMEOUT if node.alive else self._delay()
                self.later(pause, lambda: self._event(name, lambda m: m.unreachable(to, self.now)))
            return
        for _ in range(self._copies(kind)):
            self.later(self._delay(), lambda: self._event(to, call))

    def _doubt(self, name: str, peer: str) -> None:
        if peer not in self.nodes:
            return
        if self._reachable(name, peer):
            self.later(self._delay(), lambda: self._found(name, peer))
        else:
            pause = 1.0 if self.nodes[peer].alive else self._delay()
            self.later(pause, lambda: self._probed(name, peer))

    def _worked(self, name: str, task: Task) -> None:
        """The work is done, unless the node ended before; a frozen node's work is frozen too."""

        def finish(member: Member) -> list[fx.Effect]:
            target = task.target or f"work/{task.task}"
            image = self.records.images[task.source]
            self.records.images[target] = (*image, *(step.filter for step in task.steps))
            done = Completion(task.task, task.multiserver, produced=target, seconds=0.03)
            return member.finished(done, self.now)

        self._event(name, finish)

    def _exchange(self, name: str, effect: fx.Exchange) -> None:
        jobs = self.multiservers.get(effect.multiserver)
        if jobs is None or effect.multiserver in self.refusing or self._lost("exchange"):
            self.later(0.5, lambda: self._answer(name, effect.multiserver, None))
            return
        report: RingReport = effect.report
        self._askers[(effect.multiserver, report.ring)] = name
        tasks, effects = jobs.exchange(report, self.now)
        self._do_jobs(effect.multiserver, effects)
        answer = None if self._lost("exchange answer") else tasks
        self.later(self._delay(), lambda: self._answer(name, effect.multiserver, answer))

    def _answer(self, name: str, multiserver: str, tasks: list[Task] | None) -> None:
        self._event(name, lambda m: m.exchanged(multiserver, tasks, self.now))

    def _told(self, name: str, have: str) -> None:
        code = self.assigned.get(self.nodes[name].member.me.ring)
        codes = [code] if code is not None and code.sha256 != have else []
        self._event(name, lambda member: member.filter_told(codes, self.now))

    def _do_jobs(self, multiserver: str, effects: Iterable[said.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, said.KickRing):
                asker = self._askers.get((multiserver, effect.ring))
                if asker is not None and not self._lost("kick") and self._reachable(asker, asker):
                    self.later(self._delay(), lambda to=asker: self._kicked(to))  # type: ignore[misc]
            elif isinstance(effect, (said.Answer, said.Refuse)):
                self.records.outcomes[effect.job].append(effect)

    def _kicked(self, name: str) -> None:
        self._event(name, lambda member: member.kick(self.now))

    def _tick_multiserver(self, name: str) -> None:
        jobs = self.multiservers.get(name)
        if jobs is not None:
            self._do_jobs(name, jobs.tick(self.now))
            self.later(TICK_SECONDS, lambda: self._tick_multiserver(name))
