"""What an idle farm costs: processor time of every process of it, and wake-ups.

    .venv/bin/python bench/farm/idle.py [--seconds 60] [--system A] [--rings 2] [--nodes 3]
        [--Key.Name=value ...]    properties of all processes

Starts a farm of its own (two rings of three nodes) with an IceStorm of its own in a temporary
folder, lets it come to rest, and counts.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from iceflix.contract import Ice
from iceflix.farm.compare.storm import Storm
from iceflix.farm.launch import Farm, Plan
from iceflix.runtime.communicator import split_arguments

_REST_SECONDS = 25.0


def main() -> None:
    """Measure and print a line for each kind of process."""
    parser = argparse.ArgumentParser(description="Measure an idle farm.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--system", default="A")
    parser.add_argument("--rings", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=3)
    chosen, rest = split_arguments(sys.argv[1:])
    given = parser.parse_args(rest)
    with tempfile.TemporaryDirectory(prefix="iceflix-idle-") as folder:
        home, ice = Path(folder), Ice.initialize([])
        storm, farm = Storm(home / "storm"), Farm(home)
        try:
            storm.start(ice)
            servers = given.rings if given.system == "A" else 2
            plan = Plan(given.system, servers, given.rings, given.nodes)
            properties = {
                "IceStorm.TopicManager.Proxy": storm.proxy,
                "Gateway.Naming": "127.0.0.1:0",
                **chosen,
            }
            farm.wait_ready(farm.start(plan, properties), 60)
            time.sleep(_REST_SECONDS)
            _measure({p.pid: p.kind for p in farm.processes()}, given.seconds)
        finally:
            farm.stop()
            storm.stop()
            ice.destroy()


def _measure(kinds: dict[int, str], seconds: float) -> None:
    before = _readings(kinds)
    began = time.monotonic()
    time.sleep(seconds)
    after, passed = _readings(kinds), time.monotonic() - began
    total = 0.0
    print(f"{'':14}{'processes':>10}{'% of a core':>13}{'wake-ups/s':>12}")
    for kind in sorted(set(kinds.values())):
        pids = [pid for pid, of in kinds.items() if of == kind]
        cpu = sum(after[pid][0] - before[pid][0] for pid in pids) / passed * 100
        wakes = sum(after[pid][1] - before[pid][1] for pid in pids) / passed
        total += cpu
        print(f"{kind:14}{len(pids):>10}{cpu:>13.2f}{wakes:>12.1f}")
    print(
        f"{'all':14}{len(kinds):>10}{total:>13.2f}   (machine's load {psutil.getloadavg()[0]:.1f})"
    )


def _readings(kinds: dict[int, str]) -> dict[int, tuple[float, int]]:
    """Processor seconds and wake-ups of each process, its helpers' included."""
    found: dict[int, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for pid in kinds:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            cpu, wakes = found[pid]
            wakes += sum(_switches(process.pid, thread.id) for thread in process.threads())
            found[pid] = (cpu + _nanoseconds(process), wakes)
    return found


def _nanoseconds(process: psutil.Process) -> float:
    """Processor seconds, finely: the usual figures count in hundredths."""
    tasks = Path(f"/proc/{process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def _switches(pid: int, thread: int) -> int:
    status = Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("voluntary_ctxt"))
    return int(line.split()[1])


if __name__ == "__main__":
    main()
