"""Medians, ratios, goals; the page and its charts."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from math import isnan

import pytest

from iceflix.farm.compare.charts import bars
from iceflix.farm.compare.page import BEGIN, END, Setting, charts, into, page
from iceflix.farm.compare.plan import FULL, QUICK, Order, Report, Run
from iceflix.farm.compare.summary import (
    Figure,
    Goal,
    disagreements,
    goals,
    moved,
    over,
    per_image,
    percentile,
    rate,
    ratio,
    speed,
)

RUN = Run(2.0, (0.1, 0.2, 0.3, 0.4), 1.0, 1000, 500, 250, 0, "aa")
SETTING = Setting("2026-01-02", 2, (0.5, 1.5))


def _report(engine: str, seconds: float = 2.0, trouble: bool = True) -> Report:
    run = replace(RUN, seconds=seconds)
    runs = {"large": run, "small": run, "tiny": run}
    if trouble:
        runs["killed"] = replace(run, latencies=(0.1, 0.2, 0.3, 1.4))
    if trouble and engine in ("A", "B"):
        runs["frozen"] = replace(run, latencies=(0.1, 0.2, 0.3, 6.4))
    return Report(engine, runs)


def _rounds() -> list[dict[str, Report]]:
    return [
        {"pool": _report("pool", slow), "A": _report("A", 2 * slow), "dask": _report("dask", 6.0)}
        for slow in (1.0, 2.0, 3.0)
    ]


def test_figures_of_a_run() -> None:
    """Rates, percentiles, bytes."""
    assert rate(RUN) == 2.0
    assert (percentile(RUN, 0.5), percentile(RUN, 0.95), percentile(RUN, 1.0)) == (0.3, 0.4, 0.4)
    assert isnan(percentile(replace(RUN, latencies=()), 0.5))
    assert moved(RUN) == 1750
    assert moved(replace(RUN, sent=-1)) == 1500
    assert per_image(RUN, 8.0) == 2.0
    assert per_image(replace(RUN, latencies=()), 8.0) == 8.0


def test_ratios_are_taken_within_a_round() -> None:
    """What slows a whole round down does not show."""
    assert over(_rounds(), "pool", speed("large")) == Figure(2.0, 4 / 3, 4.0)
    assert ratio(_rounds(), "A", "pool", speed("large")) == 0.5


def test_goals() -> None:
    """Those that the engines tell, reached or missed."""
    found = {goal.what: goal for goal in goals(_rounds())}
    assert not found["System A, large images: speed by pool's"].reached
    assert found["System A, small images: speed by Dask's"].got == pytest.approx(1.5)
    assert found["System A: added to one small request"].reached
    assert found["System A: delay of the slowest image, node killed"].got == pytest.approx(1.0)
    assert not found["System A: delay of the slowest image, node hung"].reached
    assert not goals([{"pool": _report("pool")}])
    assert Goal("x", 1.0, 1.0).reached and Goal("x", 1.0, 1.0, at_least=False).reached


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("large", "System A, large images: speed by Dask's"),
        ("tiny", "System A: added to one small request"),
        ("killed", "System A: delay of the slowest image, node killed"),
        ("small", "System A: delay of the slowest image, node killed"),
    ],
)
def test_a_goal_needs_all_results(name: str, what: str) -> None:
    """Those that came were quick; those that did not come are not counted as such."""
    rounds = [
        {name: _report(name, 1.0) for name in ("pool", "A")} | {"dask": _report("dask", 6.0)}
        for _ in range(2)
    ]
    assert {goal.what: goal for goal in goals(rounds)}[what].reached
    runs = rounds[1]["A"].runs
    rounds[1]["A"] = Report("A", {**runs, name: replace(runs[name], failed=50)})
    missed = {goal.what: goal for goal in goals(rounds)}[what]
    assert not missed.reached
    lines = page(rounds, QUICK, SETTING, "pictures").splitlines()
    [line] = [line for line in lines if line.startswith(f"| {what} ")]
    assert line.endswith("| results missing | **missed** |")


def test_results_that_differ_are_told() -> None:
    """Also after a kill; but not those of an engine that lost some."""
    rounds = _rounds()
    assert not disagreements(rounds)
    killed = replace(RUN, digest="bb")
    rounds[1]["A"] = Report("A", {**rounds[1]["A"].runs, "killed": killed})
    assert disagreements(rounds) == ["A, killed, round 2"]
    assert "**Results differ**" in page(rounds, FULL, SETTING, "p")
    lost = Report("pool", {"killed": replace(RUN, digest="cc", failed=2)})
    assert not disagreements([{"pool": lost}])


def test_the_page() -> None:
    """Every engine has its lines; a worker that took its results along is told."""
    rounds = _rounds()
    broken = replace(RUN, failed=150, digest="cc")
    rounds[0]["pool"] = Report("pool", {**rounds[0]["pool"].runs, "killed": broken})
    text = page(rounds, FULL, SETTING, "pictures")
    assert "3 rounds, 2 processors, load of the machine before each round 0.5, 1.5" in text
    assert "| System A | 1 (0.667 to 2) | 0.50 |" in text
    assert "| process pool | 50 of 200 | - | - | not tried | - |" in text
    assert "byte for byte" in text
    calm = [{"pool": _report("pool", trouble=False)}]
    assert "hung" not in page(calm, QUICK, SETTING, "pictures")


def test_only_the_measured_part_of_a_page_is_replaced() -> None:
    """What people wrote around it stays."""
    first = into("# Title\n\nProse.\n", "one")
    assert first == f"# Title\n\nProse.\n\n{BEGIN}\n\none\n{END}\n"
    assert into(first + "\nMore.\n", "two") == first.replace("one", "two") + "\nMore.\n"
    assert into("", "one") == f"{BEGIN}\n\none\n{END}\n"


def test_charts_are_well_formed() -> None:
    """One bar for each row, whatever the names and numbers."""
    drawn = charts(_rounds(), FULL)
    assert set(drawn) == {"farm-large.svg", "farm-small.svg", "farm-cpu.svg", "farm-one.svg"}
    for text in (*drawn.values(), bars("<&>", "ms", [("<a>", Figure(0.0, 0.0, 0.0))])):
        root = ET.fromstring(text)
        assert root.tag.endswith("svg")


def test_orders_and_runs_survive_json() -> None:
    """As they go to a driver and come back."""
    order = Order("A", "x", QUICK)
    assert Order.of(json.loads(json.dumps(order.as_dict()))) == order
    assert Run.of(json.loads(json.dumps(RUN.as_dict()))) == RUN
    assert (FULL.large.title, FULL.small.title) == ("20 x 12 MP", "200 x 1 MP")
    assert FULL.tiny.images[:2] == ["tiny000.jpg", "tiny001.jpg"]


def test_an_engine_without_any_result_is_shown_all_the_same() -> None:
    """Nobody can be compared with it; the others' figures are not lost for it."""
    none = replace(RUN, latencies=(), cpu=0.0, failed=50)
    rounds = [
        {
            "A": _report("A", 1.0),
            "pool": Report("pool", dict.fromkeys(("large", "small", "tiny"), none)),
        }
    ]
    assert not any(goal.reached for goal in goals(rounds) if "pool" in goal.what)
    assert "| System A |" in page(rounds, QUICK, SETTING, "pictures")
