"""Who gets the next task (F33)."""

from collections import Counter

from iceflix.farm.model import NodeLoad
from iceflix.farm.ring.placement import Seat, place, seats
from tests.unit.farm.ring.simulator import World


def _spread(loads: list[NodeLoad], tasks: int, held: int = 3) -> Counter[str]:
    """Place tasks while the oldest of ``held`` end."""
    running: list[str] = []
    got: Counter[str] = Counter()
    while tasks:
        ages = {("r", node): [0.0] * running.count(node) for node in running}
        seat = place(seats({"r": loads}, ages), 0.05)
        if seat is not None and len(running) < held:
            running.append(seat.load.node)
            got[seat.load.node] += 1
            tasks -= 1
        else:
            running.pop(0)
    return got


def test_equal_nodes_share_equally() -> None:
    """Equal nodes share equally."""
    got = _spread([NodeLoad(name) for name in "abc"], 90)
    assert max(got.values()) - min(got.values()) <= 2


def test_a_node_loaded_to_the_full_gets_less_than_a_tenth() -> None:
    """A node loaded to the full gets less than a tenth."""
    loads = [NodeLoad("a", cpu_free=0.03), NodeLoad("b"), NodeLoad("c")]
    for held in (1, 3, 6, 20):
        assert _spread(loads, 200, held)["a"] < 20


def test_a_node_alone_gets_everything_however_loaded() -> None:
    """A node alone gets everything however loaded."""
    assert _spread([NodeLoad("a", cpu_free=0.0)], 10)["a"] == 10


def test_latency_decides_between_equally_free_nodes() -> None:
    """Latency decides between equally free nodes."""
    loads = [NodeLoad("far", hop_seconds=0.03), NodeLoad("near", hop_seconds=0.001)]
    assert _spread(loads, 20, held=1) == {"near": 20}


def test_more_slots_get_more() -> None:
    """More slots get more."""
    loads = [NodeLoad("big", cpu_free=4, slots=4), NodeLoad("small")]
    got = _spread(loads, 100, held=5)
    assert got["big"] > 2.5 * got["small"]


def test_a_node_without_memory_is_left_alone() -> None:
    """A node without memory is left alone."""
    loads = [NodeLoad("poor", free_bytes=50 << 20), NodeLoad("rich")]
    assert _spread(loads, 20, held=1) == {"rich": 20}


def test_waiting_for_the_best_is_better_than_the_worst() -> None:
    """Waiting for the best is better than the worst."""
    fast = Seat("r", NodeLoad("fast"), given=3)
    slow = Seat("r", NodeLoad("slow", cpu_free=0.05), given=0)
    assert fast.full
    assert place([fast, slow], 0.05) is None
    assert place([], 0.05) is None


def test_a_short_task_does_not_wait_behind_a_long_one() -> None:
    """F16: whoever works at one for seconds will go on; what is measured may look otherwise."""
    busy, idle = NodeLoad("busy", cpu_free=0.25, running=1), NodeLoad("idle", cpu_free=0.0)
    for age, chosen in ((3.0, "idle"), (0.001, "busy")):
        seat = place(seats({"r": [busy, idle]}, {("r", "busy"): [age]}), 0.1)
        assert seat is not None and seat.load.node == chosen


def test_in_a_ring_the_loaded_node_gets_less_than_a_tenth() -> None:
    """In a ring the loaded node gets less than a tenth."""
    world = World(3)
    world.serve("m")
    for name in "ABC":
        world.join(name)
    world.nodes["A"].member.bench.measured(NodeLoad("A", cpu_free=0.0))
    world.run(6)
    for number in range(100):
        world.submit("m", f"j{number}", ["gray"])
        world.run(0.005)
    world.run(5)
    started = Counter(node for _, node, _ in world.records.started)
    assert sum(started.values()) == 100
    assert started["A"] < 10
