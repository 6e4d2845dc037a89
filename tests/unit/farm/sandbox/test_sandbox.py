"""The sandbox's parts: limits, the filter of system calls, one worker."""

import contextlib
import hashlib
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.farm.filters import library
from iceflix.farm.sandbox import seccomp
from iceflix.farm.sandbox.limits import FULL, Limits
from iceflix.farm.sandbox.pool import SHIPPED, Pool
from iceflix.farm.sandbox.worker import Call, Worker, WorkerFailed
from iceflix.runtime.errors import ServiceError, SetupError
from iceflix.runtime.settings import Settings

SMALL = Limits(seconds=20, megabytes=128, pixels=1_000_000, file_bytes=4_000_000)
INVERT = hashlib.sha256(library.code("invert")).hexdigest()


@pytest.fixture(name="worker")
def worker_fixture() -> Iterator[Worker]:
    """A worker."""
    worker = Worker(SMALL)
    yield worker
    worker.close()


def test_limits_come_from_the_properties(tmp_path: Path) -> None:
    """Limits come from the properties."""
    limits = Limits.of(Settings.of(tmp_path, {"Farm.MaxPixels": "5", "Farm.FilterSeconds": "2.5"}))
    assert (limits.pixels, limits.seconds, limits.isolation) == (5, 2.5, FULL)
    assert limits == Limits(pixels=5, seconds=2.5)
    assert limits.arena_bytes > limits.file_bytes
    with pytest.raises(SetupError, match="must be full or reduced"):
        Limits(isolation="none")


def test_the_filter_of_system_calls_is_a_program() -> None:
    """The filter of system calls is a program."""
    with_files, without = seccomp.program(may_open=True), seccomp.program(may_open=False)
    assert len(with_files) % 8 == 0
    assert len(without) % 8 == 0
    assert with_files != without
    for forbidden in ("socket", "clone", "fork", "execve", "kill", "ptrace", "openat", "ioctl"):
        assert forbidden not in seccomp.ALLOWED


@pytest.mark.slow
def test_a_worker_applies_a_filter_to_bare_pixels(worker: Worker) -> None:
    """A worker applies a filter to bare pixels."""
    worker.load("invert", library.code("invert"), INVERT)
    shape = (2, 3, 3)
    size = worker.put(bytes(range(math.prod(shape))))
    seen: list[int] = []
    call = Call("pixels", [(INVERT, {})], "pixels", size, shape, "uint8")
    answer = worker.run(call, seen.append)
    assert seen == [0, 1, 2]
    assert answer.shape == shape
    assert worker.take(answer) == bytes(255 - value for value in range(math.prod(shape)))
    assert worker.usable


@pytest.mark.slow
def test_what_does_not_fit_is_refused(worker: Worker) -> None:
    """What does not fit is refused."""
    with pytest.raises(WorkerFailed, match="more bytes than are allowed"):
        worker.put(bytes(SMALL.arena_bytes), b"x")
    assert worker.usable


@pytest.mark.slow
def test_a_stopped_worker_says_so(worker: Worker) -> None:
    """A stopped worker says so."""
    worker.stop()
    with pytest.raises(WorkerFailed) as caught:
        worker.run(Call("file", [], "file", worker.put(b"x")))
    assert (caught.value.kind, caught.value.lost) == ("stopped", True)
    assert not worker.usable
    worker.kill()


@pytest.mark.slow
def test_starting_and_ending_leaves_nothing_open() -> None:
    """Starting and ending leaves nothing open."""
    Worker(SMALL).close()
    before = set(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        Worker(SMALL).close()
    assert set(Path("/proc/self/fd").iterdir()) == before


def failing(pool: Pool, owner: str, lost: bool) -> Worker:
    """Borrow a worker and have a call fail."""
    borrowed = []
    with contextlib.suppress(WorkerFailed), pool.worker(owner) as worker:
        borrowed.append(worker)
        raise WorkerFailed("filter", "for the test", lost=lost)
    return borrowed[0]


@pytest.mark.slow
def test_the_pool_lends_by_owner_and_keeps_a_few() -> None:
    """The pool lends by owner and keeps a few."""
    pool = Pool(SMALL, 1)
    try:
        with pool.worker(SHIPPED) as first:
            pass
        with pool.worker(SHIPPED) as again:
            assert again is first
        for owner in ("a", "b", "c"):
            with pool.worker(owner) as other:
                assert other is not first
        assert len(pool.pids()) == 3
        assert not first.usable
        workers = failing(pool, "a", lost=True), failing(pool, "b", lost=False)
        assert [worker.usable for worker in workers] == [False, True]
    finally:
        pool.stop()
    assert [worker.usable for worker in workers] == [False, False]
    with pytest.raises(ServiceError, match="closing"), pool.worker(SHIPPED):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(("mount", "asked"), [("--bind", True), ("--ro-bind", False)])
def test_a_container_may_not_turn_namespaces_off(mount: str, asked: bool) -> None:
    """Engines mount /proc/sys read-only; bubblewrap would refuse to start with the option then."""
    program = "from iceflix.farm.sandbox import bubblewrap; print(bubblewrap.command('{}'))"
    inside = ["bwrap", "--dev-bind", "/", "/", mount, "/proc/sys", "/proc/sys"]
    said = subprocess.run(
        [*inside, sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert ("--disable-userns" in said) is asked
    assert "--unshare-user" in said
