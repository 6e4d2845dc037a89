"""Tasks become work, and every task has one end."""

import queue
from collections.abc import Callable

from iceflix.contract.reasons import UNKNOWN_FILTER
from iceflix.farm.model import Completion, FilterCode, Step, Task
from iceflix.farm.node.hands import Hands
from iceflix.farm.workshop import Work
from iceflix.runtime.errors import Denial


class Bench:
    """A workshop that ends everything at once."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.cancelled: queue.SimpleQueue[str] = queue.SimpleQueue()

    def submit(self, work: Work, done: Callable[[Completion], None]) -> None:
        """End it."""
        self.works.append(work)
        done(Completion(work.task, produced=work.target, source_sha256="s", seconds=0.5))

    def cancel(self, task: str) -> None:
        """Take note."""
        self.cancelled.put(task)

    def stop(self) -> None:
        """Nothing to stop."""


class Codes:
    """Knows gray; is itself broken for broken."""

    def store(self, code: FilterCode) -> None:
        """Nothing is kept."""

    def compare(self) -> None:
        """Nothing to compare."""

    def find(self, name: str, _sha256: str) -> FilterCode:
        """The code."""
        if name == "broken":
            raise RuntimeError(name)
        if name != "gray":
            raise Denial(UNKNOWN_FILTER, f"there is no filter {name}")
        return FilterCode(name, "sha", b"code")


def _end(name: str, bench: Bench) -> Completion:
    ends: queue.SimpleQueue[Completion] = queue.SimpleQueue()
    task = Task("j/0/1", "m", "n", "a.png", "b.png", (Step(name, {"x": "1"}),))
    Hands(bench, Codes()).start(task, ends.put)
    end = ends.get(timeout=5)
    assert ends.empty()
    return end


def test_a_task_becomes_work_and_its_result_a_completion() -> None:
    """A task becomes work and its result a completion."""
    bench = Bench()
    end = _end("gray", bench)
    work = bench.works[0]
    assert (work.source, work.target, work.steps[0].parameters) == ("a.png", "b.png", {"x": "1"})
    assert end == Completion(
        "j/0/1", "m", produced="b.png", source_sha256="s", seconds=0.5, filter_sha256=("sha",)
    )


def test_a_filter_that_is_not_there_ends_the_task_with_the_reason() -> None:
    """A filter that is not there ends the task with the reason."""
    end = _end("nope", Bench())
    assert (end.good, end.reason, end.detail) == (False, UNKNOWN_FILTER, "there is no filter nope")


def test_a_fault_of_ours_ends_the_task_too() -> None:
    """A fault of ours ends the task too."""
    end = _end("broken", Bench())
    assert (end.good, end.reason) == (False, "FALLO_DE_FILTRO")


def test_a_task_that_is_called_off_is_cancelled() -> None:
    """After it has begun, not before."""
    bench = Bench()
    hands = Hands(bench, Codes())
    hands.start(Task("j/0/1", "m", "n", "a.png", "b.png", (Step("gray"),)), lambda _end: None)
    hands.cancel("j/0/1")
    assert bench.cancelled.get(timeout=5) == "j/0/1"
    assert len(bench.works) == 1
