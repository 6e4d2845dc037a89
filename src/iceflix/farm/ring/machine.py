"""A member of a token ring as a state machine. Events in, effects out; no clock, no I/O.

    idle ring:  the master parks the token, ever longer, and sends it round now and then
    work:       multiserver --kick--> master --exchange--> tasks --token--> nodes --kick--> master
    lost token: the master makes it anew under a higher epoch
    lost master: the others elect one (Chang-Roberts), which makes the token anew

*One token.* Tokens are ordered by (epoch, who raised it, passes); a member takes only one that is
newer than the newest it has seen. Whoever cannot tell whether a pass arrived raises the epoch
before it tries the next member, so a frozen successor that wakes up holds a relic (F36).

*No work lost.* Completions stay in the token until a multiserver has them (``bench``, ``desk``);
tasks that nobody names any more are given again by the multiserver, whose leases run out.

*No work holds the token.* Tasks are started as effects; their end is an event.
"""

from collections.abc import Iterable
from dataclasses import replace

from iceflix.farm.model import Completion, FilterCode, NodeLoad, Task, Token
from iceflix.farm.ring.bench import Bench
from iceflix.farm.ring.desk import Desk
from iceflix.farm.ring.effects import Candidacy, Doubt, Effect, Kick, Note, Pass, Victory
from iceflix.farm.ring.hand import Hand, made_anew, without
from iceflix.farm.ring.peers import Peers, Race, Sight, successor
from iceflix.farm.ring.settings import Me

_KICK_SECONDS = 0.02  # kicks are passed on to the master this often at most
_HOP_WEIGHT = 0.2


class Member:
    """One node's part in its ring. Every method is an event and returns what to do."""

    def __init__(self, me: Me, load: NodeLoad, now: float) -> None:
        self.me = me
        self.bench = Bench(load)
        self.peers = Peers(me.id)
        self.desk = Desk(me)
        self._hand = Hand()
        self._sight = Sight(now)
        self._race = Race()

    # -- what can be asked

    @property
    def master(self) -> str:
        """Who is master, as far as this member knows; empty: nobody yet."""
        return self._race.master

    @property
    def is_master(self) -> bool:
        """Whether this member is master, as far as it knows."""
        return self.master == self.me.id

    @property
    def holds(self) -> Token | None:
        """The token, while it is parked here."""
        return self._hand.token

    @property
    def last_seen(self) -> Token:
        """The newest token that was here."""
        return self._sight.last or Token(self.me.ring)

    @property
    def left(self) -> bool:
        """Whether it has taken its leave."""
        return self._hand.left

    def due(self) -> float:
        """When ``tick`` has something to do."""
        times = []
        if self._hand.token is not None:
            times.append(self._hand.until)
        elif self.is_master:
            times.append(self._sight.at + self.me.timing.loss)
        elif self._race.active:
            times.append(self._race.since + self.me.timing.election)
        else:
            times.append(self._sight.at + self._patience())
        if self.is_master:
            times.append(self.desk.due())
        return min(times)

    # -- the token

    def take(self, token: Token, now: float) -> list[Effect]:
        """The predecessor passed the token on."""
        if token.ring != self.me.ring:
            return []
        if not self._sight.fresh(token):
            return self._refuse(token)
        effects = self._follow(token.master)
        self._race.end()
        self._sight.note(token, now)
        self._hand.token = self._hand.sent = None
        for dead in token.dead:
            effects += self._suspect(dead, now)
        if self._hand.leaving:
            return effects + self._bow_out(token, now)
        if self.is_master:
            return effects + self._arrive(token, now)
        token, started = self.bench.visit(token)
        effects += started
        if self.master not in token.members:
            return effects + self._run_for_master(now)
        return effects + self._pass_on(token, now)

    def pass_succeeded(self, to: str, seconds: float) -> list[Effect]:
        """The successor has it; it took so long."""
        if self._hand.to == to:
            load = self.bench.load
            smoothed = load.hop_seconds + _HOP_WEIGHT * (seconds - load.hop_seconds)
            self.bench.load = replace(load, hop_seconds=smoothed if load.hop_seconds else seconds)
        return []

    def pass_failed(self, to: str, now: float, *, certain: bool) -> list[Effect]:
        """The successor did not answer. ``certain``: it cannot have got the token."""
        effects = self._suspect(to, now)
        token = self._hand.sent
        if token is None or self._hand.to != to:
            return effects
        self._hand.sent = None
        if not certain:
            token = replace(token, epoch=token.epoch + 1, maker=self.me.id, passes=0)
            effects.append(Note("epoch raised", str(token.epoch)))
        token = without(token, to)
        self._sight.note(token, now)
        if to == token.master:
            return effects + self._run_for_master(now)
        return effects + self._pass_on(token, now)

    # -- time and work

    def tick(self, now: float) -> list[Effect]:
        """Time passed."""
        if self._hand.leaving:
            return []
        if self._hand.token is not None:
            self._hand.turn = self._hand.turn or now >= self._hand.until
            return self._attend(now)
        if self.is_master:
            lost = now >= self._sight.at + self.me.timing.loss
            return self._make_anew(now) if lost else self.desk.exchanges(None, now)
        if self._race.active:
            late = now >= self._race.since + self.me.timing.election
            return self._run_for_master(now, again=True) if late else []
        silent = now >= self._sight.at + self._patience()
        return self._suspect(self.master, now) + self._run_for_master(now) if silent else []

    def kick(self, now: float) -> list[Effect]:
        """There is something to do: new work, or a task has ended."""
        if not self.is_master:
            return self._kick_master(now)
        self.desk.kicked()
        if self._hand.token is None:
            self._hand.turn = True
            return self.desk.exchanges(None, now)
        self._hand.turn = self._hand.turn or self.desk.busy
        return self._attend(now)

    def finished(self, completion: Completion, now: float) -> list[Effect]:
        """A task that was started has ended."""
        if not self.bench.done(completion):
            return []
        if self._hand.token is not None:
            return self._attend(now)
        if not self.is_master:
            return [Kick(self.master)] if self.master else []
        self._hand.turn = True
        return []

    # -- peers and elections

    def peer_added(self, peer: str, now: float) -> list[Effect]:
        """A node of this ring was found and answers."""
        if peer == self.me.id:
            return []
        self.peers.known.add(peer)
        self.peers.barred.pop(peer, None)
        return self._attend(now) if self._hand.token is not None else []

    def peer_removed(self, peer: str, now: float) -> list[Effect]:
        """A node is dead or hung."""
        self.peers.known.discard(peer)
        self.peers.barred.pop(peer, None)
        self.peers.bar_out(peer)
        if self._hand.sent is not None and self._hand.to == peer:
            return self.pass_failed(peer, now, certain=False)
        if self._hand.token is not None:
            return self._attend(now)
        if peer == self.master and not self._race.active:
            return self._run_for_master(now)
        return []

    def unreachable(self, peer: str, now: float) -> list[Effect]:
        """A message of an election could not be delivered."""
        effects = self._suspect(peer, now)
        if effects and self._race.active:
            effects += self._run_for_master(now)
        return effects

    def election(self, candidate: str, epoch: int, now: float) -> list[Effect]:
        """Somebody runs for master."""
        if self.is_master and now - self._sight.at < self.me.timing.loss:
            self._hand.turn = True  # there is a master: let it be seen
            return self._attend(now) if self._hand.token is not None else []
        if candidate == self.me.rank:
            self._race.begin(epoch, now)
            return self._win(now)
        if candidate < self.me.rank:
            return [] if self._race.active else self._run_for_master(now, epoch)
        self._race.begin(max(epoch, self._sight.key[0]), now)
        to = successor(self.me.id, self.peers.present(now))
        return [Candidacy(to, candidate, self._race.epoch)] if to else self._win(now)

    def elected(self, master: str, epoch: int, now: float) -> list[Effect]:
        """Somebody is master under this epoch."""
        if epoch <= self._sight.key[0] or master == self.me.id:
            return []
        effects = self._follow(master)
        self._race.end()
        self._hand.token = self._hand.sent = None
        self._sight = Sight(now, (epoch, ""), last=self._sight.last)
        to = successor(self.me.id, self.peers.present(now))
        if to is not None and to != master:
            effects.append(Victory(to, master, epoch))
        return effects

    # -- multiservers and filter administrator

    def exchanged(self, multiserver: str, tasks: Iterable[Task] | None, now: float) -> list[Effect]:
        """A multiserver answered; None: it did not."""
        if tasks is None:
            self.desk.exchange_failed(multiserver, now)
            return []
        self.desk.exchanged(multiserver, tasks if self.is_master else (), now)
        return self._after_answer(now)

    def filter_told(self, codes: Iterable[FilterCode] | None, now: float) -> list[Effect]:
        """The filter administrator answered; None: it did not."""
        if self.desk.filter_told(codes, now):
            self._hand.turn = True
        return self._after_answer(now)

    # -- leaving

    def leave(self, now: float) -> list[Effect]:
        """Take leave: hand the token on, and be reported as gone."""
        self._hand.leaving = True
        token = self._hand.token
        alone = successor(self.me.id, self.peers.present(now)) is None
        self._hand.left = alone
        return self._bow_out(token, now) if token is not None and not alone else []

    # -- inside

    def _refuse(self, token: Token) -> list[Effect]:
        """A duplicate or a relic. Who made the relic is told that its time is over."""
        stale = token.key < self._sight.key
        if stale and token.master not in (self.me.id, self.master) and self.master:
            epoch = self._sight.key[0]
            return [Note("relic dropped"), Victory(token.master, self.master, epoch)]
        return [Note("duplicate dropped")]

    def _follow(self, master: str) -> list[Effect]:
        if master == self.master:
            return []
        if self.is_master:
            self.desk.resign()
        self._race.master = master
        return [Note("master", master)]

    def _suspect(self, peer: str, now: float) -> list[Effect]:
        if not peer or not self.peers.bar_out(peer, now + self.me.timing.leave_out):
            return []
        return [Note("out of reach", peer), Doubt(peer)]

    def _patience(self) -> float:
        """How long a ring may be silent before another master is wanted."""
        if self._sight.last is None:
            return self.me.timing.join
        timing = self.me.timing
        return timing.silence + timing.hold_idle(self._sight.last.idle_turns + 1)

    def _hold(self, token: Token) -> float:
        """How long to park the token."""
        timing = self.me.timing
        return timing.hold_busy if self.desk.busy else timing.hold_idle(token.idle_turns)

    def _kick_master(self, now: float) -> list[Effect]:
        if not self.master or now - self._hand.kicked_at < _KICK_SECONDS:
            return []
        self._hand.kicked_at = now
        return [Kick(self.master)]

    def _after_answer(self, now: float) -> list[Effect]:
        if not self.is_master:
            return []
        if self._hand.token is not None:
            return self._attend(now)
        return self.desk.exchanges(None, now)

    def _arrive(self, token: Token, now: float) -> list[Effect]:
        """The token has come round to its master: read it, park it or send it on."""
        self.desk.nodes_failed(token.dead)
        self._hand.token = replace(self.desk.arrived(token, now), idle_turns=token.idle_turns + 1)
        self._hand.parked_at = now
        return self._attend(now)

    def _attend(self, now: float) -> list[Effect]:
        """Bring the token in the master's hand up to date; let it go if it is wanted elsewhere."""
        assert self._hand.token is not None
        token, changed = self._roll_call(self._hand.token, now)
        token, effects = self.bench.visit(self.desk.compose(token))
        token = self.desk.learn(token, now)
        if self.desk.busy:
            token = replace(token, idle_turns=0)
        self._hand.until = self._hand.parked_at + self._hold(token)
        self._hand.token = token
        self._sight.at = now
        effects += self.desk.exchanges(token, now)
        if changed or token.assignments:
            return effects + self._pass_on(token, now)
        if self._hand.turn:
            earliest = self._hand.passed_at + self.desk.gap()
            if now >= earliest:
                return effects + self._pass_on(token, now)
            self._hand.until = earliest
        return effects

    def _roll_call(self, token: Token, now: float) -> tuple[Token, bool]:
        """Take in who was found, leave out who is gone."""
        present = (set(token.members) | self.peers.present(now)) - self.peers.out(now)
        lost = set(token.members) - present
        changed = present != set(token.members)
        self.desk.nodes_failed(lost)
        self.peers.forget_but(present)
        return replace(token, members=tuple(sorted(present))), changed

    def _pass_on(self, token: Token, now: float) -> list[Effect]:
        to = successor(self.me.id, token.members)
        self._hand.token = None
        self._hand.passed_at = now
        self._hand.turn = False
        if to is None:  # a ring of one: the token is round at once
            token = replace(token, passes=token.passes + 1, running=())
            self._sight.note(token, now)
            return self._arrive(token, now)
        running = () if self.is_master else token.running
        sent = replace(token, passes=token.passes + 1, running=running)
        self._hand.to, self._hand.sent = to, sent
        self._sight.note(sent, now)
        return [Pass(to, sent)]

    def _make_anew(self, now: float) -> list[Effect]:
        """The token is lost: make one that outranks it."""
        self.desk.forget_ring()
        base = self.last_seen
        self.desk.nodes_failed(base.dead)
        epoch = max(self._sight.key[0], self._race.epoch) + 1
        token = made_anew(base, epoch, self.me.id)
        token, _ = self._roll_call(token, now)
        self._sight.note(token, now)
        self._hand.sent = None
        return [Note("token made", str(token.epoch)), *self._pass_on(token, now)]

    def _run_for_master(self, now: float, epoch: int = 0, *, again: bool = False) -> list[Effect]:
        if self._hand.leaving:
            return []
        if again:
            self._race.end()
        self._race.begin(max(epoch, self._sight.key[0]), now)
        to = successor(self.me.id, self.peers.present(now))
        if to is None:
            return self._win(now)
        return [Note("election"), Candidacy(to, self.me.rank, self._race.epoch)]

    def _win(self, now: float) -> list[Effect]:
        self._race.end()
        effects = self._suspect(self.master, now) + self._follow(self.me.id)
        self.desk.resign()
        self.desk.inherit(self.bench.filter)
        anew = self._make_anew(now)
        to = successor(self.me.id, self.peers.present(now))
        if to is not None:
            effects.append(Victory(to, self.me.id, self._sight.key[0]))
        return effects + anew

    def _bow_out(self, token: Token, now: float) -> list[Effect]:
        token = without(token, self.me.id)
        self._hand.left = True
        if not token.members:
            return []
        return self._pass_on(token, now)
