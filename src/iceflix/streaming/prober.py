"""The service's side of the reader process: starts it when needed, outlives its crashes."""

import json
import os
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
        self._killed = threading.Event()

    def examine(self, path: str) -> Format:
        """What the file holds. Raises BadFile."""
        process = self._started()
        if self._killed.is_set():
            process.kill()
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

    def kill(self) -> None:
        """End the question that another thread is asking, for good; that thread gets BadFile."""
        self._killed.set()
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process. Not while another thread asks."""
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
        self._lock = threading.Lock()
        self._idle: list[Prober] = []
        self._busy: set[Prober] = set()

    def examine(self, path: str) -> Format:
        """What the file holds. Raises BadFile."""
        with self._lock:
            prober = self._idle.pop() if self._idle else Prober(self._command)
            self._busy.add(prober)
        try:
            return prober.examine(path)
        finally:
            with self._lock:
                wanted = prober in self._busy
                self._busy.discard(prober)
                if wanted:
                    self._idle.append(prober)
            if not wanted:  # closed in the meantime
                prober.close()

    def close(self) -> None:
        """End all processes; a file that is being looked into becomes a bad one."""
        with self._lock:
            idle, self._idle = self._idle, []
            busy, self._busy = self._busy, set()
        for prober in busy:
            prober.kill()
        for prober in idle:
            prober.close()


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
