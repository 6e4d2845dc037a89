"""The engines that are not farms: a pool of processes, and Dask distributed."""

import importlib
import importlib.util
import logging
import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Protocol

from iceflix.farm.compare.local import run_chain
from iceflix.farm.compare.plan import WORKERS
from iceflix.runtime.errors import SetupError

INSTALL = "pip install --require-hashes -r requirements-bench.lock"


def dask_is_here() -> bool:
    """Whether Dask distributed is installed."""
    return importlib.util.find_spec("distributed") is not None


class Engine(Protocol):
    """A way to have images filtered. Use it as a context manager around everything."""

    def start(self) -> None:
        """Be ready for work. Raises SetupError."""

    def submit(self, image: str) -> "Future[Any]":
        """Have one image filtered."""

    def single(self, image: str) -> "Future[Any]":
        """The same by the longest way that there is, from a client's door on."""

    def victim(self) -> int:
        """The number of a process that works, to be killed or frozen."""

    def stop(self) -> None:
        """End everything; safe in any state."""


class PoolEngine:
    """``concurrent.futures``: as fast as it gets, for it does nothing but hand out work."""

    def __init__(self, images: str) -> None:
        self._images = images
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Start the processes."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([run_chain.__module__])
        self._pool = ProcessPoolExecutor(WORKERS, context)

    def submit(self, image: str) -> "Future[Any]":
        """Have one image filtered."""
        assert self._pool is not None
        return self._pool.submit(run_chain, self._images, image)

    single = submit

    def victim(self) -> int:
        """Whichever worker is free first."""
        assert self._pool is not None
        return self._pool.submit(os.getpid).result(30)

    def stop(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class DaskEngine:
    """Dask's scheduler and workers on this machine, with its defaults, one thread each."""

    def __init__(self, images: str) -> None:
        self._images = images
        self._cluster: Any = None
        self._client: Any = None

    def start(self) -> None:
        """Start scheduler and workers. Raises SetupError when Dask is not installed."""
        try:
            distributed = importlib.import_module("distributed")
        except ImportError as error:
            raise SetupError(
                f"Dask is not installed; install it with: {INSTALL} (or leave it out: "
                "--engines pool,A,B)"
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._cluster = distributed.LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
        )
        self._client = distributed.Client(self._cluster, set_as_default=False)
        self._client.wait_for_workers(WORKERS, timeout=60)

    def submit(self, image: str) -> "Future[Any]":
        """Have one image filtered."""
        future: Future[Any] = Future()
        # "pure" results would be remembered instead of made again.
        inner = self._client.submit(run_chain, self._images, image, pure=False)

        def ended(done: Any) -> None:
            if done.status == "finished":
                future.set_result(None)
            else:
                future.set_exception(RuntimeError(f"dask: {done.status}"))

        inner.add_done_callback(ended)
        return future

    single = submit

    def victim(self) -> int:
        """One of the workers."""
        pids: dict[str, int] = self._client.run(os.getpid)
        return next(iter(pids.values()))

    def stop(self) -> None:
        """End everything."""
        for part in (self._client, self._cluster):
            if part is not None:
                part.close(timeout=10)
