"""The goals are read from the page of the farm's comparison."""

from bench.compare import goals_in
from bench.frame import Goal

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


def test_the_page_that_is_there_has_goals() -> None:
    """As `iceflix compare` writes it."""
    assert goals_in((ROOT / "docs" / "farm-comparison.md").read_text("utf-8"))
