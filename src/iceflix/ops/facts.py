"""What running services wrote about themselves: ``run/<service>-<id>.json`` under the home."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_CLOCK_SLACK_SECONDS = 2.0


@dataclass(frozen=True)
class Facts:
    """One service process: its kind, id, process number, proxy, start (seconds of the epoch)."""

    kind: str
    identifier: str
    pid: int
    proxy: str
    started: float
    file: Path

    @property
    def alive(self) -> bool:
        """Whether that process is still there, and is not another one with its number."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.create_time() <= self.started + _CLOCK_SLACK_SECONDS
            )
        return False


def read_all(home: Path) -> list[Facts]:
    """All that can be read; stale ones too."""
    found = []
    for file in sorted((home / "run").glob("*-*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            entry = json.loads(file.read_bytes())
            found.append(
                Facts(
                    str(entry["kind"]),
                    str(entry["id"]),
                    int(entry["pid"]),
                    str(entry["proxy"]),
                    float(entry["started"]),
                    file,
                )
            )
    return found
