"""What every measurement returns: tables of figures, goals, contests and charts. Pure.

A figure is a median with the least and the greatest value of the repetitions
(``iceflix.farm.compare.summary.Figure``); a goal says what was wanted and whether it was reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from iceflix.farm.compare.page import MISSING
from iceflix.farm.compare.summary import Figure, Goal

__all__ = ["Cell", "Chart", "Contest", "Figure", "Goal", "Table", "defeats", "ratio_of"]

Cell = str | int | float | Figure | None
_EQUAL = 1.05  # within a twentieth nobody has lost


@dataclass(frozen=True)
class Contest:
    """Who runs against whom: the rows called ``ours`` against all others, in these columns.

    ``apart``: rows that are no rivals, a bound of what can be reached at all for instance.
    """

    ours: str
    columns: tuple[str, ...]
    less_is_better: bool = True
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A picture of figures: ``bars`` (one group for each x) or ``lines``. ``file``: no ending.

    ``series``: name -> points (x, figure); x is a text or a number, for lines a number.
    """

    file: str
    kind: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[str | float, Figure | float]]]
    logarithmic: tuple[bool, bool] = (False, False)


@dataclass(frozen=True)
class Table:
    """Some rows of figures; the first column names the row.

    ``method`` says in some sentences how they were measured and what failed. ``goals`` are rendered
    below, those that were missed also under "Where we lose"; so are the columns of ``contest`` in
    which another row is better than ours.
    """

    title: str
    method: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    goals: tuple[Goal, ...] = ()
    contest: Contest | None = None
    charts: tuple[Chart, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of {self.title!r} is not as wide as its columns")

    def to_json(self) -> dict[str, Any]:
        """As JSON has it; figures become objects of three numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Table":
        """The inverse of ``to_json``, after a journey through JSON. Raises TypeError, KeyError."""
        contest = data["contest"]
        return cls(
            data["title"],
            data["method"],
            tuple(data["columns"]),
            tuple(tuple(_cell(value) for value in row) for row in data["rows"]),
            tuple(Goal(**goal) for goal in data["goals"]),
            contest and _contest(contest),
            tuple(_chart(chart) for chart in data["charts"]),
        )


def middle(cell: Cell) -> float | None:
    """A cell's number, of a figure its median; None where there is none."""
    if isinstance(cell, Figure):
        return cell.median
    return float(cell) if isinstance(cell, int | float) else None


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Our values by theirs, round by round: rounds differ by what else the machine does.

    Raises ValueError unless both have the same number of rounds, one at least.
    """
    return Figure.of([mine / other for mine, other in zip(ours, theirs, strict=True)])


def defeats(table: Table) -> list[str]:
    """Sentences: what the table says of goals missed and of rivals that are better."""
    lost = [
        f"{goal.what}: {got(goal)}, wanted "
        f"{'at least' if goal.at_least else 'at most'} {number(goal.wanted)}{unit(goal)}."
        for goal in table.goals
        if not goal.reached
    ]
    return [*lost, *_beaten(table)]


def _beaten(table: Table) -> list[str]:
    contest = table.contest
    if contest is None:
        return []
    found = []
    for column in contest.columns:
        place = table.columns.index(column)
        values = {
            str(row[0]): value for row in table.rows if (value := middle(row[place])) is not None
        }
        mine = values.pop(contest.ours, None)
        rivals = [(value, name) for name, value in values.items() if name not in contest.apart]
        if mine is None or not rivals:
            continue
        best, name = min(rivals) if contest.less_is_better else max(rivals)
        less, more = (best, mine) if contest.less_is_better else (mine, best)
        if more > less * _EQUAL:
            said = f"{name} {number(best)}, {contest.ours} {number(mine)}"
            found.append(f'{table.title}, "{column}": {said}.')
    return found


def number(value: float) -> str:
    """Three significant digits, whole numbers from 100 on."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def got(goal: Goal) -> str:
    """What was reached, with its unit; nothing can be said of it where results are missing."""
    return f"{number(goal.got)}{unit(goal)}" if goal.complete else MISSING


def unit(goal: Goal) -> str:
    """The goal's unit with the blank before it."""
    return f" {goal.unit}" if goal.unit else ""


def _cell(value: Any) -> Cell:
    return Figure(**value) if isinstance(value, dict) else value


def _contest(data: Mapping[str, Any]) -> Contest:
    columns, apart = tuple(data["columns"]), tuple(data["apart"])
    return Contest(data["ours"], columns, data["less_is_better"], apart)


def _chart(data: Mapping[str, Any]) -> Chart:
    series = {
        name: [(x, Figure(**y) if isinstance(y, dict) else y) for x, y in points]
        for name, points in data["series"].items()
    }
    across, up = data["logarithmic"]
    return Chart(data["file"], data["kind"], data["x_label"], data["y_label"], series, (across, up))
