"""A multiserver's books: jobs, their current step, and who has been given it until when.

    submitted --> waiting --task--> leased --completed--> next step waiting ... --> answered
                     ^-- lease ran out, node failed, ring silent --'

A job is answered once, whatever happens (F37). A step may be given several times; the first good
completion of the *current* step counts, whichever attempt it comes from, and all others are
ignored. Results are written under one name by rename, so an attempt more changes nothing.

A ring that runs every filter (System A) gets the whole chain for one node; a ring that runs one
(System B) gets the steps, one after the other, for which it has the filter (F35, F43).

A job that no living ring can do is refused, not kept until its deadline. A ring that was there a
moment ago may come back, for whoever looks after its nodes starts them again: it is waited for.

Times are seconds on a monotonic clock that the caller gives.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from iceflix.contract.reasons import FILTER_FAILED, INVALID_REQUEST, NO_SERVERS, TOO_LATE
from iceflix.farm.model import Completion, Job, JobResult, RingReport, Task, job_of
from iceflix.farm.multiserver.effects import Answer, CallOff, CleanUp, Effect, KickRing, Refuse
from iceflix.farm.multiserver.rings import Rings
from iceflix.farm.ring.placement import Seat, place, seats

_Held = defaultdict[tuple[str, str], list[float]]  # ages of tasks, by ring and node
_OUTCOMES_KEPT = 1000
_ATTEMPTS = 10
_REST_SECONDS = 0.1  # before a task is given again that a node lacked the means for
_NO_RING = "no ring lives; start nodes (iceflix farm status tells who is there)"


@dataclass(frozen=True)
class Policy:
    """Who we are, and our bounds. ``only_ring``: the ring that we serve (A); empty: any (B).

    ``patience``: how long a step waits for a ring that is better placed than the one that asks.
    A ring has gone after ``ring_seconds`` of silence; a job that none of the others can do is
    refused ``hope_seconds`` later.
    """

    own_id: str
    only_ring: str = ""
    capacity: int = 500
    lease_seconds: float = 2.0
    ring_seconds: float = 5.0
    hope_seconds: float = 4.0
    patience: float = 0.2


@dataclass(frozen=True)
class Health:
    """How the queue is."""

    queued: int
    running: int
    capacity: int
    rings: tuple[str, ...]


@dataclass(frozen=True)
class _Attempt:
    """A task as it was given: ``count`` steps from ``first`` on."""

    first: int
    count: int
    ring: str
    node: str
    began: float


@dataclass
class _Lease:
    """The attempt that is being waited for."""

    task: str
    attempt: _Attempt
    renewed: float


@dataclass
class _Progress:
    """How far a job is: the next step, what it reads, the hashes so far, a pause.

    hopeless: seconds, as far as we listened, without a ring that could do the next step.
    """

    step: int = 0
    source: str = ""
    source_sha256: str = ""
    filter_sha256: tuple[str, ...] = ()
    rests_until: float = 0.0
    hopeless: float = 0.0


@dataclass
class _Entry:
    """A job that has not been answered."""

    job: Job
    target: str
    accepted: float
    progress: _Progress
    attempts: dict[str, _Attempt] = field(default_factory=dict)
    lease: _Lease | None = None
    waiting_since: float = 0.0

    @property
    def next_filter(self) -> str:
        """The filter that comes next."""
        return self.job.steps[self.progress.step].filter

    def give_back(self, now: float) -> None:
        """Nobody works on it any more."""
        self.lease = None
        self.waiting_since = now


class Jobs:
    """Events in, effects out; not thread-safe."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._jobs: dict[str, _Entry] = {}
        self._rings = Rings(policy.ring_seconds)
        self._outcomes: OrderedDict[str, Answer | Refuse] = OrderedDict()
        self._task_seconds = 0.05

    # -- the callers

    def submit(self, job: Job, target: str, now: float) -> list[Effect]:
        """A job arrives; one that is known already is not done twice. ``target``: its result."""
        if job.job in self._outcomes:
            return [self._outcomes[job.job]]
        if job.job in self._jobs:
            return []
        if not job.steps or not job.job:
            return [Refuse(job.job, INVALID_REQUEST, "a job needs an id and at least one filter")]
        if len(self._jobs) >= self._policy.capacity:
            full = f"all {self._policy.capacity} places of the queue are taken; try again later"
            return [Refuse(job.job, NO_SERVERS, full)]
        if self._rings.given_up:
            return [Refuse(job.job, NO_SERVERS, _NO_RING)]
        entry = _Entry(job, target, now, _Progress(source=job.image), waiting_since=now)
        self._jobs[job.job] = entry
        return list(self._kicks(entry, now))

    def cancel(self, job: str) -> list[Effect]:
        """Nobody wants it any more."""
        entry = self._jobs.get(job)
        return [] if entry is None else self._refuse(entry, TOO_LATE, "the request was withdrawn")

    def close(self) -> list[Effect]:
        """No more answers from here; who asked can ask another multiserver."""
        gone = "this multiserver is being stopped"
        jobs = list(self._jobs.values())
        return [effect for entry in jobs for effect in self._refuse(entry, NO_SERVERS, gone)]

    def health(self, now: float) -> Health:
        """How many wait, how many are worked on, for whom (F25)."""
        leased = sum(entry.lease is not None for entry in self._jobs.values())
        rings = tuple(sorted(ring for ring, _ in self._rings.fresh(now)))
        return Health(len(self._jobs) - leased, leased, self._policy.capacity, rings)

    # -- the rings

    def exchange(self, report: RingReport, now: float) -> tuple[list[Task], list[Effect]]:
        """A ring's master reports (F34, F38) and gets the tasks that are for its nodes."""
        if self._policy.only_ring not in ("", report.ring):
            return [], []
        effects: list[Effect] = []
        for completion in report.completed:
            effects += self._completed(completion, now)
        if self._deposed(report, now):
            return [], effects
        before = self._rings.note(report, now)
        anew = before is not None and (before.report.epoch, before.report.master) != (
            report.epoch,
            report.master,
        )
        for entry in self._jobs.values():
            if entry.lease is not None and entry.lease.attempt.ring == report.ring:
                # A new token has been round: what nobody names now was lost with the old one.
                lost = anew and entry.lease.task not in report.running
                if lost or entry.lease.attempt.node in report.failed_nodes:
                    entry.give_back(now)
        self._renew(report, now)
        tasks, kicks = self._assign(report, now)
        return tasks, [*effects, *kicks]

    def ring_lost(self, ring: str) -> None:
        """A ring cannot be reached: do not hold work back for it."""
        self._rings.lost(ring)

    def tick(self, now: float) -> list[Effect]:
        """Time passed: deadlines, leases, silent rings."""
        effects: list[Effect] = []
        listened = self._rings.tick(now)
        for entry in list(self._jobs.values()):
            if now - entry.accepted >= entry.job.deadline_seconds:
                waited = f"not done within {entry.job.deadline_seconds:g} s"
                effects += self._refuse(entry, TOO_LATE, self._why(entry, waited, now))
            elif entry.lease and now - entry.lease.renewed > self._policy.lease_seconds:
                entry.give_back(now)
                effects += self._kicks(entry, now)
            elif self._hopeless(entry, listened, now):
                effects += self._forsake(entry, now)
            elif 0 < entry.progress.rests_until <= now:
                entry.progress.rests_until = 0.0
                effects += self._kicks(entry, now)
        return effects

    @property
    def idle(self) -> bool:
        """Whether there is nothing for ``tick`` to do."""
        return not self._jobs

    # -- inside

    def _why(self, entry: _Entry, waited: str, now: float) -> str:
        if entry.lease is None and not self._rings.hoped_for(entry.next_filter, now):
            return f"{waited}: no ring runs the filter {entry.next_filter}"
        return waited

    def _hopeless(self, entry: _Entry, listened: float, now: float) -> bool:
        """Whether no ring that can do it has been heard for too long."""
        hope = self._rings.hoped_for(entry.next_filter, now)
        entry.progress.hopeless = 0.0 if hope else entry.progress.hopeless + listened
        return entry.progress.hopeless >= self._policy.hope_seconds

    def _forsake(self, entry: _Entry, now: float) -> list[Effect]:
        if self._rings.any_heard(now):
            none = f"no ring runs the filter {entry.next_filter} any more; assign it to one"
            return self._refuse(entry, NO_SERVERS, none)
        self._rings.given_up = True
        return self._refuse(entry, NO_SERVERS, _NO_RING)

    def _kicks(self, entry: _Entry, now: float) -> Iterator[KickRing]:
        for ring, state in self._rings.fresh(now):
            if state.runs(entry.next_filter):
                yield KickRing(ring)

    def _deposed(self, report: RingReport, now: float) -> bool:
        """Whether a newer master speaks for this ring."""
        state = self._rings.get(report.ring)
        return (
            state is not None
            and now - state.heard <= self._policy.lease_seconds
            and report.epoch < state.report.epoch
            and report.master != state.report.master
        )

    def _completed(self, completion: Completion, now: float) -> list[Effect]:
        entry = self._jobs.get(job_of(completion.task))
        attempt = entry.attempts.get(completion.task) if entry else None
        if entry is None or attempt is None or attempt.first != entry.progress.step:
            return []  # answered, withdrawn, or of a step that is done
        if not completion.good:
            return self._failed(entry, completion, now)
        self._task_seconds += 0.1 * (completion.seconds - self._task_seconds)
        progress = entry.progress
        progress.step += attempt.count
        progress.source = completion.produced
        progress.source_sha256 = progress.source_sha256 or completion.source_sha256
        progress.filter_sha256 += completion.filter_sha256
        entry.give_back(now)
        if progress.step < len(entry.job.steps):
            return list(self._kicks(entry, now))
        result = JobResult(
            image=completion.produced or entry.target,
            seconds=now - entry.accepted,
            source_sha256=progress.source_sha256,
            result_sha256=completion.result_sha256,
            filter_sha256=progress.filter_sha256,
            node=completion.node,
        )
        return self._end(entry, Answer(entry.job.job, result))

    def _failed(self, entry: _Entry, completion: Completion, now: float) -> list[Effect]:
        """A filter's failure is the job's; a node that lacked the means is not the only one."""
        if entry.lease is None or entry.lease.task != completion.task:
            return []
        if completion.reason == NO_SERVERS and len(entry.attempts) < _ATTEMPTS:
            entry.give_back(now)
            entry.progress.rests_until = now + _REST_SECONDS * len(entry.attempts)
            return []
        entry.lease = None
        return self._refuse(entry, completion.reason or FILTER_FAILED, completion.detail)

    def _renew(self, report: RingReport, now: float) -> None:
        there = {load.node for load in report.nodes} - set(report.failed_nodes)
        for task in report.running:
            entry = self._jobs.get(job_of(task))
            attempt = entry.attempts.get(task) if entry else None
            if entry is None or attempt is None or attempt.first != entry.progress.step:
                continue
            if entry.lease is not None and entry.lease.task == task:
                entry.lease.renewed = now
            elif entry.lease is None and attempt.node in there:
                entry.lease = _Lease(task, attempt, now)  # it was not lost after all

    def _assign(self, report: RingReport, now: float) -> tuple[list[Task], list[Effect]]:
        tasks: list[Task] = []
        effects: list[Effect] = []
        held: _Held = defaultdict(list)
        for entry in self._jobs.values():
            if entry.lease is not None:
                attempt = entry.lease.attempt
                held[(attempt.ring, attempt.node)].append(now - attempt.began)
        for entry in list(self._jobs.values()):
            if entry.lease is not None or report.filter not in ("", entry.next_filter):
                continue
            if entry.progress.rests_until > now:
                continue
            if len(entry.attempts) >= _ATTEMPTS:
                detail = f"given up after {_ATTEMPTS} attempts: every node ended or fell silent"
                effects += self._refuse(entry, FILTER_FAILED, detail)
                continue
            seat = self._seat(entry, report, held, now)
            if seat is None:
                break  # later jobs would find no place either
            held[(seat.ring, seat.load.node)].append(0.0)
            if seat.ring == report.ring:
                tasks.append(self._task(entry, report, seat, now))
            else:
                effects.append(KickRing(seat.ring))
        return tasks, list(dict.fromkeys(effects))

    def _seat(self, entry: _Entry, report: RingReport, held: _Held, now: float) -> Seat | None:
        """The best place in all rings (F44); in this one if the better one does not come for it."""
        patient = now - entry.waiting_since <= self._policy.patience
        rings = {
            ring: state.loads
            for ring, state in self._rings.fresh(now)
            if ring == report.ring or (patient and state.runs(entry.next_filter))
        }
        return place(seats(rings, held), self._task_seconds)

    def _task(self, entry: _Entry, report: RingReport, seat: Seat, now: float) -> Task:
        first = entry.progress.step
        steps = entry.job.steps[first:]
        if report.filter:
            steps = tuple(takewhile(lambda step: step.filter == report.filter, steps))
        attempt = _Attempt(first, len(steps), seat.ring, seat.load.node, now)
        name = f"{entry.job.job}/{first}/{len(entry.attempts) + 1}"
        entry.attempts[name] = attempt
        entry.lease = _Lease(name, attempt, now)
        last = first + len(steps) == len(entry.job.steps)
        return Task(
            task=name,
            multiserver=self._policy.own_id,
            node=seat.load.node,
            source=entry.progress.source,
            target=entry.target if last else "",
            steps=steps,
            filter_sha256=(report.filter_sha256,) * len(steps) if report.filter else (),
            lease_seconds=self._policy.lease_seconds,
        )

    def _refuse(self, entry: _Entry, reason: str, detail: str) -> list[Effect]:
        lease, ended = entry.lease, self._end(entry, Refuse(entry.job.job, reason, detail))
        if lease is None:
            return ended
        return [*ended, CallOff(lease.attempt.ring, lease.attempt.node, lease.task)]

    def _end(self, entry: _Entry, outcome: Answer | Refuse) -> list[Effect]:
        name = entry.job.job
        del self._jobs[name]
        self._outcomes[name] = outcome
        while len(self._outcomes) > _OUTCOMES_KEPT:
            self._outcomes.popitem(last=False)
        parts = any(a.first + a.count < len(entry.job.steps) for a in entry.attempts.values())
        return [outcome, CleanUp(name)] if parts else [outcome]
