"""``bench/run``: several measurements, their results, and the page that shows them."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import page, plots, single
from bench.machine import ROOT, WORK, BenchError, end_cleanly, say

_PICTURES = "pictures/benchmarks"


def main() -> int:
    """Measure what was asked for; 1 when something could not be."""
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures, writes bench/results/NAME.json and docs/benchmarks.md. With --quick "
        "the results go to var/bench and the terminal instead.",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: five minutes")
    parser.add_argument(
        "--install", action="store_true", help="install first what is compared with (apt, pip)"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page anew")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*page.TITLES, "all"]))
    given = parser.parse_args()
    unknown = set(given.names) - set(page.TITLES) - {"all"}
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    wanted = list(page.TITLES) if not given.names or "all" in given.names else given.names
    results, target = ROOT / "bench" / "results", ROOT / "docs" / "benchmarks.md"
    if given.quick:
        results, target = WORK / "results", WORK / "benchmarks.md"
    end_cleanly()
    failed = False if given.page else _measure(wanted, given.quick, results)
    _write_page(results, target)
    if given.quick:
        print(target.read_text("utf-8"))
    say(f"written: {target}")
    return 1 if failed else 0


def _measure(names: Sequence[str], quick: bool, results: Path) -> bool:
    """Whether something could not be measured; what could has its file."""
    failed = False
    for name in names:
        began = time.monotonic()
        try:
            single.write(single.run(name, single.load(name), quick), results / f"{name}.json")
        except BenchError as error:
            say(str(error))
            failed = True
        except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
            # One that breaks must not cost the others their time.
            say(f"{name} broke:\n{traceback.format_exc()}")
            failed = True
        else:
            say(f"{name}: {time.monotonic() - began:.0f} s")
    return failed


def _write_page(folder: Path, target: Path) -> None:
    results = []
    for name in page.TITLES:
        file = folder / f"{name}.json"
        try:
            results.append(single.read(file))
        except FileNotFoundError:
            continue
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            say(f"{file} is not as it should be ({error!r}); measure {name} again")
    pictures = _PICTURES if plots.available() else None
    if pictures is not None:
        charts = [c for result in results for table in result.tables for c in table.charts]
        plots.draw(charts, target.parent / pictures)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page.page(results, pictures), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
