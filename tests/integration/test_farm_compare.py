"""``iceflix compare`` with next to no work: every engine really runs, results agree (F45)."""

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from iceflix.farm.compare import commands
from iceflix.farm.compare.drivers import drive
from iceflix.farm.compare.pictures import draw
from iceflix.farm.compare.plan import Load, Order, Workload
from iceflix.farm.compare.summary import disagreements
from iceflix.runtime.errors import ServiceError

pytestmark = [pytest.mark.slow, pytest.mark.serial, pytest.mark.timeout(240)]
TINY = Workload(
    Load("large", 3, 640, 480), Load("small", 16, 160, 120), Load("tiny", 3, 64, 48), rounds=1
)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    draw(tmp_path / "images", TINY)
    return tmp_path


def test_the_farms_and_the_pool_give_the_same_files(place: Path) -> None:
    """Through all of the farm, and with a node killed and one hung on the way."""
    found = {
        name: drive(Order(name, str(place), TINY), trouble=name == "A")
        for name in ("pool", "A", "B")
    }
    assert set(found["A"].runs) == {"large", "small", "tiny", "killed", "frozen"}
    for report in found.values():
        assert not any(run.failed for run in report.runs.values())
        assert len(report.runs["small"].latencies) == 16
    assert found["A"].runs["large"].cpu > 0
    assert not disagreements([found])
    assert not list((place / "images").glob("*__*"))


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs Dask")
def test_dask_gives_the_same_files(place: Path) -> None:
    """And it survives a killed worker."""
    found = {
        name: drive(Order(name, str(place), TINY), trouble=name == "dask")
        for name in ("pool", "dask")
    }
    assert not any(run.failed for run in found["dask"].runs.values())
    assert not disagreements([found])


def test_a_missing_library_is_said_in_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that helps."""
    blocked = place / "blocked"
    blocked.mkdir()
    (blocked / "distributed.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(blocked))
    with pytest.raises(ServiceError, match=r"Dask is not installed; .*requirements-bench.lock"):
        drive(Order("dask", str(place), TINY), trouble=False)


def test_the_command_writes_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table and charts; unknown engines are refused."""
    monkeypatch.setattr(commands, "QUICK", TINY)
    target = place / "docs" / "page.md"
    chosen = ["--quick", "--engines", "pool", "--folder", str(place)]
    ended = CliRunner().invoke(commands.compare, [*chosen, "--into", str(target)])
    assert (ended.exit_code, ended.exception) == (0, None)
    assert "| process pool |" in target.read_text()
    assert (target.parent / "pictures" / "farm-large.svg").read_text().startswith("<svg")
    assert "Dask" not in ended.output
    refused = CliRunner().invoke(commands.compare, ["--engines", "pool,ray"])
    assert refused.exit_code == 2
    assert "engines are pool, A, B, dask" in refused.output
