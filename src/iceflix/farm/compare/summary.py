"""From the runs of several rounds to figures: medians, spreads, ratios. Pure.

Ratios are taken within a round and then their median: rounds differ by what else the machine does,
the engines of one round hardly do.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iceflix.farm.compare.plan import Report, Run

Rounds = Sequence[Mapping[str, Report]]
Value = Callable[[Report], float]


@dataclass(frozen=True)
class Figure:
    """A median with the least and the greatest value of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Summarise some values, one at least."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """A figure to reach; ``at_least`` or at most ``wanted``.

    A figure of which results are missing (not ``complete``) says nothing: it is not reached.
    """

    what: str
    wanted: float
    got: float
    unit: str = ""
    at_least: bool = True
    complete: bool = True

    @property
    def reached(self) -> bool:
        """Whether it is."""
        if not self.complete:
            return False
        return self.got >= self.wanted if self.at_least else self.got <= self.wanted


def rate(run: Run) -> float:
    """Results per second."""
    return len(run.latencies) / run.seconds


def percentile(run: Run, share: float) -> float:
    """The latency, in seconds, that this share of the images did not exceed; NaN without any."""
    if not run.latencies:
        return float("nan")
    return run.latencies[min(len(run.latencies) - 1, int(share * len(run.latencies)))]


def moved(run: Run) -> int:
    """Bytes through files, pipes and TCP."""
    return run.read + run.written + max(0, run.sent)


def per_image(run: Run, total: float) -> float:
    """A total's share of one result."""
    return total / max(1, len(run.latencies))


def over(rounds: Rounds, engine: str, value: Value) -> Figure:
    """An engine's figure."""
    return Figure.of([value(each[engine]) for each in rounds])


def ratio(rounds: Rounds, engine: str, other: str, value: Value) -> float:
    """The median, over the rounds, of one engine's figure by the other's; NaN if that is none."""
    pairs = [(value(each[engine]), value(each[other])) for each in rounds]
    if not all(below for _, below in pairs):
        return math.nan
    return statistics.median(above / below for above, below in pairs)


def difference(rounds: Rounds, engine: str, other: str, value: Value) -> float:
    """The median, over the rounds, of one engine's figure less the other's."""
    return statistics.median(value(each[engine]) - value(each[other]) for each in rounds)


def disagreements(rounds: Rounds) -> list[str]:
    """Runs whose results are not, to the byte, those of the first engine's first round.

    Runs with images missing are not compared: they are counted as failures.
    """
    wrong, wanted = [], dict[str, str]()
    for number, each in enumerate(rounds, start=1):
        for engine, report in each.items():
            for name, run in report.runs.items():
                load = "small" if name in ("killed", "frozen") else name
                if not run.failed and wanted.setdefault(load, run.digest) != run.digest:
                    wrong.append(f"{engine}, {name}, round {number}")
    return wrong


def speed(load: str) -> Value:
    """Results per second of one load."""
    return lambda report: rate(report.runs[load])


def added(report: Report) -> float:
    """Milliseconds of one small request."""
    return percentile(report.runs["tiny"], 0.5) * 1000


def worst(name: str) -> Value:
    """How much longer, in seconds, the slowest image took in trouble than without."""
    return lambda report: percentile(report.runs[name], 1.0) - percentile(report.runs["small"], 1.0)


def troubled(rounds: Rounds) -> Rounds:
    """The rounds in which workers were killed."""
    return [each for each in rounds if all("killed" in r.runs for r in each.values())]


def complete(rounds: Rounds, engines: Sequence[str], runs: Sequence[str]) -> bool:
    """Whether these engines gave every result in these runs."""
    tried = (each[engine].runs.get(name) for each in rounds for engine in engines for name in runs)
    return all(run is not None and not run.failed for run in tried)


def goals(rounds: Rounds) -> list[Goal]:
    """The figures that the farm is to reach, as far as these engines tell them."""
    found, engines = list[Goal](), set(rounds[0])
    for load, to_pool, to_dask in (("large", 0.9, 1.1), ("small", 0.8, 1.5)):
        for other, name, wanted in (("pool", "pool", to_pool), ("dask", "Dask", to_dask)):
            if {"A", other} <= engines:
                got = ratio(rounds, "A", other, speed(load))
                whole = complete(rounds, ("A", other), (load,))
                what = f"System A, {load} images: speed by {name}'s"
                found.append(Goal(what, wanted, got, complete=whole))
    for system in sorted(engines & {"A", "B"}):
        if system == "A" and "pool" in engines:
            got = difference(rounds, "A", "pool", added)
            whole = complete(rounds, ("A", "pool"), ("tiny",))
            what = "System A: added to one small request"
            found.append(Goal(what, 30, got, "ms", at_least=False, complete=whole))
        found += _delays(troubled(rounds), system)
    return found


def _delays(rounds: Rounds, system: str) -> list[Goal]:
    found = list[Goal]()
    for name, title, wanted in (("killed", "killed", 2), ("frozen", "hung", 5)):
        if rounds:
            got = over(rounds, system, worst(name)).median
            whole = complete(rounds, (system,), ("small", name))
            what = f"System {system}: delay of the slowest image, node {title}"
            found.append(Goal(what, wanted, got, "s", at_least=False, complete=whole))
    return found
