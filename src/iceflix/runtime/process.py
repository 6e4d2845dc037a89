"""What a process says of itself to the operating system."""

import contextlib
import ctypes
import json
import os
import resource
import signal
import time
from pathlib import Path

import psutil

from iceflix.runtime.files import atomic_write

_PR_SET_PDEATHSIG = 1
_LOGS_KEPT = 20


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Have the kernel signal this process when its parent ends (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def become_helper() -> None:
    """For a helper process of a service: end with it, and take signals as usual again."""
    die_with_parent(signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def allow_many_files() -> None:
    """Raise the limit of open files to what the system allows: a connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def port_owner(port: int) -> str | None:
    """Who listens on a TCP port here: ``python3 (process 123)``; None if it cannot be told."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.laddr[1:] != (port,):
                continue
            if connection.pid is None:
                return "a process of another user"
            return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return None


class RunFiles:
    """``run/<service>-<id>.pid`` and, with more about it, ``.json``; both go when it ends."""

    def __init__(self, home: Path, kind: str, identifier: str) -> None:
        self._folder = home / "run"
        self._kind = kind
        self._pid = self._folder / f"{kind}-{identifier}.pid"
        self._facts = self._pid.with_suffix(".json")
        self._identifier = identifier

    def write(self, proxy: str) -> None:
        """Say that the service is ready. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        facts = {
            "kind": self._kind,
            "id": self._identifier,
            "pid": os.getpid(),
            "proxy": proxy,
            "started": time.time(),
        }
        atomic_write(self._facts, json.dumps(facts).encode() + b"\n", 0o644)
        atomic_write(self._pid, f"{os.getpid()}\n".encode(), 0o644)

    def remove(self) -> None:
        """Take both away."""
        for file in (self._pid, self._facts):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what killed processes of this kind left behind."""
        for file in self._folder.glob(f"{self._kind}-*.pid"):
            with contextlib.suppress(OSError, ValueError):
                if not psutil.pid_exists(int(file.read_text(encoding="ascii"))):
                    file.unlink(missing_ok=True)
                    file.with_suffix(".json").unlink(missing_ok=True)


def proxies(home: Path, kind: str) -> list[str]:
    """The proxies, as text, of the services of a kind that run here, the newest first."""
    found = []
    for file in (home / "run").glob(f"{kind}-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts = json.loads(file.read_bytes())
            if psutil.pid_exists(int(facts["pid"])):
                found.append((float(facts["started"]), str(facts["proxy"])))
    return [proxy for _, proxy in sorted(found, reverse=True)]


def sweep_logs(folder: Path, kind: str) -> None:
    """Keep the newest log files of a kind of service."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob(f"{kind}-*.log*"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_LOGS_KEPT]:
            file.unlink(missing_ok=True)
