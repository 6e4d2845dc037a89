"""One engine, in a process of its own: started, measured whenever it is asked to, ended.

    python -m iceflix.farm.compare.driver    orders on standard input, answers on standard output

A process of its own, for an engine that is loaded slows the others in the same process down, and
for its processor time is then that of this process and its descendants.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from iceflix.farm.compare.engines import DaskEngine, Engine, PoolEngine
from iceflix.farm.compare.farms import FarmEngine
from iceflix.farm.compare.local import result_of
from iceflix.farm.compare.meter import measure
from iceflix.farm.compare.plan import WINDOW, Order, Run
from iceflix.runtime.errors import ServiceError, SetupError

_RUN_SECONDS = 120.0
_WARM_SECONDS = 60.0  # a try
_TRIES_SECONDS = 90.0
_PROGRESS = 4  # trouble comes when one image in so many is done


class Bench:
    """Measures one engine on the images of one folder."""

    def __init__(self, engine: Engine, images: Path) -> None:
        self._engine = engine
        self._images = images

    def warm_up(self, images: Sequence[str]) -> None:
        """Have some images done, whatever the engine says at first. Raises SetupError."""
        deadline = time.monotonic() + _TRIES_SECONDS
        while True:
            futures = [self._engine.submit(image) for image in images]
            futures += [self._engine.single(image) for image in images[:2]]
            wait(futures, _WARM_SECONDS)
            wrong = [future for future in futures if not future.done() or future.exception()]
            if not wrong:
                self._remove(images)
                return
            if time.monotonic() > deadline:
                why = wrong[0].exception() if wrong[0].done() else "no answer"
                raise SetupError(f"no work is done: {' '.join(str(why).split())}")
            time.sleep(0.2)

    def bulk(self, images: Sequence[str], trouble: Callable[[], object] | None = None) -> Run:
        """Have images done, some at once; ``trouble`` is made on the way."""
        gate = threading.Semaphore(WINDOW)
        latencies: list[float] = []
        futures: list[Future[Any]] = []
        enough = threading.Event()

        def ended(future: "Future[Any]", began: float) -> None:
            if not future.exception():
                latencies.append(time.monotonic() - began)
            if len(latencies) >= len(images) // _PROGRESS:
                enough.set()
            gate.release()

        def hand_in() -> None:
            for image in images:
                # pylint: disable-next=consider-using-with  # the result's arrival releases it
                if not gate.acquire(timeout=_RUN_SECONDS):
                    return
                began = time.monotonic()
                try:
                    future = self._engine.submit(image)
                except RuntimeError as error:  # a pool that is broken takes no more work
                    future = Future()
                    future.set_exception(error)
                futures.append(future)
                future.add_done_callback(lambda done, at=began: ended(done, at))  # type: ignore[misc]

        return self._timed(images, latencies, lambda: self._all(hand_in, futures, enough, trouble))

    def one_by_one(self, images: Sequence[str]) -> Run:
        """Have images done, each when the one before is."""
        latencies: list[float] = []

        def all_of_them() -> None:
            for image in images:
                began = time.monotonic()
                with contextlib.suppress(Exception):
                    self._engine.single(image).result(_RUN_SECONDS)
                    latencies.append(time.monotonic() - began)

        return self._timed(images, latencies, all_of_them)

    def _all(
        self,
        hand_in: Callable[[], None],
        futures: "list[Future[Any]]",
        enough: threading.Event,
        trouble: Callable[[], object] | None,
    ) -> None:
        thread = threading.Thread(target=hand_in, daemon=True)
        thread.start()
        if trouble is not None and enough.wait(_RUN_SECONDS):
            trouble()
        thread.join(_RUN_SECONDS)
        wait(futures, _RUN_SECONDS)

    def _timed(
        self, images: Sequence[str], latencies: list[float], action: Callable[[], None]
    ) -> Run:
        before, began = measure(), time.monotonic()
        action()
        seconds, after = time.monotonic() - began, measure()
        digest, missing = self._digest(images)
        self._remove(images)
        return Run(
            seconds,
            tuple(sorted(latencies)),
            after.cpu - before.cpu,
            after.read - before.read,
            after.written - before.written,
            after.sent - before.sent if after.sent >= 0 else -1,
            max(missing, len(images) - len(latencies)),
            digest,
        )

    def _digest(self, images: Sequence[str]) -> tuple[str, int]:
        whole, missing = hashlib.sha256(), 0
        for image in images:
            try:
                data = (self._images / result_of(image)).read_bytes()
            except FileNotFoundError:
                data, missing = b"", missing + 1
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest(), missing

    def _remove(self, images: Sequence[str]) -> None:
        for image in images:
            (self._images / result_of(image)).unlink(missing_ok=True)


def serve(order: Order, wanted: Iterable[str], say: Callable[[object], None]) -> None:
    """Start an engine, then measure what is asked for, line by line. Raises SetupError."""
    folder, workload = Path(order.folder), order.workload
    images = folder / "images"
    engine = _engine(order.engine, folder, images)
    began = time.monotonic()
    try:
        engine.start()
        seconds = time.monotonic() - began
        bench = Bench(engine, images)
        bench.warm_up(workload.small.images[:8])
        say(seconds)
        loads: dict[str, Callable[[], dict[str, Run]]] = {
            "large": lambda: {"large": bench.bulk(workload.large.images)},
            "small": lambda: {"small": bench.bulk(workload.small.images)},
            "tiny": lambda: {"tiny": bench.one_by_one(workload.tiny.images)},
            "trouble": lambda: _troubled(bench, engine, workload.small.images),
        }
        for line in wanted:
            say({name: run.as_dict() for name, run in loads[line.strip()]().items()})
    finally:
        engine.stop()


def _engine(name: str, folder: Path, images: Path) -> Engine:
    if name == "pool":
        return PoolEngine(str(images))
    if name == "dask":
        return DaskEngine(str(images))
    return FarmEngine(name, str(images), folder / f"home-{name}-{os.getpid()}")


def _troubled(bench: Bench, engine: Engine, images: Sequence[str]) -> dict[str, Run]:
    """Kill a worker; farms, which say that they can, bear a frozen one, too."""
    victim = engine.victim()
    runs = {}
    if isinstance(engine, FarmEngine):
        runs["frozen"] = bench.bulk(images, lambda: os.kill(victim, signal.SIGSTOP))
        os.kill(victim, signal.SIGCONT)
        engine.settle()
        victim = engine.victim()
    return runs | {"killed": bench.bulk(images, lambda: os.kill(victim, signal.SIGKILL))}


def main() -> int:
    """The order on the first line, then one load a line; an answer for each, and one before."""
    order = Order.of(json.loads(sys.stdin.readline()))
    try:
        serve(order, sys.stdin, lambda answer: print(json.dumps(answer), flush=True))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
