"""kill -9 of each role in turn while pictures go through: every result right, none twice (F37)."""

# pylint: disable=no-member  # the functions of cv2 live in its binary

import collections
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from iceflix.farm.filters.parse import parse_filters
from tests.conftest import Broker, Eventually, wait_until
from tests.e2e.farm_stage import DEADLINE, Persistent, Whole
from tests.integration.ring_stage import reference

pytestmark = [pytest.mark.slow, pytest.mark.serial]
CHAIN = ("rotate90", "denoise", "crop:left=0.5", "invert")
BATCH = 8
SIZE = (200, 300)


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, broker: Broker) -> Iterator[Whole]:
    stage = Whole(tmp_path / "home", broker)
    yield stage
    stage.close()


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


def _kill_in_turn(stage: Whole, roles: Sequence[str], chain: Sequence[str]) -> None:
    """Each while pictures go through; it is started again as the supervisor would."""
    client = Persistent(stage)
    results: list[str] = []
    for number, role in enumerate(roles):
        names = [f"p{number * BATCH + each}.png" for each in range(BATCH)]
        with client.stream(names, chain) as futures:
            wait_until(lambda f=futures: any(each.done() for each in f), 30)  # type: ignore[misc]
            stage.kill(role)
            stage.restart(role)
            results += [future.result(60) for future in futures]
    stage.farm.wait_ready([stage.processes[role] for role in roles], 30)
    assert len(results) == BATCH * len(roles)
    _right(stage, results, chain)
    assert client.longest < DEADLINE + 6


def test_system_a_without_each_of_its_processes(stage: Whole, eventually: Eventually) -> None:
    """One after the other is killed, the token's holder included, and comes back."""
    stage.whole("A", (2, 2, 2), images=8 * BATCH, size=SIZE)
    master = stage.master("ring1")
    roles = ["gateway", "central", "multiserver1", master, stage.others("ring2")[0]]
    _kill_in_turn(stage, [*roles, "filteradmin", "useradmin", "auth"], CHAIN)
    for ring in ("ring1", "ring2"):
        eventually(lambda r=ring: stage.one_token(r, 2), 20)


def test_system_b_without_each_of_its_processes(stage: Whole, eventually: Eventually) -> None:
    """The same where a picture goes from ring to ring."""
    stage.whole("B", (2, 2, 2), images=5 * BATCH, size=SIZE)
    stage.administrator.assign(stage.key, "ring1", "rotate90")
    stage.administrator.assign(stage.key, "ring2", "invert")
    eventually(lambda: set(stage.gateway.getFilters()) == {"rotate90", "invert"}, 10)
    roles = [stage.master("ring1"), "multiserver2", stage.others("ring2")[0], "central"]
    roles.append("filteradmin")
    _kill_in_turn(stage, roles, ("rotate90", "invert", "rotate90"))
    for ring in ("ring1", "ring2"):
        eventually(lambda r=ring: stage.one_token(r, 2), 20)
