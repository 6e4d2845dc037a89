"""The measured part of docs/farm-comparison.md: tables, charts, figures. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iceflix.farm.compare.charts import bars
from iceflix.farm.compare.plan import Report, Run, Workload
from iceflix.farm.compare.summary import (
    Figure,
    Goal,
    Rounds,
    added,
    disagreements,
    goals,
    moved,
    over,
    per_image,
    percentile,
    ratio,
    speed,
    troubled,
    worst,
)

BEGIN = "<!-- measured: iceflix compare writes from here -->"
END = "<!-- measured: to here -->"
MISSING = "results missing"
TITLES = {"pool": "process pool", "A": "System A", "B": "System B", "dask": "Dask"}
_Cell = Callable[[str], str]


@dataclass(frozen=True)
class Setting:
    """When and where: for the heading. ``loads``: the machine's load before each round."""

    day: str
    processors: int
    loads: Sequence[float]


def charts(rounds: Rounds, workload: Workload) -> dict[str, str]:
    """The SVG files by name."""
    engines = list(rounds[0])

    def chart(title: str, unit: str, value: Callable[[Report], float]) -> str:
        rows = [(TITLES[engine], over(rounds, engine, value)) for engine in engines]
        return bars(title, unit, rows)

    return {
        "farm-large.svg": chart(workload.large.title, "images per second", speed("large")),
        "farm-small.svg": chart(workload.small.title, "images per second", speed("small")),
        "farm-cpu.svg": chart(
            f"Processor time, {workload.small.title}", "ms per image", _cpu("small")
        ),
        "farm-one.svg": chart("One tiny image at a time", "ms, median", added),
    }


def page(rounds: Rounds, workload: Workload, setting: Setting, folder: str) -> str:
    """The text between the marks; ``folder``: where the charts lie, as seen from the page."""
    loads = ", ".join(f"{load:.1f}" for load in setting.loads)
    lines = [
        f"Measured on {setting.day}: {len(rounds)} rounds, {setting.processors} processors, load "
        f"of the machine before each round {loads}. Medians, with the least and the greatest "
        "value of the rounds in brackets.",
        "",
    ]
    for load, picture in (("large", "farm-large.svg"), ("small", "farm-small.svg")):
        title = getattr(workload, load).title
        lines += [f"### {title}, five filters", "", f"![{title}]({folder}/{picture})", ""]
        lines += [*_bulk(rounds, load), ""]
    lines += [f"![processor time]({folder}/farm-cpu.svg)", ""]
    lines += ["### One tiny image at a time", "", f"![one image]({folder}/farm-one.svg)", ""]
    lines += [*_trouble(troubled(rounds), workload), "", *_verdict(rounds), ""]
    lines += ["### Figures to reach", "", *_goals(goals(rounds)), ""]
    return "\n".join(lines)


def into(text: str, measured: str) -> str:
    """A page with its measured part replaced, or put at its end if it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        before, after = f"{text.rstrip()}\n\n" if text.strip() else "", "\n"
    return f"{before}{BEGIN}\n\n{measured}\n{END}{after}"


def _bulk(rounds: Rounds, load: str) -> list[str]:
    others = [other for other in ("pool", "dask") if other in rounds[0]]
    columns: list[tuple[str, _Cell]] = [
        ("images/s", lambda e: _text(over(rounds, e, speed(load)))),
        *(
            (f"by {TITLES[other]}", lambda e, o=other: f"{ratio(rounds, e, o, speed(load)):.2f}")
            for other in others
        ),
        ("p50 ms", lambda e: _text(over(rounds, e, _latency(load, 0.5)))),
        ("p95 ms", lambda e: _text(over(rounds, e, _latency(load, 0.95)))),
        ("processor ms/image", lambda e: _text(over(rounds, e, _cpu(load)))),
        *(
            (f"by {TITLES[other]}", lambda e, o=other: f"{ratio(rounds, e, o, _cpu(load)):.2f}")
            for other in others
            if other == "pool"
        ),
        ("moved MB/image", lambda e: _text(over(rounds, e, _megabytes(load)))),
        ("of it TCP kB/image", lambda e: _text(over(rounds, e, _sent(load)))),
    ]
    return _table([name for name, _ in columns], rounds, [cell for _, cell in columns])


def _trouble(rounds: Rounds, workload: Workload) -> list[str]:
    if not rounds:
        return []
    count = workload.small.count

    def right(engine: str, name: str) -> str:
        runs = [each[engine].runs[name] for each in rounds if name in each[engine].runs]
        done = [count - run.failed for run in runs]
        return f"{min(done)} of {count}" if done else "not tried"

    def delay(engine: str, name: str) -> str:
        runs = [each[engine].runs for each in rounds]
        if any(name not in each or each[name].failed for each in runs):
            return "-"
        return _text(over(rounds, engine, worst(name)))

    def extra(engine: str) -> str:
        runs = [each[engine].runs for each in rounds]
        if any(each["killed"].failed for each in runs):
            return "-"
        return _text(Figure.of([each["killed"].seconds - each["small"].seconds for each in runs]))

    head = ["results, killed", "extra s in all", "extra s of the slowest image"]
    head += ["results, hung", "extra s of the slowest image, hung"]
    cells: list[_Cell] = [
        lambda e: right(e, "killed"),
        extra,
        lambda e: delay(e, "killed"),
        lambda e: right(e, "frozen"),
        lambda e: delay(e, "frozen"),
    ]
    title = f"### A worker killed, or hung, during {workload.small.title}"
    return [title, "", *_table(head, rounds, cells)]


def _verdict(rounds: Rounds) -> list[str]:
    wrong = disagreements(rounds)
    if not wrong:
        return ["All complete runs of all engines gave the same files, byte for byte."]
    return ["**Results differ** from the first engine's: " + "; ".join(wrong) + "."]


def _goals(found: Sequence[Goal]) -> list[str]:
    lines = ["| figure | wanted | got | |", "|---|---:|---:|---|"]
    for goal in found:
        sign = "at least" if goal.at_least else "at most"
        unit = f" {goal.unit}" if goal.unit else ""
        said = "reached" if goal.reached else "**missed**"
        got = f"{goal.got:.2f}{unit}" if goal.complete else MISSING
        lines.append(f"| {goal.what} | {sign} {goal.wanted:g}{unit} | {got} | {said} |")
    return lines


def _table(head: Sequence[str], rounds: Rounds, cells: Sequence[_Cell]) -> list[str]:
    lines = ["| | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head)]
    for engine in rounds[0]:
        lines.append(f"| {TITLES[engine]} | " + " | ".join(cell(engine) for cell in cells) + " |")
    return lines


def _text(figure: Figure) -> str:
    if figure.least == figure.greatest:
        return _number(figure.median)
    spread = f"{_number(figure.least)} to {_number(figure.greatest)}"
    return f"{_number(figure.median)} ({spread})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _of(load: str, value: Callable[[Run], float]) -> Callable[[Report], float]:
    return lambda report: value(report.runs[load])


def _latency(load: str, share: float) -> Callable[[Report], float]:
    return _of(load, lambda run: percentile(run, share) * 1000)


def _cpu(load: str) -> Callable[[Report], float]:
    return _of(load, lambda run: per_image(run, run.cpu) * 1000)


def _megabytes(load: str) -> Callable[[Report], float]:
    return _of(load, lambda run: per_image(run, moved(run)) / 1e6)


def _sent(load: str) -> Callable[[Report], float]:
    return _of(load, lambda run: per_image(run, max(0, run.sent)) / 1e3)
