"""The driver processes, from the outside."""

import contextlib
import json
import subprocess
import sys
import threading
from typing import Any, Self

from iceflix.farm.compare.plan import LOADS, TROUBLE, Order, Report, Run
from iceflix.runtime.errors import ServiceError

_PATIENCE_SECONDS = 600.0
_END_SECONDS = 30.0


class Driver:
    """An engine in a process of its own. A context manager: started, and ended in the end."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see __exit__
            [sys.executable, "-P", "-m", "iceflix.farm.compare.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        try:
            self._ask(json.dumps(self._order.as_dict()))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_reason: object) -> None:
        # Its input ends, and it stops its engine.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=_END_SECONDS)
        self._process.kill()
        self._process.wait()

    def measure(self, load: str) -> dict[str, Run]:
        """Measure one load. Raises ServiceError."""
        return {name: Run.of(run) for name, run in self._ask(load).items()}

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        guard = threading.Timer(_PATIENCE_SECONDS, self._process.terminate)
        guard.start()
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            guard.cancel()
        if not answer:
            raise ServiceError(f"{self._order.engine}: {self._last_words()}")
        return json.loads(answer)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, said = self._process.communicate(timeout=_END_SECONDS)
            if said.strip():
                return str(said.strip().splitlines()[-1])
        return f"ended, or did not answer within {_PATIENCE_SECONDS:g} s"


def drive(order: Order, *, trouble: bool) -> Report:
    """Have one engine measured once, alone. Raises ServiceError."""
    runs: dict[str, Run] = {}
    with Driver(order) as driver:
        for load in (*LOADS, TROUBLE) if trouble else LOADS:
            runs |= driver.measure(load)
    return Report(order.engine, runs)
