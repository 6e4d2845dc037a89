"""One worker process, as its host sees it."""

import contextlib
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from iceflix.farm.sandbox import bubblewrap, seccomp
from iceflix.farm.sandbox.limits import FULL, Limits
from iceflix.runtime.errors import ServiceError, SetupError

START_SECONDS = 30.0
MAX_MESSAGE = 128 * 1024
_MAX_TEXT = 600
_KEPT_PAGES = 128 * 1024 * 1024  # what the arena may hold on to between two calls
# What reading an answer can raise that was made to confuse us
_NONSENSE = (ValueError, TypeError, KeyError, OverflowError, RecursionError)
_SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class WorkerFailed(ServiceError):
    """A call did not succeed. ``kind``: image, filter, limit, died or stopped.

    ``stage``: 0 decodes, 1.. are steps; the worker is of no use any more when it is ``lost``.
    """

    def __init__(self, kind: str, text: str, stage: int = 0, lost: bool = False) -> None:
        super().__init__(text)
        self.kind = kind
        self.stage = stage
        self.lost = lost


@dataclass(frozen=True)
class Call:
    """What a worker shall do with what lies in its arena; see guest.py for the words."""

    source: str
    steps: Sequence[tuple[str, Mapping[str, object]]]  # SHA-256 and values
    result: str
    size: int = 0
    shape: tuple[int, ...] = ()
    dtype: str = ""


@dataclass(frozen=True)
class Answer:
    """Where the result lies in the arena: from its start, so many bytes."""

    size: int
    shape: tuple[int, ...] = ()
    dtype: str = ""


class Worker:
    """A sandboxed process. One thread at a time may call; ``kill`` may come from any."""

    def __init__(self, limits: Limits) -> None:
        """Start it and wait until it is ready. Raises SetupError.

        The calling thread must outlive it: the kernel kills it when that thread ends.
        """
        self._limits = limits
        self._loaded: set[str] = set()
        self._stopped = False
        self._used = 0
        memory = os.memfd_create("arena", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            os.ftruncate(memory, limits.arena_bytes)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            self.arena = mmap.mmap(memory, limits.arena_bytes)
            self._channel, self._process = _start(limits, memory)
        finally:
            os.close(memory)

    @property
    def pid(self) -> int:
        """The process id of the sandbox (of what is inside, with reduced isolation)."""
        return self._process.pid

    def load(self, name: str, code: bytes, sha256: str) -> None:
        """Make a filter known to it, unless it is. Raises WorkerFailed."""
        if sha256 in self._loaded:
            return
        self.put(code)
        self._exchange({"load": sha256, "name": name, "size": len(code)}, lambda stage: None)
        self._loaded.add(sha256)

    @property
    def usable(self) -> bool:
        """Whether it has not ended or been stopped."""
        return not self._stopped and self._process.poll() is None

    def put(self, *parts: bytes | memoryview) -> int:
        """Copy into the arena, one after another; returns the bytes. Raises WorkerFailed."""
        size = sum(len(part) for part in parts)
        if size > len(self.arena):
            raise WorkerFailed("image", "has more bytes than are allowed")
        self._used = max(self._used, size)
        position = 0
        for part in parts:
            self.arena[position : position + len(part)] = part
            position += len(part)
        return size

    def take(self, answer: Answer) -> bytes:
        """Copy a result out of the arena."""
        return self.arena[: answer.size]

    def run(self, call: Call, progress: Callable[[int], None] = lambda stage: None) -> Answer:
        """Work on what is in the arena. Raises WorkerFailed."""
        request = {
            "input": call.source,
            "size": call.size,
            "shape": call.shape,
            "dtype": call.dtype,
            "steps": [{"sha256": sha256, "values": dict(values)} for sha256, values in call.steps],
            "output": call.result,
        }
        reply = self._exchange(request, progress, stages=len(call.steps) + 2)
        try:
            answer = Answer(
                int(reply["size"]), tuple(reply.get("shape", ())), reply.get("dtype", "")
            )
        except _NONSENSE as error:
            raise self._lost("filter", "sent an answer that makes no sense", 0) from error
        if not 0 < answer.size <= len(self.arena):
            raise self._lost("filter", "sent an answer that makes no sense", 0)
        self._used = max(self._used, answer.size)
        return answer

    def tidy(self) -> None:
        """Give the arena's memory back after a large image."""
        if self._used > _KEPT_PAGES:
            self.arena.madvise(mmap.MADV_REMOVE)
            self._used = 0

    def stop(self) -> None:
        """Make a call that is under way fail as "stopped", and end the process."""
        self._stopped = True
        self.kill()

    def kill(self) -> None:
        """End it and all that is in it; safe to repeat."""
        with contextlib.suppress(OSError):
            self._process.send_signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill and forget it. Not during a call."""
        self.kill()
        self._process.wait()
        self._channel.close()
        self.arena.close()

    def _exchange(
        self, request: dict[str, Any], progress: Callable[[int], None], stages: int = 1
    ) -> dict[str, Any]:
        """Send a request, follow its stages, return its reply. Raises WorkerFailed."""
        seconds = self._limits.seconds
        stage = 0
        text = json.dumps({**request, "seconds": int(seconds * stages) + 1}).encode("ascii")
        try:
            self._channel.send(text)
            for _ in range(stages + 1):
                reply = self._receive(seconds)
                if "stage" not in reply:
                    break
                stage = min(int(reply["stage"]), stages)
                progress(stage)
        except TimeoutError:
            raise self._lost("limit", f"took longer than {seconds:g} s", stage) from None
        except (OSError, *_NONSENSE):
            raise self._lost("died", self._epitaph(), stage) from None
        if "error" in reply:
            raise WorkerFailed(str(reply["error"]), _plain(reply.get("text")), stage)
        if "stage" in reply:
            raise self._lost("filter", "sent answers that make no sense", stage)
        return reply

    def _receive(self, seconds: float) -> dict[str, Any]:
        self._channel.settimeout(seconds)
        message = self._channel.recv(MAX_MESSAGE)
        if not message:
            raise ConnectionError
        reply = json.loads(message)
        if not isinstance(reply, dict):
            raise TypeError
        return reply

    def _lost(self, kind: str, text: str, stage: int) -> WorkerFailed:
        self.kill()
        return WorkerFailed("stopped" if self._stopped else kind, text, stage, lost=True)

    def _epitaph(self) -> str:
        """What the process died of, as the rest of a sentence."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "sent an answer that makes no sense"
        number = -code if code < 0 else code - 128
        if number == signal.SIGXCPU:
            return "took more processor time than is allowed"
        if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL):
            return f"crashed ({signal.Signals(number).name})"
        return "ended its process" if number < 0 else "was killed"


def _plain(text: object) -> str:
    """Text from inside, fit for a log and a terminal."""
    shown = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return shown[:_MAX_TEXT]


def _start(limits: Limits, memory: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    program = seccomp.program(may_open=limits.isolation == FULL)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rules = os.memfd_create("rules", os.MFD_CLOEXEC)
    try:
        with theirs, tempfile.TemporaryFile() as complaints:
            os.write(rules, program)
            os.lseek(rules, 0, os.SEEK_SET)
            setting = {
                "channel": theirs.fileno(),
                "arena": memory,
                "seccomp": rules,
                "sandboxed": limits.isolation == FULL,
                "parent": os.getpid(),
                "arena_bytes": limits.arena_bytes,
                "memory_bytes": limits.memory_bytes,
                "pixels": limits.pixels,
                "keep_metadata": limits.keep_metadata,
            }
            process = _spawn(setting, limits, complaints)
            theirs.close()
            _await_ready(ours, process, complaints, limits)
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(rules)
    return ours, process


def _spawn(
    setting: dict[str, Any], limits: Limits, complaints: IO[bytes]
) -> subprocess.Popen[bytes]:
    text = json.dumps(setting)
    full = limits.isolation == FULL
    command = bubblewrap.command(text) if full else bubblewrap.plain_command(text)
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return subprocess.Popen(
            command,
            stdin=nothing,  # becomes standard output as well, once it is ready
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=(setting["channel"], setting["arena"], setting["seccomp"]),
            env=bubblewrap.ENVIRONMENT,
            cwd="/",
        )
    finally:
        os.close(nothing)


def _await_ready(
    channel: socket.socket,
    process: subprocess.Popen[bytes],
    complaints: IO[bytes],
    limits: Limits,
) -> None:
    """Wait for the first message. Raises SetupError that says why there was none."""
    channel.settimeout(START_SECONDS)
    began = time.monotonic()
    try:
        message = channel.recv(MAX_MESSAGE)
    except TimeoutError:
        message = b""
    if message == b'{"ready": true}':
        return
    process.kill()
    process.wait()
    complaints.seek(0)
    lines = _plain(complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2])
    waited = f"no sign of life within {time.monotonic() - began:.0f} s"
    if limits.isolation == FULL:
        raise SetupError(
            f"bubblewrap cannot shut filters in on this machine ({lines or waited}); allow user "
            "namespaces (sysctl user.max_user_namespaces, or the container's security options), "
            "or set Farm.Isolation=reduced to do with resource limits and a filter of system calls"
        )
    raise SetupError(f"a worker for filters cannot start: {lines or waited}")
