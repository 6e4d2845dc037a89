"""The whole platform, started as a user starts it, on ports and in a home of its own."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, environment, free_port, wait_until


class Platform:
    """``run_iceflix`` in the background."""

    def __init__(self, home: Path, *more: str) -> None:
        self.home = home
        self.main = f"IceFlix/Main:tcp -h 127.0.0.1 -p {free_port()}"
        self.topic_manager = f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {free_port()}"
        self.properties = [
            f"--Main.Endpoints={self.main.partition(':')[2]}",
            f"--IceStorm.TopicManager.Proxy={self.topic_manager}",
            "--Farm.System=off",
            *more,
        ]
        self.output: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return environment(self.home)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # see stop
            [str(ROOT / "run_iceflix"), *self.properties],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: any(line.startswith("Main: ") for line in self.output), 60, "Main: ...")

    def stop(self) -> int:
        """Stop it as Ctrl-C does; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(20)

    def command(self, name: str) -> str:
        """Make a script that runs a launcher or command line against this platform."""
        script = self.home / f"{Path(name).name}.sh"
        arguments = " ".join(f"'{value}'" for value in self.properties[1:])
        lines = ["#!/bin/sh", f"export ICEFLIX_HOME='{self.home}'"]
        lines.append(f"exec '{ROOT / name}' {arguments} \"$@\"")
        script.write_text("\n".join([*lines, ""]))
        script.chmod(0o755)
        return str(script)

    def pid(self, kind: str) -> int:
        """The process id of a service, as its pid file says."""
        (file,) = (self.home / "run").glob(f"{kind}-*.pid")
        return int(file.read_text())

    def processes(self) -> list[psutil.Process]:
        """The launcher, and all that it started."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(self._process.pid)
            return [launcher, *launcher.children(recursive=True)]
        return []

    def close(self) -> None:
        """End it whatever state it is in."""
        if self._process is None:
            return
        family = self.processes()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.poll() is None:
                self.stop()
        self._process.kill()
        self._process.wait()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self._reader is not None
        self._reader.join(10)

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.output.append(line.rstrip("\n"))


@pytest.fixture(name="platform")
def _platform(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A running platform with the sample video and the demonstration user.

    As it comes, unless the test is parametrized with properties of its own.
    """
    platform = Platform(tmp_path / "home", *getattr(request, "param", ()))
    platform.home.mkdir()
    try:
        platform.start()
        yield platform
    finally:
        platform.close()
