"""``iceflix compare``. Exit codes: 0 measured; 1 results differ, or it did not work."""

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

import iceflix
from iceflix.farm.compare import page
from iceflix.farm.compare.drivers import Driver
from iceflix.farm.compare.engines import INSTALL, dask_is_here
from iceflix.farm.compare.pictures import draw
from iceflix.farm.compare.plan import (
    ENGINES,
    FULL,
    LOADS,
    QUICK,
    TROUBLE,
    Order,
    Report,
    Run,
    Workload,
)
from iceflix.farm.compare.summary import disagreements

_PAGE = Path(iceflix.__file__).resolve().parents[2] / "docs" / "farm-comparison.md"


@click.command("compare")
@click.option("--quick", is_flag=True, help="Less work, in about two minutes.")
@click.option("--rounds", type=click.IntRange(1, 50), help="How often; 5, or 2 if --quick.")
@click.option(
    "--engines", help=f"Which, in order; {','.join(ENGINES)}, without dask if it is not installed."
)
@click.option("--into", type=click.Path(path_type=Path), help="The page to write the results to.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; default: /tmp.")
def compare(
    quick: bool, rounds: int | None, engines: str | None, into: Path | None, folder: Path | None
) -> None:
    """Compare System A, System B, Dask and a process pool at the same work.

    Five filters on large, on small and on tiny images; two workers each; speed, delay, processor
    time, bytes moved, and what happens when a worker is killed or hangs. The engines take turns at
    each load; those that have none are idle. The results go to docs/farm-comparison.md, with
    --quick to the terminal only, unless --into names a page.
    """
    chosen = _those_here() if engines is None else [name.strip() for name in engines.split(",")]
    if not chosen or set(chosen) - set(ENGINES) or len(set(chosen)) < len(chosen):
        raise click.BadParameter(f"engines are {', '.join(ENGINES)}, each once at most")
    workload = QUICK if quick else FULL
    measured, setting = _measure(chosen, workload, rounds or workload.rounds, folder)
    target = into or (None if quick else _PAGE)
    pictures = "pictures"
    text = page.page(measured, workload, setting, pictures)
    if target is None:
        click.echo(text)
    else:
        _write(target, text, page.charts(measured, workload), pictures)
    if disagreements(measured):
        raise click.ClickException("the results of the engines differ")


def _those_here() -> list[str]:
    """All engines; says which one is left out."""
    if dask_is_here():
        return list(ENGINES)
    click.echo(f"Dask is left out, for it is not installed; install it with: {INSTALL}", err=True)
    return [name for name in ENGINES if name != "dask"]


def _measure(
    engines: Sequence[str], workload: Workload, count: int, folder: Path | None
) -> tuple[list[Mapping[str, Report]], page.Setting]:
    with tempfile.TemporaryDirectory(prefix="iceflix-compare-", dir=folder) as place:
        try:
            draw(Path(place) / "images", workload)
        except OSError as error:
            raise click.ClickException(f"cannot write to {place}: {error.strerror}") from error
        with contextlib.ExitStack() as stack:
            drivers = {}
            for engine in engines:
                click.echo(f"starting {page.TITLES[engine]} ...", err=True)
                drivers[engine] = stack.enter_context(Driver(Order(engine, place, workload)))
            return _rounds(drivers, count)


def _rounds(
    drivers: "Mapping[str, Driver]", count: int
) -> tuple[list[Mapping[str, Report]], page.Setting]:
    engines = list(drivers)
    rounds: list[Mapping[str, Report]] = []
    loads: list[float] = []
    for number in range(count):
        loads.append(os.getloadavg()[0])
        first = number % len(engines)  # turned round, so that none is always the first
        runs: dict[str, dict[str, Run]] = {engine: {} for engine in engines}
        # Trouble comes last: not every engine is of use after it.
        for name in (*LOADS, TROUBLE) if number == count - 1 else LOADS:
            click.echo(f"round {number + 1} of {count}: {name} ...", err=True)
            for engine in (*engines[first:], *engines[:first]):
                runs[engine] |= drivers[engine].measure(name)
        rounds.append({engine: Report(engine, runs[engine]) for engine in engines})
    return rounds, page.Setting(time.strftime("%Y-%m-%d"), os.cpu_count() or 1, loads)


def _write(target: Path, text: str, charts: Mapping[str, str], pictures: str) -> None:
    try:
        before = target.read_text(encoding="utf-8") if target.exists() else ""
        (target.parent / pictures).mkdir(parents=True, exist_ok=True)
        for name, chart in charts.items():
            (target.parent / pictures / name).write_text(chart, encoding="utf-8")
        target.write_text(page.into(before, text), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror}") from error
    click.echo(f"written: {target}")
