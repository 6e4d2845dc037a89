"""Kill (or freeze) processes of a farm while pictures go through it, and look at every result.

    .venv/bin/python -m bench.farm.kills [--system A] [--jobs 200] [--random 6] [--seed 1]
        [--freeze]    SIGSTOP instead of SIGKILL; they go on eight seconds later

A whole farm of two multiservers and two rings of two nodes, clients that come by the gateway, six
at once, and ask again only when they were told that there are no servers now, or when the gateway
itself is gone. Each role is hit in turn, then whoever holds the token, in either ring, then some at
random; what was killed is started again, as the supervisor would. Every result is compared pixel by
pixel with the same filters run here. Exit code 1: a result is wrong or missing, or a caller waited
longer than it may.
"""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import argparse
import functools
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tests.conftest import Broker, wait_until
from tests.e2e.farm_stage import DEADLINE, Persistent, Whole
from tests.integration.ring_stage import reference

from iceflix.contract import Ice
from iceflix.farm.filters.parse import parse_filters

CHAINS = {
    "A": ("rotate90", "denoise", "crop:left=0.5", "invert"),
    "B": ("rotate90", "invert", "rotate90"),
}
ROLES = ("gateway", "central", "multiserver1", "filteradmin", "useradmin", "auth")
_SIZE = (200, 300)
_CALLERS = 6
_FROZEN_SECONDS = 8.0
_LONGEST_SECONDS = DEADLINE + 6


class Trouble:
    """Hits one process after the other, and brings it back."""

    def __init__(self, stage: Whole, dice: random.Random, *, freeze: bool) -> None:
        self._stage = stage
        self._dice = dice
        self._freeze = freeze
        self.hits: list[str] = []

    def plan(self, count: int) -> list[Callable[[], str]]:
        """Whom to hit, found out when it is time."""
        plan: list[Callable[[], str]] = [functools.partial(str, role) for role in ROLES]
        plan += [lambda: self._stage.master("ring1"), lambda: self._stage.others("ring2")[0]]
        plan += [lambda: self._holder("ring1"), lambda: self._holder("ring2")]
        plan += [self._anyone] * count
        return plan

    def strike(self, find: Callable[[], str]) -> None:
        """Hit it; killed ones are started again at once, frozen ones go on later."""
        name = find()
        self.hits.append(name)
        if self._freeze:
            self._stage.signal(name, signal.SIGSTOP)
            time.sleep(_FROZEN_SECONDS)
            self._stage.signal(name, signal.SIGCONT)
            return
        self._stage.kill(name)
        process = self._stage.restart(name)
        self._stage.farm.wait_ready([process], 60)

    def _anyone(self) -> str:
        return self._dice.choice(sorted(self._stage.processes))

    def _holder(self, ring: str) -> str:
        """A node that is not master and has just seen the newest token; else the master."""
        master = self._stage.master(ring)
        for _ in range(200):
            seen = self._stage.tokens(ring)
            newest = max((token.key, token.passes, name) for name, token in seen.items())[-1]
            if newest != master:
                return newest
        return master


def main() -> int:
    """Run and print a report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--system", choices=["A", "B"], default="A")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--random", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--freeze", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="iceflix-kills-") as folder:
        broker = Broker(Path(folder) / "storm")
        broker.start()
        stage = Whole(Path(folder) / "home", broker)
        try:
            return _run(stage, given)
        finally:
            stage.close()
            broker.stop()


class _Errands:
    """All pictures, brought by six callers; how long each took."""

    def __init__(self, names: Sequence[str], ask: Callable[[str], str]) -> None:
        self._rest = list(names)
        self._ask = ask
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._caller) for _ in range(_CALLERS)]
        self.results: list[str] = []
        self.seconds: list[float] = []
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether there is more to come."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for the last one."""
        for thread in self._threads:
            thread.join()

    def _caller(self) -> None:
        while True:
            with self._lock:
                if not self._rest:
                    return
                name = self._rest.pop(0)
            began = time.monotonic()
            result = self._ask(name)
            with self._lock:
                self.results.append(result)
                self.seconds.append(time.monotonic() - began)


def _run(stage: Whole, given: argparse.Namespace) -> int:
    stage.whole(given.system, (2, 2, 2), images=given.jobs, size=_SIZE)
    if given.system == "B":
        stage.administrator.assign(stage.key, "ring1", "rotate90")
        stage.administrator.assign(stage.key, "ring2", "invert")
        wait_until(lambda: set(stage.gateway.getFilters()) == {"rotate90", "invert"}, 20)
    client, chain = Persistent(stage), CHAINS[given.system]
    trouble = Trouble(stage, random.Random(given.seed), freeze=given.freeze)  # noqa: S311
    names = [f"p{number}.png" for number in range(given.jobs)]
    began = time.monotonic()
    errands = _Errands(names, lambda name: client.ask(name, chain))
    plan = trouble.plan(given.random)
    for number, find in enumerate(plan, start=1):
        due = given.jobs * number // (len(plan) + 1)
        while len(errands.results) < due and errands.alive:
            time.sleep(0.01)
        trouble.strike(find)
    errands.join()
    print(f"{time.monotonic() - began:.1f} s in all")
    return _report(stage, errands, client, trouble, given)


def _report(
    stage: Whole,
    errands: _Errands,
    client: Persistent,
    trouble: Trouble,
    given: argparse.Namespace,
) -> int:
    results = errands.results
    wrong = _wrong(stage, results, CHAINS[given.system])
    rings = all(_one_token(stage, ring) for ring in ("ring1", "ring2"))
    how = "frozen" if given.freeze else "killed"
    print(f"system {given.system}: {given.jobs} jobs; {how}: {' '.join(trouble.hits)}")
    print(f"results: {len(results)}, of them wrong: {len(wrong)} {' '.join(wrong)}")
    print(
        f"files beyond them: {len(set(stage.results()) - set(results))}; one token a ring: {rings}"
    )
    print(
        f"a picture: {statistics.median(errands.seconds):.2f} s (median), "
        f"{max(errands.seconds):.2f} s (slowest); longest call {client.longest:.2f} s; "
        f"asked again {client.repeated} times"
    )
    whole = len(results) == given.jobs and sorted(results) == stage.results()
    return 0 if whole and not wrong and rings and client.longest < _LONGEST_SECONDS else 1


def _wrong(stage: Whole, results: Sequence[str], chain: Sequence[str]) -> list[str]:
    """Results whose pixels are not those that the filters give here."""
    folder = stage.farm.home / "images"
    wrong = []
    for result in results:
        expected = cv2.imread(str(folder / f"{result.split('__')[0]}.png"))
        made = cv2.imread(str(folder / result))
        assert expected is not None, f"{result} has no source"
        for step in parse_filters(chain):
            expected = reference(step, expected)
        if made is None or not np.array_equal(made, expected):
            wrong.append(result)
    return wrong


def _one_token(stage: Whole, ring: str) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if stage.one_token(ring, 2):
                return True
        except Ice.LocalException:
            pass
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main())
