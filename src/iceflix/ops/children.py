"""Processes that cannot outlive us and whose words are always read."""

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_CHUNK_BYTES = 65536
_LINE_BYTES = 2000
_LINES_KEPT = 20


class Child:
    """One process and its group, started anew as often as wanted. Lives in one event loop.

    It has a session of its own, so that Ctrl-C on our terminal is ours alone, and the kernel
    kills it when we die, however we die.
    """

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: asyncio.Future[int] | None = None
        self._pending = b""
        self.last_lines: deque[str] = deque(maxlen=_LINES_KEPT)

    @property
    def pid(self) -> int | None:
        """Its process number while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self, command: Sequence[str], folder: Path | None = None) -> None:
        """Start it. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._pending = b""
        self.last_lines.clear()
        process = subprocess.Popen(  # pylint: disable=consider-using-with  # reaped in _reap
            ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        self._process, self._ended = process, loop.create_future()
        os.set_blocking(process.stdout.fileno(), False)
        loop.add_reader(process.stdout.fileno(), self._read, process)
        death = os.pidfd_open(process.pid)
        loop.add_reader(death, self._reap, process, death)

    async def ended(self) -> int:
        """Wait for its end; returns its exit code, negative for a signal."""
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and whatever it started; nothing when it has ended."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read(self, process: subprocess.Popen[bytes]) -> bool:
        """Take what there is; returns whether there may be more."""
        assert process.stdout is not None
        try:
            chunk = os.read(process.stdout.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            asyncio.get_running_loop().remove_reader(process.stdout.fileno())
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        if len(self._pending) > _LINE_BYTES or not chunk:
            lines.append(self._pending)
            self._pending = b""
        for line in lines:
            long = len(line) > _LINE_BYTES  # its ends say most
            kept = line[: _LINE_BYTES // 2] + line[-_LINE_BYTES // 2 :] if long else line
            text = kept.decode(errors="replace").rstrip()
            if text:
                self.last_lines.append(text)
                self._said(text)
        return bool(chunk)

    def _reap(self, process: subprocess.Popen[bytes], death: int) -> None:
        """The process has ended: so do its helpers; then take its last words and its code."""
        assert process.stdout is not None and self._ended is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(death)
        os.close(death)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        while self._read(process):
            pass
        loop.remove_reader(process.stdout.fileno())
        process.stdout.close()
        self._process = None
        self._ended.set_result(code)
