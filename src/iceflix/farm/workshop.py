"""What a node uses to do its tasks: read an image, run filters on it in warm workers, write it.

A task always ends, and ends once: with a result, or with a reason and a sentence. Chains run in
one worker without encoding in between; only a filter that is not a shipped one gets the pixels
handed over to a worker of its own (see sandbox/pool.py).
"""

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar, cast

from iceflix.contract.reasons import FILTER_FAILED, INVALID_REQUEST, UNKNOWN_IMAGE
from iceflix.farm.filters.spec import read_spec
from iceflix.farm.images.container import SUFFIX
from iceflix.farm.images.naming import InvalidPath, intermediate_path
from iceflix.farm.images.store import ImageStore, StoreError
from iceflix.farm.model import Completion, job_of
from iceflix.farm.sandbox.chain import ChainFailed, Step, run_chain
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.sandbox.pool import Pool
from iceflix.farm.sandbox.worker import Worker
from iceflix.runtime.errors import InvalidRequest, ServiceError
from iceflix.runtime.log import get_logger

CANCELLED = "the task was cancelled"

T = TypeVar("T")
_log = get_logger("workshop")


@dataclass(frozen=True)
class CodeStep:
    """One filter to apply: its parameters as typed, its code and that code's SHA-256 (hex)."""

    name: str
    parameters: Mapping[str, str]
    code: bytes
    sha256: str


@dataclass(frozen=True)
class Work:
    """A task: read ``source``, apply the steps in order (F35), write ``target``.

    Paths are relative to the store; an empty target is an intermediate result, which the workshop
    names after the task.
    """

    task: str
    source: str
    target: str
    steps: tuple[CodeStep, ...]


class Failure(ServiceError):
    """A task cannot succeed, for a reason of the contract."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass
class _Task:
    """A task that was submitted; ``worker`` is what it uses now."""

    work: Work
    done: Callable[[Completion], None]
    began: float
    worker: Worker | None = None
    cancelled: bool = False


def _failed(task: "_Task", reason: str, detail: str) -> Completion:
    return Completion(task.work.task, good=False, reason=reason, detail=detail)


class Workshop:
    """Does tasks, so many at once as it has slots. Thread-safe."""

    def __init__(self, store: ImageStore, limits: Limits, slots: int) -> None:
        """Start the first worker. Raises SetupError when filters cannot be shut in here."""
        self._store = store
        self._limits = limits
        self._pool = Pool(limits, slots)
        self._slots = threading.BoundedSemaphore(slots)
        self._lock = threading.Lock()
        self._tasks: dict[str, _Task] = {}
        self._stopped = False
        try:
            self._pool.warm(slots)
        except BaseException:
            self._pool.stop()
            raise

    def submit(self, work: Work, done: Callable[[Completion], None]) -> None:
        """Begin a task; ``done`` is called on a thread of the workshop, exactly once.

        A task that is under way already is not begun again, and this ``done`` is not called.
        """
        task = _Task(work, done, time.monotonic())
        with self._lock:
            if work.task in self._tasks:
                return
            self._tasks[work.task] = task
            task.cancelled = self._stopped
        threading.Thread(target=self._do, args=(task,), name="workshop", daemon=True).start()

    def running(self) -> list[str]:
        """The tasks that have not ended, those that wait for a slot included."""
        with self._lock:
            return list(self._tasks)

    def cancel(self, task: str) -> None:
        """Make a task end soon, as failed; nothing happens if it is not known."""
        with self._lock:
            found = self._tasks.get(task)
            if found is not None:
                found.cancelled = True
                if found.worker is not None:
                    found.worker.stop()

    def stop(self) -> None:
        """Cancel everything and end the workers."""
        with self._lock:
            self._stopped = True
            tasks = list(self._tasks)
        for task in tasks:
            self.cancel(task)
        self._pool.stop()

    def pids(self) -> list[int]:
        """The idle workers' processes, for status and tests."""
        return self._pool.pids()

    def _do(self, task: _Task) -> None:
        try:
            result = self._result(task)
        except Failure as failure:
            result = _failed(task, failure.reason, str(failure))
        except ServiceError as error:
            result = _failed(task, FILTER_FAILED, str(error))
        except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            # The ring waits for an answer, whatever is wrong here.
            _log.exception("a task failed", **_about(task))
            detail = "an internal error; the node's log has more"
            result = _failed(task, FILTER_FAILED, detail)
        with self._lock:
            self._tasks.pop(task.work.task, None)
        try:
            task.done(result)
        except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            # Not ours, and nobody else would see it.
            _log.exception("a task was not taken back", **_about(task))

    def _result(self, task: _Task) -> Completion:
        work = task.work
        steps = tuple(checked_step(step) for step in work.steps)
        target = work.target or intermediate_path(work.task, SUFFIX)
        if _plain(target) == _plain(work.source):
            raise Failure(INVALID_REQUEST, f"the result would replace its source, {work.source}")
        data = self._source(work)
        with self._slots:
            made = self._filtered(task, steps, data, target.endswith(SUFFIX))
        try:
            self._bounded(lambda: self._store.write(target, made))
        except InvalidPath as error:
            raise Failure(INVALID_REQUEST, f"the result cannot be written: {error}") from error
        return Completion(
            work.task,
            produced=target,
            source_sha256=hashlib.sha256(data).hexdigest(),
            result_sha256=hashlib.sha256(made).hexdigest(),
            seconds=time.monotonic() - task.began,
        )

    def _source(self, work: Work) -> bytes:
        # Intermediate results are not compressed, so they may be larger.
        internal = work.source.endswith(SUFFIX)
        limit = self._limits.arena_bytes if internal else self._limits.file_bytes
        try:
            return self._bounded(lambda: self._store.read(work.source, limit))
        except InvalidPath as error:
            raise Failure(UNKNOWN_IMAGE, str(error)) from error
        except InvalidRequest as error:
            raise Failure(INVALID_REQUEST, str(error)) from error

    def _filtered(
        self, task: _Task, steps: tuple[Step, ...], data: bytes, keep_open: bool
    ) -> bytes:
        try:
            return run_chain(
                self._pool, steps, data, keep_open, lambda worker: self._using(task, worker)
            )
        except ChainFailed as error:
            if task.cancelled:
                raise Failure(FILTER_FAILED, CANCELLED) from error
            reason = INVALID_REQUEST if error.bad_image else FILTER_FAILED
            raise Failure(reason, f"{task.work.source}: {error}") from error

    def _bounded(self, operation: Callable[[], T]) -> T:
        """Do something with the store, but not for ever: a share can hang. Raises StoreError."""
        outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def attempt() -> None:
            try:
                outcome.put((operation(), None))
            except BaseException as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
                outcome.put((None, error))

        threading.Thread(target=attempt, name="workshop-store", daemon=True).start()
        try:
            result, error = outcome.get(timeout=self._limits.store_seconds)
        except queue.Empty:
            raise StoreError(
                f"the image folder {self._store.label} did not answer within "
                f"{self._limits.store_seconds:g} s"
            ) from None
        if error is not None:
            raise error
        return cast(T, result)

    @contextlib.contextmanager
    def _using(self, task: _Task, worker: Worker) -> Iterator[None]:
        """Remember which worker a task uses, so that cancelling it can end it."""
        with self._lock:
            if task.cancelled:
                raise Failure(FILTER_FAILED, CANCELLED)
            task.worker = worker
        try:
            yield
        finally:
            with self._lock:
                task.worker = None


def _about(task: _Task) -> dict[str, str]:
    """What a line of the log says of a task."""
    return {"correlation": job_of(task.work.task), "task": task.work.task}


def checked_step(step: CodeStep) -> Step:
    """A step whose code is what it claims to be, with its parameters' values. Raises Failure."""
    if hashlib.sha256(step.code).hexdigest() != step.sha256:
        raise Failure(FILTER_FAILED, f"the code of the filter {step.name} is not the one expected")
    try:
        spec = read_spec(step.name, step.code)
    except InvalidRequest as error:
        raise Failure(FILTER_FAILED, str(error)) from error
    try:
        values = spec.values(step.parameters)
    except InvalidRequest as error:
        raise Failure(INVALID_REQUEST, str(error)) from error
    return Step(step.name, values, step.code, step.sha256)


def _plain(path: str) -> str:
    """A path for comparison; shares may not tell small letters from capital ones."""
    return str(PurePosixPath(path)).casefold()
