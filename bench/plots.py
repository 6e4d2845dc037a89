"""Charts as SVG, drawn by matplotlib where it is installed (the extra ``bench``)."""

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.frame import Chart, Figure

_COLOURS = ("#c8553d", "#5b7c99", "#6a994e", "#e0a458", "#7d6b91", "#444444", "#9a8c98")
_SIZE_INCHES = (7.2, 3.8)


def available() -> bool:
    """Whether there can be plots."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(charts: Iterable[Chart], folder: Path) -> None:
    """Write FILE.svg of each chart. Needs ``available``. Raises OSError."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # The same figures give the same file, to the byte: results are committed.
    matplotlib.rcParams.update({"svg.hashsalt": "iceflix", "font.size": 9})
    pyplot = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    for chart in charts:
        figure, axes = pyplot.subplots(figsize=_SIZE_INCHES, layout="constrained")
        (_bars if chart.kind == "bars" else _lines)(axes, chart)
        axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
        if chart.logarithmic[1]:
            axes.set_yscale("log")
        axes.grid(visible=True, axis="y", alpha=0.3)
        axes.legend(fontsize=8)
        figure.savefig(folder / f"{chart.file}.svg", metadata={"Date": None})
        pyplot.close(figure)


def _spread(values: list[Figure | float]) -> tuple[list[float], list[list[float]]]:
    figures = [v if isinstance(v, Figure) else Figure(v, v, v) for v in values]
    below = [figure.median - figure.least for figure in figures]
    above = [figure.greatest - figure.median for figure in figures]
    return [figure.median for figure in figures], [below, above]


def _bars(axes: Any, chart: Chart) -> None:
    groups = list(dict.fromkeys(x for points in chart.series.values() for x, _ in points))
    width = 0.8 / max(1, len(chart.series))
    for place, (name, points) in enumerate(chart.series.items()):
        middles, spread = _spread([y for _, y in points])
        left = [groups.index(x) + (place - (len(chart.series) - 1) / 2) * width for x, _ in points]
        colour = _COLOURS[place % len(_COLOURS)]
        axes.bar(left, middles, width, yerr=spread, label=name, color=colour, capsize=2)
    axes.set_xticks(range(len(groups)), [str(group) for group in groups])


def _lines(axes: Any, chart: Chart) -> None:
    for place, (name, points) in enumerate(chart.series.items()):
        middles, spread = _spread([y for _, y in points])
        colour = _COLOURS[place % len(_COLOURS)]
        across = [x for x, _ in points]
        axes.errorbar(across, middles, yerr=spread, label=name, color=colour, marker="o", capsize=2)
    if chart.logarithmic[0]:
        axes.set_xscale("log")
