"""``iceflix compare``. Exit codes: 0 measured; 1 results differ, or it did not work."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

import iceflix
from iceflix.farm.compare import page
from iceflix.farm.compare.pictures import draw
from iceflix.farm.compare.plan import ENGINES, FULL, QUICK, Order, Report, Run, Workload
from iceflix.farm.compare.summary import disagreements
from iceflix.runtime.errors import ServiceError

_ENGINE_SECONDS = 600.0
_PAGE = Path(iceflix.__file__).resolve().parents[2] / "docs" / "farm-comparison.md"


@click.command("compare")
@click.option("--quick", is_flag=True, help="One round of less work, in about two minutes.")
@click.option("--rounds", type=click.IntRange(1, 50), help="How often; 3 unless --quick.")
@click.option("--engines", default=",".join(ENGINES), show_default=True, help="Which, in order.")
@click.option("--into", type=click.Path(path_type=Path), help="The page to write the results to.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; default: /tmp.")
def compare(
    quick: bool, rounds: int | None, engines: str, into: Path | None, folder: Path | None
) -> None:
    """Compare System A, System B, Dask and a process pool at the same work.

    Five filters on large, on small and on tiny images; two workers each; speed, delay, processor
    time, bytes moved, and what happens when a worker is killed or hangs. Every engine runs alone,
    one after the other, in each round. The results go to docs/farm-comparison.md, with --quick to
    the terminal only, unless --into names a page.
    """
    chosen = [name.strip() for name in engines.split(",")]
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


def _measure(
    engines: Sequence[str], workload: Workload, count: int, folder: Path | None
) -> tuple[list[Mapping[str, Report]], page.Setting]:
    rounds: list[Mapping[str, Report]] = []
    loads: list[float] = []
    with tempfile.TemporaryDirectory(prefix="iceflix-compare-", dir=folder) as place:
        try:
            draw(Path(place) / "images", workload)
        except OSError as error:
            raise click.ClickException(f"cannot write to {place}: {error.strerror}") from error
        for number in range(1, count + 1):
            loads.append(os.getloadavg()[0])
            found = {}
            # Turned round, so that none is always the first.
            first = (number - 1) % len(engines)
            for engine in (*engines[first:], *engines[:first]):
                click.echo(f"round {number} of {count}: {page.TITLES[engine]} ...", err=True)
                found[engine] = drive(Order(engine, place, workload, trouble=True))
            rounds.append({engine: found[engine] for engine in engines})
    return rounds, page.Setting(time.strftime("%Y-%m-%d"), os.cpu_count() or 1, loads)


def drive(order: Order) -> Report:
    """Have one engine measured in a process of its own. Raises ServiceError."""
    command = [sys.executable, "-P", "-m", "iceflix.farm.compare.driver"]
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(order.as_dict()),
            capture_output=True,
            text=True,
            timeout=_ENGINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{order.engine} was not done in {_ENGINE_SECONDS:g} s") from error
    if ended.returncode:
        words = ended.stderr.strip().splitlines() or ["it did not say why"]
        raise ServiceError(f"{page.TITLES[order.engine]}: {words[-1]}")
    report = json.loads(ended.stdout)
    runs = {name: Run.of(run) for name, run in report["runs"].items()}
    return Report(order.engine, report["start_seconds"], runs)


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
