"""Tables, goals, contests: what they say, and that JSON keeps them."""

import json

import pytest
from bench.frame import Chart, Contest, Figure, Goal, Table, defeats, ratio_of
from bench.page import Result, Setting, page, section, text
from bench.single import read, run, write

GOALS = (
    Goal("first scan", 0.9, 0.95),
    Goal("rescan", 0.5, 0.7, "s", at_least=False),
)
TABLE = Table(
    "Senders",
    "Counted by hand.",
    ("sender", "1", "100"),
    (
        ("ours", Figure(9.0, 8.0, 12.0), 1),
        ("theirs", Figure(7.0, 7.0, 7.0), 5.5),
        ("floor", 1.0, 0.5),
        ("broken", None, None),
    ),
    GOALS,
    Contest("ours", ("1", "100"), apart=("floor",)),
    (
        Chart(
            "cpu",
            "lines",
            "streams",
            "ms",
            {"ours": [(1.0, Figure(9.0, 8.0, 12.0))]},
            (True, False),
        ),
    ),
)
SETTING = Setting("2026-01-01 10:00", "abc", "2 processors", (0.5, 1.5), 12.4, {"Ice": "3.7"}, True)


def test_ratios_are_taken_within_a_round() -> None:
    """A round on a busy machine counts as much as one on a quiet one."""
    assert ratio_of([1.0, 10.0, 3.0], [2.0, 20.0, 3.0]) == Figure(0.5, 0.5, 1.0)
    with pytest.raises(ValueError, match="zip"):
        ratio_of([1.0], [1.0, 2.0])


def test_defeats_are_goals_missed_and_rivals_that_are_better() -> None:
    """Nobody loses to the floor, nor by a twentieth, nor to one that failed."""
    assert defeats(TABLE) == [
        "rescan: 0.7 s, wanted at most 0.5 s.",
        'Senders, "1": theirs 7, ours 9.',
    ]


def test_who_has_more_may_be_the_better_one() -> None:
    """Speeds, for instance."""
    contest = Contest("ours", ("speed",), less_is_better=False)
    rows = (("ours", 10.0), ("other", 10.4), ("third", 3.0))
    assert not defeats(Table("Calls", "", ("", "speed"), rows, contest=contest))
    rows = (("ours", 10.0), ("other", 10.6), ("third", 3.0))
    (said,) = defeats(Table("Calls", "", ("", "speed"), rows, contest=contest))
    assert said == 'Calls, "speed": other 10.6, ours 10.'


def test_a_row_is_as_wide_as_the_table() -> None:
    """Else figures would stand under wrong heads."""
    with pytest.raises(ValueError, match="wide"):
        Table("Senders", "", ("a", "b"), (("one",),))


def test_a_result_survives_its_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """To the last figure, charts included."""
    result = Result("streaming", SETTING, (TABLE,))
    file = tmp_path_factory.mktemp("results") / "new" / "streaming.json"
    write(result, file)
    assert json.loads(file.read_text("utf-8"))["name"] == "streaming"
    assert read(file) == result


def test_a_cell_shows_its_spread() -> None:
    """Unless there is none."""
    assert text(Figure(1.234, 1.0, 2.0)) == "1.23 (1 to 2)"
    assert text(Figure(123.4, 123.4, 123.4)) == "123"
    assert text(None) == "-"
    assert text(7) == "7"
    assert text("seven") == "seven"


def test_the_page_says_where_we_lose_what_is_missing_and_whether_there_are_plots() -> None:
    """All from the figures."""
    result = Result("streaming", SETTING, (TABLE,))
    said = page([result], "pictures/benchmarks")
    assert "- rescan: 0.7 s, wanted at most 0.5 s." in said
    assert "Not measured yet: " in said and "Farm" in said
    assert "![Senders: ms](pictures/benchmarks/cpu.svg)" in said
    assert "| rescan | at most 0.5 s | 0.7 s | **missed** |" in said
    assert "| first scan | at least 0.9 | 0.95 | reached |" in said
    assert "Quick run of 2026-01-01 10:00, commit abc" in said
    without = page([result], None)
    assert "matplotlib was not installed" in without and ".svg" not in without


def test_a_page_without_losses_says_so() -> None:
    """But not before something was measured."""
    won = Result("calls", SETTING, (Table("Calls", "Counted.", ("", "calls"), (("ours", 1),)),))
    assert "Nowhere" in page([won], None)
    assert "Nowhere" not in page([], None)


def test_running_a_measurement_notes_when_and_where() -> None:
    """The machine, the load, the versions."""
    result = run("calls", lambda quick: [TABLE] if quick else [], quick=True)
    assert result.tables == (TABLE,)
    assert "processors" in result.setting.machine
    assert "### Senders" in section(result)
