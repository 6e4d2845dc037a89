"""The multiserver's books: leases, attempts, one answer for each job (F31, F37, F43, F44)."""

from dataclasses import replace

import pytest

from iceflix.farm.model import Completion, Job, NodeLoad, RingReport, Step, Task
from iceflix.farm.multiserver.effects import Answer, CallOff, CleanUp, KickRing, Refuse
from iceflix.farm.multiserver.jobs import Jobs, Policy

LOAD = NodeLoad("a", slots=1)
REPORT = RingReport("ring", "a", 1, nodes=(LOAD,))


def _job(name: str, *filters: str, seconds: float = 60.0) -> Job:
    return Job(name, f"{name}.png", tuple(Step(each) for each in filters), seconds)


def _done(task: Task, **changes: object) -> Completion:
    produced = task.target or f"work/{task.task}"
    done = Completion(task.task, "m", task.node, produced=produced, source_sha256="s")
    return replace(done, result_sha256="r", **changes)  # type: ignore[arg-type]


@pytest.fixture(name="jobs")
def _jobs() -> Jobs:
    jobs = Jobs(Policy("m", capacity=3))
    jobs.exchange(REPORT, 0.0)
    return jobs


def _give(jobs: Jobs, now: float, report: RingReport = REPORT) -> list[Task]:
    return jobs.exchange(report, now)[0]


def test_a_whole_chain_goes_to_one_node_of_a_ring_that_runs_everything(jobs: Jobs) -> None:
    """A whole chain goes to one node of a ring that runs everything."""
    assert jobs.submit(_job("j", "gray", "blur"), "out.png", 0.0) == [KickRing("ring")]
    (task,) = _give(jobs, 0.1)
    assert [step.filter for step in task.steps] == ["gray", "blur"]
    assert (task.source, task.target, task.node) == ("j.png", "out.png", "a")
    _, effects = jobs.exchange(replace(REPORT, completed=(_done(task),)), 0.3)
    (answer,) = effects
    assert isinstance(answer, Answer)
    assert answer.result.image == "out.png"
    assert answer.result.seconds == pytest.approx(0.3)


def test_a_second_completion_is_ignored_and_a_known_job_is_answered_again(jobs: Jobs) -> None:
    """A second completion is ignored and a known job is answered again."""
    jobs.submit(_job("j", "gray"), "out.png", 0.0)
    (task,) = _give(jobs, 0.1)
    report = replace(REPORT, completed=(_done(task),))
    _, effects = jobs.exchange(report, 0.3)
    assert jobs.exchange(report, 0.4) == ([], [])
    assert jobs.submit(_job("j", "gray"), "out.png", 0.5) == effects


def test_the_queue_is_bounded_and_says_so_at_once(jobs: Jobs) -> None:
    """The queue is bounded and says so at once."""
    for name in "xyz":
        jobs.submit(_job(name, "gray"), "out", 0.0)
    (refusal,) = jobs.submit(_job("more", "gray"), "out", 0.0)
    assert isinstance(refusal, Refuse)
    assert refusal.reason == "SIN_SERVIDORES"
    assert jobs.submit(_job("x", "gray"), "out", 0.0) == []
    assert (jobs.health(0.0).queued, jobs.health(0.0).running) == (3, 0)


def test_a_lease_runs_out_unless_the_task_is_named(jobs: Jobs) -> None:
    """A lease runs out unless the task is named."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    (task,) = _give(jobs, 0.0)
    for now in (1.5, 3.0, 4.5):
        assert _give(jobs, now, replace(REPORT, running=(task.task,))) == []
        assert jobs.tick(now) == []
    assert jobs.tick(6.6) == [KickRing("ring")]
    (again,) = _give(jobs, 6.7)
    assert again.task == "j/0/2"


def test_what_a_failed_node_had_is_given_again_at_once(jobs: Jobs) -> None:
    """What a failed node had is given again at once."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    (first,) = _give(jobs, 0.0)
    other = replace(REPORT, nodes=(replace(LOAD, node="b"),), failed_nodes=("a",))
    (second,) = _give(jobs, 0.1, other)
    assert (first.node, second.node) == ("a", "b")
    assert first.task != second.task
    # the first attempt comes in after all: it is of the current step, so it counts; once.
    _, effects = jobs.exchange(replace(other, completed=(_done(first),)), 0.2)
    assert [type(effect) for effect in effects] == [Answer]
    assert jobs.exchange(replace(other, completed=(_done(second),)), 0.3) == ([], [])


def test_a_task_that_was_not_lost_after_all_is_not_given_twice(jobs: Jobs) -> None:
    """A task that was not lost after all is not given twice."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    (task,) = _give(jobs, 0.0)
    assert jobs.tick(2.5) == [KickRing("ring")]
    assert jobs.health(2.5).queued == 1
    assert _give(jobs, 2.6, replace(REPORT, running=(task.task,))) == []
    assert jobs.health(2.6).running == 1


def test_what_was_lost_with_a_token_is_given_again_at_once(jobs: Jobs) -> None:
    """What was lost with a token is given again at once."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    jobs.submit(_job("k", "gray"), "out", 0.0)
    kept, lost = _give(jobs, 0.0)
    (again,) = _give(jobs, 0.1, replace(REPORT, epoch=2, running=(kept.task,)))
    assert (lost.task, again.task) == ("k/0/1", "k/0/2")


def test_one_filter_after_the_other_through_rings_that_run_one(jobs: Jobs) -> None:
    """One filter after the other through rings that run one."""
    jobs = Jobs(Policy("m"))
    turn = RingReport("r1", "a", 1, "turn", "sha-turn", (LOAD,))
    cut = RingReport("r2", "b", 1, "cut", "sha-cut", (replace(LOAD, node="b"),))
    jobs.exchange(turn, 0.0)
    jobs.exchange(cut, 0.0)
    kicks = jobs.submit(_job("j", "turn", "turn", "cut"), "out", 0.0)
    assert kicks == [KickRing("r1")]
    assert not _give(jobs, 0.1, cut)
    (task,) = _give(jobs, 0.1, turn)
    assert ([s.filter for s in task.steps], task.target) == (["turn", "turn"], "")
    assert task.filter_sha256 == ("sha-turn", "sha-turn")
    _, effects = jobs.exchange(replace(turn, completed=(_done(task),)), 0.2)
    assert effects == [KickRing("r2")]
    (last,) = _give(jobs, 0.3, cut)
    assert (last.source, last.target) == (f"work/{task.task}", "out")
    _, effects = jobs.exchange(replace(cut, completed=(_done(last),)), 0.4)
    assert [type(effect) for effect in effects] == [Answer, CleanUp]


def test_an_old_attempt_of_a_step_that_is_done_changes_nothing() -> None:
    """An old attempt of a step that is done changes nothing."""
    jobs = Jobs(Policy("m"))
    turn = RingReport("r1", "a", 1, "turn", "t", (LOAD,))
    jobs.exchange(turn, 0.0)
    jobs.submit(_job("j", "turn", "cut"), "out", 0.0)
    (task,) = _give(jobs, 0.1, turn)
    report = replace(turn, completed=(_done(task),))
    jobs.exchange(report, 0.2)
    assert jobs.exchange(report, 0.3) == ([], [])
    assert jobs.health(0.3).queued == 1


def test_the_freer_of_two_rings_with_the_same_filter_gets_more() -> None:
    """The freer of two rings with the same filter gets more."""
    jobs = Jobs(Policy("m", capacity=100))
    busy = RingReport("r1", "a", 1, "turn", "t", (replace(LOAD, cpu_free=0.1),))
    free = RingReport("r2", "b", 1, "turn", "t", (replace(LOAD, node="b"),))
    jobs.exchange(busy, 0.0)
    jobs.exchange(free, 0.0)
    count = {"r1": 0, "r2": 0}
    left: dict[str, list[Task]] = {"r1": [], "r2": []}
    for number in range(60):
        now = number * 0.1
        jobs.submit(_job(f"j{number}", "turn"), "out", now)
        for report in (busy, free):
            finished = left[report.ring] if number % 10 == 0 or report is free else []
            done = replace(report, completed=tuple(_done(task) for task in finished))
            if finished:
                left[report.ring] = []
            running = tuple(task.task for task in left[report.ring])
            tasks = _give(jobs, now, replace(done, running=running))
            left[report.ring] += tasks
            count[report.ring] += len(tasks)
    assert count["r2"] > 4 * count["r1"]


def test_a_better_ring_that_does_not_come_is_not_waited_for() -> None:
    """A better ring that does not come is not waited for."""
    jobs = Jobs(Policy("m"))
    slow = RingReport("r1", "a", 1, "turn", "t", (replace(LOAD, cpu_free=0.1),))
    gone = RingReport("r2", "b", 1, "turn", "t", (replace(LOAD, node="b"),))
    jobs.exchange(slow, 0.0)
    jobs.exchange(gone, 0.0)
    jobs.submit(_job("j", "turn"), "out", 0.0)
    assert jobs.exchange(slow, 0.1) == ([], [KickRing("r2")])
    assert len(_give(jobs, 0.3, slow)) == 1


def test_deadlines_and_withdrawals(jobs: Jobs) -> None:
    """Deadlines and withdrawals."""
    jobs.submit(_job("j", "gray", seconds=1.0), "out", 0.0)
    jobs.submit(_job("k", "gray"), "out", 0.0)
    (late,) = jobs.tick(1.1)
    assert isinstance(late, Refuse)
    assert late.reason == "PLAZO_VENCIDO"
    (withdrawn,) = jobs.cancel("k")
    assert isinstance(withdrawn, Refuse)
    assert jobs.cancel("k") == []
    assert jobs.idle


def test_who_works_on_a_refused_job_is_told(jobs: Jobs) -> None:
    """Withdrawn, or too late; not when the node itself says that it cannot be done."""
    for name in ("withdrawn", "late", "failed"):
        jobs.submit(_job(name, "gray", seconds=5.0), "out.png", 0.0)
    tasks = {task.task.split("/")[0]: task for task in _give(jobs, 0.1)}
    node = tasks["withdrawn"].node
    assert jobs.cancel("withdrawn")[1:] == [CallOff("ring", node, tasks["withdrawn"].task)]
    failed = replace(REPORT, completed=(_done(tasks["failed"], good=False, reason="x"),))
    (refused,) = jobs.exchange(replace(failed, running=(tasks["late"].task,)), 4.9)[1]
    assert isinstance(refused, Refuse)
    assert jobs.tick(5.0)[1:] == [CallOff("ring", tasks["late"].node, tasks["late"].task)]


def test_a_deadline_says_when_no_ring_runs_the_filter() -> None:
    """A deadline says when no ring runs the filter."""
    jobs = Jobs(Policy("m"))
    jobs.submit(_job("j", "gray", seconds=1.0), "out", 0.0)
    (late,) = jobs.tick(1.1)
    assert isinstance(late, Refuse)
    assert "no ring runs the filter gray" in late.detail


def _listen(jobs: Jobs, since: float, until: float) -> dict[str, tuple[float, Refuse]]:
    """Let time pass without a word from any ring; returns who was refused, and when."""
    refused = {}
    for tick in range(round(since * 5) + 1, round(until * 5) + 1):
        for effect in jobs.tick(tick / 5):
            if isinstance(effect, Refuse):
                refused[effect.job] = (tick / 5, effect)
    return refused


def test_when_no_ring_lives_nobody_waits_for_the_deadline(jobs: Jobs) -> None:
    """What is under way waits a little for nodes that come back; later requests hardly."""
    jobs.submit(_job("given", "gray"), "out", 0.0)
    jobs.submit(_job("waiting", "gray"), "out", 0.0)
    jobs.exchange(replace(REPORT, nodes=()), 1.0)
    jobs.ring_lost("ring")
    refused = _listen(jobs, 1.0, 12.0)
    assert {name for name, (at, _) in refused.items() if 9.5 < at < 10.5} == {"given", "waiting"}
    for _, refusal in refused.values():
        assert refusal.reason == "SIN_SERVIDORES"
        assert "no ring lives; start nodes" in refusal.detail
    (at_once,) = jobs.submit(_job("next", "gray"), "out", 60.0)
    assert at_once == Refuse("next", "SIN_SERVIDORES", refused["given"][1].detail)
    jobs.exchange(REPORT, 70.0)
    assert jobs.submit(_job("later", "gray"), "out", 70.1) == [KickRing("ring")]


def test_the_first_request_after_the_last_node_died_is_refused_soon(jobs: Jobs) -> None:
    """Nobody was there to notice before it came."""
    jobs.submit(_job("first", "gray"), "out", 100.0)
    at, refusal = _listen(jobs, 100.0, 110.0)["first"]
    assert (at < 105.0, refusal.reason) == (True, "SIN_SERVIDORES")


def test_a_ring_that_comes_back_is_in_time(jobs: Jobs) -> None:
    """Its nodes are started again by whoever looks after them."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    jobs.ring_lost("ring")
    assert not _listen(jobs, 0.0, 8.0)
    assert [task.task for task in _give(jobs, 8.1, replace(REPORT, epoch=2))] == ["j/0/1"]
    assert not _listen(jobs, 8.1, 12.0)


def test_a_multiserver_that_was_frozen_refuses_nobody_for_it(jobs: Jobs) -> None:
    """It heard nobody, but it did not listen either."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    assert not _listen(jobs, 0.0, 1.0)
    assert not _listen(jobs, 50.0, 51.0)
    assert len(_give(jobs, 51.1)) == 1


def test_a_filter_that_no_ring_runs_any_more_is_not_waited_for() -> None:
    """System B: the ring that ran it has died, or runs another one now; the others live."""
    jobs = Jobs(Policy("m"))
    turn = RingReport("r1", "a", 1, "turn", "t", (LOAD,))
    jobs.exchange(turn, 0.0)
    jobs.submit(_job("j", "cut"), "out", 0.0)
    jobs.submit(_job("k", "turn"), "out", 0.0)
    assert len(_give(jobs, 3.0, turn)) == 1
    refused = _listen(jobs, 3.0, 7.5)
    assert [refusal.detail for _, refusal in refused.values()] == [
        "no ring runs the filter cut any more; assign it to one"
    ]
    assert jobs.submit(_job("l", "turn"), "out", 7.6) == [KickRing("r1")]


def test_a_filters_failure_is_the_jobs_and_a_nodes_is_not(jobs: Jobs) -> None:
    """A filters failure is the jobs and a nodes is not."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    (task,) = _give(jobs, 0.0)
    lacks = _done(task, good=False, reason="SIN_SERVIDORES")
    assert jobs.exchange(replace(REPORT, completed=(lacks,)), 0.1) == ([], [])
    assert jobs.tick(0.3) == [KickRing("ring")]
    (again,) = _give(jobs, 0.3)
    broken = _done(again, good=False, reason="FALLO_DE_FILTRO", detail="it raised ValueError")
    _, (refusal,) = jobs.exchange(replace(REPORT, completed=(broken,)), 0.2)
    assert refusal == Refuse("j", "FALLO_DE_FILTRO", "it raised ValueError")


def test_a_job_that_ends_every_node_is_given_up(jobs: Jobs) -> None:
    """A job that ends every node is given up."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    now = 0.0
    refusals: list[Refuse] = []
    while not refusals and now < 100:
        now += 3
        jobs.tick(now)
        _, effects = jobs.exchange(REPORT, now)
        refusals = [effect for effect in effects if isinstance(effect, Refuse)]
    assert refusals[0].reason == "FALLO_DE_FILTRO"


def test_a_deposed_master_gets_no_work_but_its_completions_count(jobs: Jobs) -> None:
    """A deposed master gets no work but its completions count."""
    jobs.submit(_job("j", "gray"), "out", 0.0)
    (task,) = _give(jobs, 0.0)
    jobs.submit(_job("k", "gray"), "out", 0.0)
    jobs.exchange(replace(REPORT, master="b", epoch=2, running=(task.task,)), 0.1)
    tasks, effects = jobs.exchange(replace(REPORT, completed=(_done(task),)), 0.2)
    assert not tasks
    assert [type(effect) for effect in effects] == [Answer]


def test_a_multiserver_of_system_a_serves_its_own_ring_only() -> None:
    """A multiserver of system a serves its own ring only."""
    jobs = Jobs(Policy("m", only_ring="mine"))
    jobs.submit(_job("j", "gray"), "out", 0.0)
    assert jobs.exchange(REPORT, 0.0) == ([], [])
    assert not jobs.health(0.0).rings
    assert len(_give(jobs, 0.0, replace(REPORT, ring="mine"))) == 1


def test_senseless_jobs_are_refused(jobs: Jobs) -> None:
    """Senseless jobs are refused."""
    for job in (_job("j"), _job("", "gray")):
        (refusal,) = jobs.submit(job, "out", 0.0)
        assert isinstance(refusal, Refuse)
        assert refusal.reason == "PETICION_INVALIDA"
