"""A launcher running in the background, as a user or a script would run it."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.conftest import ROOT, free_port, wait_until

STOP_SECONDS = 8.0  # 5 are promised; the machine may be busy


class Ports:
    """Ports of one's own for Main and IceStorm, as properties."""

    def __init__(self) -> None:
        self.main = free_port()
        self.storm = free_port()

    @property
    def main_proxy(self) -> str:
        """Main."""
        return f"IceFlix/Main:tcp -h 127.0.0.1 -p {self.main}"

    @property
    def storm_proxy(self) -> str:
        """The topic manager."""
        return f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {self.storm}"

    @property
    def properties(self) -> list[str]:
        """For any launcher."""
        return [
            f"--Main.Endpoints=tcp -p {self.main}",
            f"--Client.Main={self.main_proxy}",
            f"--IceStorm.TopicManager.Proxy={self.storm_proxy}",
            "--Farm.System=off",
        ]


class Launched:
    """A launcher, what it says line by line, and the processes below it."""

    def __init__(self, home: Path, name: str, *arguments: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # see close
            [ROOT / name, *arguments],
            env={**os.environ, "ICEFLIX_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._seen: set[psutil.Process] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that it said."""
        return "\n".join(self.lines)

    def wait_line(self, beginning: str, seconds: float = 30.0) -> str:
        """The first line that begins so; fails when it does not come, or the process ends."""

        def there() -> bool:
            if any(line.startswith(beginning) for line in self.lines):
                return True
            assert self.process.poll() is None, f"it ended without {beginning!r}:\n{self.text}"
            return False

        wait_until(there, seconds, f"{beginning!r} in:\n{self.text}")
        return next(line for line in self.lines if line.startswith(beginning))

    def children(self) -> list[psutil.Process]:
        """The processes below it, remembered for ``orphans``."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        self._seen |= set(found)
        return found

    def orphans(self) -> list[psutil.Process]:
        """Those of its processes that are still there."""
        return [
            process
            for process in self._seen
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal it, wait at most as long as it may take; returns the exit code."""
        self.children()
        self.process.send_signal(number)
        return self.ended(STOP_SECONDS)

    def ended(self, seconds: float = 30.0) -> int:
        """Wait for its end; returns the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.process.poll() is None:
                self.children()
        for process in self.orphans():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # a test may close it
            for line in self.process.stdout:
                self.lines.append(line.rstrip("\n"))


@contextlib.contextmanager
def launched(home: Path, name: str, *arguments: str) -> Iterator[Launched]:
    """A launcher for the time of a test."""
    running = Launched(home, name, *arguments)
    try:
        yield running
    finally:
        running.close()
