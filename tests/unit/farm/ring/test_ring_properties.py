"""What holds in a ring whatever happens to its nodes and its network (F35, F36, F37).

A schedule of crashes, pauses, partitions, losses and jobs is played; then the trouble ends, and
soon there is exactly one token, every node takes part in it, and every job was answered once.
"""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceflix.farm.model import FilterCode
from iceflix.farm.multiserver.effects import Answer
from iceflix.farm.multiserver.jobs import Policy
from iceflix.farm.ring.settings import SYSTEM_B
from tests.unit.farm.ring.simulator import World

NAMES = "ABCDE"
CHAINS = [("turn", "cut"), ("cut", "turn"), ("gray",), ("turn", "turn", "cut")]


@dataclass(frozen=True)
class Happening:
    """After ``pause`` seconds, something happens to a node."""

    pause: float
    what: str
    node: int
    chain: int


HAPPENINGS = st.builds(
    Happening,
    st.sampled_from([0.0005, 0.002, 0.03, 0.4, 1.7]),
    st.sampled_from(["kill", "pause", "resume", "cut", "heal", "job", "job", "job", "join"]),
    st.integers(0, 4),
    st.integers(0, 3),
)


def _apply(world: World, happening: Happening, number: int) -> None:
    name = NAMES[happening.node]
    node = world.nodes.get(name)
    if happening.what == "job":
        world.submit("m", f"j{number}", CHAINS[happening.chain])
    elif happening.what == "join":
        world.join(f"N{number}")
    elif happening.what == "heal":
        world.heal()
    elif node is None or not node.alive:
        return
    elif happening.what == "kill" and len(world.live()) > 1:
        world.kill(name)
    elif happening.what == "pause" and not node.paused:
        world.pause(name)
    elif happening.what == "resume" and node.paused:
        world.resume(name)
    elif happening.what == "cut":
        world.cut(name)


def _settle(world: World) -> None:
    """The trouble ends."""
    world.network.loss = world.network.duplication = 0.0
    world.heal()
    for name, node in list(world.nodes.items()):
        if node.paused and node.alive:
            world.resume(name)
    world.run(25)


def _check(world: World) -> None:
    live = tuple(world.live())
    assert len(world.tokens()) == 1, (world.tokens(), world.records.notes[-20:])
    assert len(world.masters()) == 1
    assert all(world.nodes[name].member.last_seen.members == live for name in live)
    lately = [token for at, _, token in world.records.taken if at > world.now - 2.5]
    passes = [token.passes for token in lately if token.ring == "ring"]
    assert passes == sorted(set(passes))
    for job, outcomes in world.records.outcomes.items():
        assert len(outcomes) == 1, (job, outcomes)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(HAPPENINGS, max_size=25),
    st.sampled_from([0.0, 0.0, 0.05]),
    st.sampled_from([0.0, 0.2]),
)
def test_system_a_survives(
    seed: int, happenings: list[Happening], loss: float, duplication: float
) -> None:
    """One token in the end, no job lost, none answered twice, filters in order."""
    world = World(seed)
    world.serve("m", Policy("m", only_ring="ring"))
    for name in NAMES:
        world.join(name)
    world.run(3)
    world.network.loss, world.network.duplication = loss, duplication
    chains = {}
    for number, happening in enumerate(happenings):
        world.run(happening.pause)
        _apply(world, happening, number)
        if happening.what == "job":
            chains[f"j{number}"] = CHAINS[happening.chain]
    _settle(world)
    _check(world)
    assert world.records.outcomes.keys() == chains.keys()
    for job, chain in chains.items():
        (outcome,) = world.records.outcomes[job]
        assert isinstance(outcome, Answer), outcome
        assert world.records.images[outcome.result.image] == chain


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(HAPPENINGS, max_size=15))
def test_system_b_keeps_the_order(seed: int, happenings: list[Happening]) -> None:
    """Two rings, two multiservers: a step begins when the one before it has ended (F43)."""
    world = World(seed, SYSTEM_B)
    world.serve("m")
    world.serve("n")
    world.assigned = {"ring": FilterCode("turn", "1", b"t"), "other": FilterCode("cut", "2", b"c")}
    for name in NAMES[:3]:
        world.join(name)
        world.join(f"other-{name}", "other")
    world.run(4)
    chains = {}
    for number, happening in enumerate(happenings):
        world.run(happening.pause)
        if happening.what != "job":
            _apply(world, happening, number)
        elif (chain := CHAINS[happening.chain]) != ("gray",):
            chains[f"j{number}"] = chain
            world.submit("mn"[number % 2], f"j{number}", chain)
    _settle(world)
    _check(world)
    assert len(world.tokens(ring="other")) == 1
    for job, chain in chains.items():
        (outcome,) = world.records.outcomes[job]
        assert isinstance(outcome, Answer), outcome
        assert world.records.images[outcome.result.image] == chain
        assert outcome.result.filter_sha256 == () or len(outcome.result.filter_sha256) == len(chain)
