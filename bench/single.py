"""Runs measurements: one alone, or several for ``bench/run``; keeps their results."""

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from bench import machine, page
from bench.frame import Table

# The name on the command line -> the module that has ``measure(quick)``.
MODULES = {name: f"bench.{name}" for name in page.TITLES} | {"farm": "bench.compare"}
Measure = Callable[[bool], Sequence[Table]]


def load(name: str) -> Measure:
    """The function ``measure`` of this measurement. Raises BenchError when it is not there."""
    try:
        return cast(Measure, importlib.import_module(MODULES[name]).measure)
    except ModuleNotFoundError as error:
        if error.name != MODULES[name]:
            raise
        raise machine.BenchError(f"{name} cannot be measured yet: no {error.name}") from None


def run(name: str, measure: Measure, quick: bool) -> page.Result:
    """Measure now. Raises BenchError."""
    began, load_before = time.monotonic(), os.getloadavg()[0]
    machine.say(f"{name}, load {load_before:.1f} ...")
    machine.WORK.mkdir(parents=True, exist_ok=True)
    tables = tuple(measure(quick))
    return page.Result(name, machine.setting(began, load_before, quick), tables)


def write(result: page.Result, file: Path) -> None:
    """Write a result as JSON. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    data = asdict(result) | {"tables": [table.to_json() for table in result.tables]}
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> page.Result:
    """Read it again. Raises OSError, ValueError, TypeError, KeyError."""
    data = json.loads(file.read_text("utf-8"))
    tables = tuple(Table.from_json(table) for table in data["tables"])
    return page.Result(data["name"], page.Setting.from_json(data["setting"]), tables)


def alone(name: str, measure: Measure) -> int:
    """The command line of one module: ``[--quick] [--json FILE]``; returns the exit code."""
    parser = argparse.ArgumentParser(description=page.TITLES[name])
    parser.add_argument("--quick", action="store_true", help="less of it, in about half a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    given = parser.parse_args()
    machine.end_cleanly()
    try:
        result = run(name, measure, given.quick)
    except machine.BenchError as error:
        machine.say(str(error))
        return 1
    print(page.section(result))
    if given.json is not None:
        write(result, given.json)
    return 0
