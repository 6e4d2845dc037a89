"""The service's side of the reader process: starts it when needed, outlives its crashes."""

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from iceflix.runtime.errors import ServiceError
from iceflix.streaming.library import Format

_COMMAND = (sys.executable, "-m", "iceflix.streaming.probe")
_TIMEOUT_SECONDS = 60.0


class BadFile(ServiceError):
    """The file cannot be played. ``lasting``: as long as its bytes stay as they are."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.lasting = lasting


class Prober:
    """One reader process, for one thread at a time."""

    def __init__(
        self, command: Sequence[str] = _COMMAND, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._command = tuple(command)
        self._timeout = timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def examine(self, path: str) -> Format:
        """What the file holds. Raises BadFile."""
        process = self._started()
        try:
            reply = self._ask(process, path)
        except TimeoutError:
            self.close()
            raise BadFile(
                f"the reader did not finish with it in {self._timeout:g} s", lasting=True
            ) from None
        except (EOFError, OSError):
            status = self._reap(process)
            raise BadFile(f"it crashes the reader ({_ending(status)})", lasting=True) from None
        if "format" in reply:
            return Format.from_json(reply["format"])
        raise BadFile(str(reply["problem"]), lasting=bool(reply["lasting"]))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._reap(self._process)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self._reap(self._process)  # the kernel ended it with the thread that had started it
        if self._process is None:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._process

    def _ask(self, process: "subprocess.Popen[bytes]", path: str) -> dict[str, Any]:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        process.stdin.write(json.dumps(path).encode("ascii") + b"\n")
        reply = b""
        deadline = time.monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                if not selector.select(deadline - time.monotonic()):
                    raise TimeoutError
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    raise EOFError
                reply += chunk
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def _reap(self, process: "subprocess.Popen[bytes]") -> int:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        return process.wait()


class ProberPool:
    """As many readers as threads ask at once. ``close`` ends them; more are made when needed."""

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = tuple(command)
        self._idle: queue.LifoQueue[Prober] = queue.LifoQueue()
        self._all: set[Prober] = set()
        self._lock = threading.Lock()

    def examine(self, path: str) -> Format:
        """What the file holds. Raises BadFile."""
        try:
            prober = self._idle.get_nowait()
        except queue.Empty:
            prober = Prober(self._command)
            with self._lock:
                self._all.add(prober)
        try:
            return prober.examine(path)
        finally:
            self._idle.put(prober)

    def close(self) -> None:
        """End all processes; a file that is being read becomes a bad one."""
        with self._lock:
            probers, self._all = self._all, set()
            self._idle = queue.LifoQueue()
        for prober in probers:
            prober.close()


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
