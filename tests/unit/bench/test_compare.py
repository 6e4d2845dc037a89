"""The goals are read from the page of the farm's comparison."""

import json

from bench.compare import goals_in
from bench.frame import Goal, Table, defeats
from bench.page import Result, Setting, section

from tests.conftest import ROOT


def test_goals_are_read_as_they_were_written() -> None:
    """With and without unit, reached or not."""
    lines = [
        "| System A, large images: speed by pool's | at least 0.9 | 0.95 | reached |",
        "| System A: added to one small request | at most 30 ms | 31.50 ms | **missed** |",
    ]
    assert goals_in("\n".join(lines)) == [
        Goal("System A, large images: speed by pool's", 0.9, 0.95),
        Goal("System A: added to one small request", 30.0, 31.5, "ms", at_least=False),
    ]


def test_a_goal_of_which_results_are_missing_is_missed_aloud() -> None:
    """In the table, below it, and where we lose; it is not left out."""
    line = (
        "| System B: delay of the slowest image, node hung | at most 5 s "
        "| results missing | **missed** |"
    )
    [goal] = goals_in(line)
    assert (goal.wanted, goal.unit, goal.reached) == (5.0, "s", False)
    rows = ((goal.what, "results missing"),)
    table = Table("Figures to reach", "How.", ("figure", "got"), rows, (goal,))
    assert table == Table.from_json(json.loads(json.dumps(table.to_json())))
    assert defeats(table) == [f"{goal.what}: results missing, wanted at most 5 s."]
    setting = Setting("2026-01-01", "abc", "a machine", (0.0, 0.0), 1.0, {}, quick=True)
    assert line in section(Result("farm", setting, (table,)))


def test_the_page_that_is_there_has_goals() -> None:
    """As `iceflix compare` writes it."""
    assert goals_in((ROOT / "docs" / "farm-comparison.md").read_text("utf-8"))
