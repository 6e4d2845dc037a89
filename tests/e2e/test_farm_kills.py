"""kill -9 of each role in turn while pictures go through: every result right, none twice (F37)."""

import collections
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import cv2
import numpy as np
import pytest

from iceflix.contract import IceFlix
from iceflix.farm.filters.parse import parse_filters
from iceflix.farm.launch import Start
from tests.conftest import Broker, Eventually
from tests.e2e.farm_stage import DEADLINE, Persistent, Whole
from tests.integration.ring_stage import reference

pytestmark = [pytest.mark.slow, pytest.mark.serial]
CHAIN = ("rotate90", "crop:left=0.5", "invert")
IMAGES = 72


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, broker: Broker) -> Iterator[Whole]:
    stage = Whole(tmp_path / "home", broker)
    yield stage
    stage.close()


def _names(count: int) -> list[str]:
    return [f"p{number}.png" for number in range(count)]


def _right(stage: Whole, results: Sequence[str], chain: Sequence[str]) -> None:
    """One result for each picture, with the pixels that the filters give here; nothing else."""
    folder = stage.farm.home / "images"
    assert max(collections.Counter(results).values()) == 1
    for result in results:
        expected = cv2.imread(str(folder / f"{result.split('__')[0]}.png"))
        made = cv2.imread(str(folder / result))
        assert expected is not None and made is not None, result
        for step in parse_filters(chain):
            expected = reference(step, expected)
        assert np.array_equal(made, expected), result
    assert stage.results() == sorted(results)


def _some(futures: "list[Future[str]]", count: int) -> bool:
    return sum(future.done() for future in futures) >= count


def _kill_in_turn(stage: Whole, roles: Sequence[str], chain: Sequence[str]) -> None:
    """While a client asks for one picture after the other."""
    client = Persistent(stage)
    with client.stream(_names(IMAGES), chain) as futures:
        for number, role in enumerate(roles):
            wait = (number + 1) * IMAGES // (len(roles) + 2)
            deadline = time.monotonic() + 40
            while not _some(futures, wait) and time.monotonic() < deadline:
                time.sleep(0.01)
            stage.kill(role)
            stage.farm.wait_ready([stage.restart(role)], 30)
        results = [future.result(90) for future in futures]
    _right(stage, results, chain)
    assert client.longest < DEADLINE + 6


def test_system_a_without_each_of_its_processes(stage: Whole, eventually: Eventually) -> None:
    """One after the other is killed, the token's holder included, and comes back."""
    stage.whole("A", 2, 2, 2, images=IMAGES)
    master = stage.master("ring1")
    roles = ["gateway", "central", "multiserver1", master, stage.others("ring2")[0]]
    _kill_in_turn(stage, [*roles, "filteradmin", "useradmin", "auth"], CHAIN)
    for ring in ("ring1", "ring2"):
        eventually(lambda r=ring: stage.one_token(r, 2), 20)


def test_system_b_without_each_of_its_processes(stage: Whole, eventually: Eventually) -> None:
    """The same where a picture goes from ring to ring."""
    stage.whole("B", 2, 2, 2, images=IMAGES)
    stage.administrator.assign(stage.key, "ring1", "rotate90")
    stage.administrator.assign(stage.key, "ring2", "invert")
    eventually(lambda: set(stage.gateway.getFilters()) == {"rotate90", "invert"}, 10)
    roles = [stage.master("ring1"), "multiserver2", stage.others("ring2")[0], "central"]
    _kill_in_turn(stage, roles, ("rotate90", "invert", "rotate90"))
    for ring in ("ring1", "ring2"):
        eventually(lambda r=ring: stage.one_token(r, 2), 20)
