"""The results as Markdown: docs/benchmarks.md, or one measurement for the terminal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.frame import Cell, Figure, Table, defeats, got, number, unit

TITLES = {
    "streaming": "Streams: what a viewer costs",
    "latency": "Streams: how soon there is a picture",
    "library": "Library: reading it, and reading it again",
    "catalogue": "Catalogue: up to a million titles",
    "calls": "Calls: beside bare Ice",
    "failover": "Failover: when an instance dies or hangs",
    "farm": "Farm: beside Dask and a process pool",
}
_HEAD = """# Benchmarks

Written by `bench/run`, from the files in [bench/results](../bench/results); how to run it again is
in [bench/README.md](../bench/README.md). Figures are medians of several runs that take turns, with
the least and the greatest value in brackets; ratios are taken within a round of runs, then their
median. The machine was shared, so ratios say more than absolute figures: each part gives its load.
"""


@dataclass(frozen=True)
class Setting:
    """When and where something was measured; ``loads``: the machine's load before and after."""

    day: str
    commit: str
    machine: str
    loads: tuple[float, float]
    seconds: float
    versions: Mapping[str, str]
    quick: bool

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Setting":
        """As read from a results file. Raises TypeError."""
        before, after = data["loads"]
        return cls(**{**data, "loads": (before, after)})

    def sentence(self) -> str:
        """For the reader."""
        kind = "Quick run" if self.quick else "Run"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{kind} of {self.day}, commit {self.commit}, in {self.seconds:.0f} s, on "
            f"{self.machine}; load before {self.loads[0]:.1f}, after {self.loads[1]:.1f}. "
            f"{versions}."
        )


@dataclass(frozen=True)
class Result:
    """The outcome of one measurement."""

    name: str
    setting: Setting
    tables: tuple[Table, ...]


def page(results: Sequence[Result], pictures: str | None) -> str:
    """The whole page. ``pictures``: the folder of the charts as seen from it, None without."""
    parts = [_HEAD]
    lost = [line for result in results for table in result.tables for line in defeats(table)]
    parts += ["## Where we lose", ""]
    if results:
        parts += [f"- {line}" for line in lost] or ["Nowhere, of what is measured here."]
    missing = [title for name, title in TITLES.items() if name not in {r.name for r in results}]
    if missing:
        parts += ["", f"Not measured yet: {'; '.join(missing)}."]
    if pictures is None:
        parts += ["", "There are no plots: matplotlib was not installed (`bench/run --install`)."]
    for result in results:
        parts += ["", section(result, pictures).rstrip("\n")]
    return "\n".join([*parts, ""])


def section(result: Result, pictures: str | None = None) -> str:
    """One measurement's part of it."""
    lines = [f"## {TITLES.get(result.name, result.name)}", "", result.setting.sentence()]
    for table in result.tables:
        lines += ["", *_table(table, pictures)]
    return "\n".join([*lines, ""])


def _table(table: Table, pictures: str | None) -> list[str]:
    lines = [f"### {table.title}", "", table.method, ""]
    if pictures is not None:
        for chart in table.charts:
            lines += [f"![{table.title}: {chart.y_label}]({pictures}/{chart.file}.svg)", ""]
    lines += ["| " + " | ".join(table.columns) + " |"]
    lines += ["| --- |" + " ---: |" * (len(table.columns) - 1)]
    lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in table.rows]
    if table.goals:
        lines += ["", "| figure | wanted | got | |", "| --- | ---: | ---: | --- |"]
    for goal in table.goals:
        sign = "at least" if goal.at_least else "at most"
        said = "reached" if goal.reached else "**missed**"
        wanted = f"{sign} {number(goal.wanted)}{unit(goal)}"
        lines.append(f"| {goal.what} | {wanted} | {got(goal)} | {said} |")
    return lines


def text(cell: Cell) -> str:
    """A cell as people read it: a figure with its spread, "-" for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, Figure):
        spread = f" ({number(cell.least)} to {number(cell.greatest)})"
        return number(cell.median) + (spread if cell.least < cell.greatest else "")
    return cell if isinstance(cell, str) else number(cell)
