"""A node's hands: tasks from the ring become work for the workshop; how it ended goes back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from iceflix.contract.reasons import FILTER_FAILED
from iceflix.farm.model import Completion, FilterCode, Task, job_of
from iceflix.farm.node.code import CodeSource
from iceflix.farm.workshop import CodeStep, Work
from iceflix.runtime.errors import Denial
from iceflix.runtime.log import get_logger

_log = get_logger(__name__)


class Bench(Protocol):
    """What is used of the workshop."""

    def submit(self, work: Work, done: Callable[[Completion], None]) -> None:
        """Begin; ``done`` is called exactly once."""

    def cancel(self, task: str) -> None:
        """Make a task end soon; nothing happens if it is not known."""

    def stop(self) -> None:
        """End everything."""


class Hands:
    """Looks filters up and hands tasks to the workshop, on one thread of its own."""

    def __init__(self, workshop: Bench, codes: CodeSource) -> None:
        self._workshop = workshop
        self._codes = codes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hands")

    def store(self, code: FilterCode) -> None:
        """Verify and keep a filter, before the tasks that come after it."""
        self._later(lambda: self._codes.store(code))

    def compare(self) -> None:
        """Have a look at the filters on disk."""
        self._later(self._codes.compare)

    def start(self, task: Task, done: Callable[[Completion], None]) -> None:
        """Do a task; ``done`` is called exactly once."""
        self._later(lambda: self._start(task, done))

    def cancel(self, task: str) -> None:
        """Stop a task that was begun; its ``done`` is called all the same."""
        self._later(lambda: self._workshop.cancel(task))

    def stop(self) -> None:
        """End, without waiting for what is under way."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._workshop.stop()

    def _later(self, action: Callable[[], None]) -> None:
        try:
            self._thread.submit(action)
        except RuntimeError:
            _log.debug("stopped; task left out")

    def _start(self, task: Task, done: Callable[[Completion], None]) -> None:
        try:
            work = self._work(task)
        except Denial as error:
            done(_refused(task, error.reason, str(error)))
            return
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            about = {"correlation": job_of(task.task), "task": task.task}
            _log.exception("a task could not be begun", **about)
            done(_refused(task, FILTER_FAILED, "an internal error; the node's log has more"))
            return
        digests = tuple(step.sha256 for step in work.steps)
        self._workshop.submit(work, lambda result: done(_completion(task, result, digests)))

    def _work(self, task: Task) -> Work:
        wanted = task.filter_sha256 or ("",) * len(task.steps)
        steps = []
        for step, sha256 in zip(task.steps, wanted, strict=True):
            code = self._codes.find(step.filter, sha256)
            steps.append(CodeStep(step.filter, step.parameters, code.code, code.sha256))
        return Work(task.task, task.source, task.target, tuple(steps))


def _refused(task: Task, reason: str, detail: str) -> Completion:
    return Completion(task.task, task.multiserver, good=False, reason=reason, detail=detail)


def _completion(task: Task, result: Completion, digests: tuple[str, ...]) -> Completion:
    return replace(
        result,
        task=task.task,
        multiserver=task.multiserver,
        filter_sha256=digests,
    )
