"""The measurement of the library, with very little to measure: it works, and means what it says."""

import pytest
from bench import library
from bench.frame import Figure
from bench.library import Kind, first_scans, quiet, rescans

pytestmark = pytest.mark.slow


def test_first_scans_are_compared() -> None:
    """Rates of both, and the share of one in the other."""
    with quiet():
        table = first_scans((Kind("films", 2, 128), Kind("clips", 2, 64)), 1)
    assert [row[0] for row in table.rows] == ["films: 2 of 128 MiB", "clips: 2 of 64 MiB"]
    for row in table.rows:
        assert all(isinstance(cell, Figure) and cell.median > 0 for cell in row[1:])
    (goal,) = table.goals
    assert "128 MiB" in goal.what and goal.wanted == 0.9


def test_rescans_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by Python itself; a new file is noticed."""
    monkeypatch.setattr(library, "UNCHANGED", 300)
    with quiet():
        table = rescans(2)
    again, restarted, noticed = table.rows
    assert again[2] == restarted[2] == 0 and noticed[2] is None
    assert [goal.got for goal in table.goals][1] == 0
