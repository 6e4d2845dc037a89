"""The farm beside Dask and a pool of processes: ``iceflix compare``, and the figures it reached."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence

from bench import single
from bench.frame import Goal, Table
from bench.machine import ROOT, WORK, BenchError
from iceflix.farm.compare import page

_PAGE = ROOT / "docs" / "farm-comparison.md"
_GOAL = re.compile(
    r"\| (?P<what>[^|]+) \| at (?P<sign>least|most) (?P<wanted>[\d.]+)(?P<unit>[^|]*) "
    rf"\| (?:(?P<got>-?[\d.]+)[^|]*|{page.MISSING}) \|"
)


def measure(quick: bool) -> Sequence[Table]:
    """Run the comparison, which writes a page of its own. Raises BenchError."""
    target = WORK / "farm-comparison.md" if quick else _PAGE
    options = ["--quick", "--rounds", "1", "--into", str(target)] if quick else []
    dask = importlib.util.find_spec("distributed") is not None
    options += [] if dask else ["--engines", "pool,A,B"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "iceflix.cli", "compare", *options], cwd=ROOT, check=False
    )
    if done.returncode != 0:
        raise BenchError("iceflix compare failed; it says above why")
    measured = target.read_text("utf-8").partition(page.BEGIN)[2]
    goals = tuple(goals_in(measured))
    return [
        Table(
            "Figures to reach",
            "Measured by `iceflix compare`; method, tables and charts are in "
            "[farm-comparison.md](farm-comparison.md)."
            + ("" if dask else " Dask was not installed (`bench/run --install`)."),
            ("figure", "got"),
            tuple((goal.what, goal.got if goal.complete else page.MISSING) for goal in goals),
            goals,
        )
    ]


def goals_in(text: str) -> list[Goal]:
    """The goals that a page of the comparison tells, also those of which results are missing."""
    return [
        Goal(
            found["what"],
            float(found["wanted"]),
            float(found["got"] or 0),
            found["unit"].strip(),
            found["sign"] == "least",
            complete=found["got"] is not None,
        )
        for found in _GOAL.finditer(text)
    ]


if __name__ == "__main__":
    sys.exit(single.alone("farm", measure))
