"""Where and when something is measured."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.page import Setting
from iceflix.contract import Ice

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "var" / "bench"  # what is made once and kept: videos, compiled programs


class BenchError(Exception):
    """Something cannot be measured; a sentence for a person."""


def say(text: str) -> None:
    """Tell the person who waits what goes on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def end_cleanly() -> None:
    """Let signals end this process so that what it started is ended too."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def need(program: str, package: str) -> str:
    """The path of a program. Raises BenchError naming the Debian package that brings it."""
    found = shutil.which(program)
    if found is None:
        raise BenchError(f"{program} is missing; `bench/run --install` brings it ({package})")
    return found


def setting(began: float, load_before: float, quick: bool) -> Setting:
    """Describe this moment; ``began``: monotonic time, seconds."""
    return Setting(
        time.strftime("%Y-%m-%d %H:%M"),
        _commit(),
        _machine(),
        (load_before, os.getloadavg()[0]),
        time.monotonic() - began,
        {"Python": platform.python_version(), "Ice": Ice.stringVersion(), **_versions()},
        quick,
    )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gigabytes = psutil.virtual_memory().total / 2**30
    model = f" ({models[0]})" if models else ""
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} processors{model}, {gigabytes:.0f} GB, Linux {kernel}"


def _commit() -> str:
    described = _said(["git", "-C", str(ROOT), "describe", "--always", "--dirty=+changes"])
    return described or "unknown"


def _versions() -> dict[str, str]:
    packages = {"GStreamer": "libgstreamer1.0-0", "FFmpeg": "ffmpeg", "VLC": "vlc-bin"}
    found = {}
    for name, package in packages.items():
        version = _said(["dpkg-query", "-W", "-f", "${Version}", package])
        if version:
            found[name] = version
    return found


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
