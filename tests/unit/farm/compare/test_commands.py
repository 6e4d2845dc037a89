"""``iceflix compare``: which engines it takes."""

from collections.abc import Sequence
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner

from iceflix.farm.compare import commands


@pytest.mark.parametrize(
    ("here", "options", "taken"),
    [
        (True, [], ["pool", "A", "B", "dask"]),
        (False, [], ["pool", "A", "B"]),
        (False, ["--quick"], ["pool", "A", "B"]),
        (False, ["--engines", "A, dask"], ["A", "dask"]),
    ],
)
def test_dask_is_left_out_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, here: bool, options: list[str], taken: list[str]
) -> None:
    """Unless it was asked for; and it is said, with the command that installs it."""
    asked: list[Sequence[str]] = []

    def measure(engines: Sequence[str], *_rest: Any) -> None:
        asked.append(engines)
        raise ClickException("enough")

    monkeypatch.setattr(commands, "dask_is_here", lambda: here)
    monkeypatch.setattr(commands, "_measure", measure)
    ended = CliRunner().invoke(commands.compare, options)
    assert asked == [taken]
    assert ("Dask is left out" in ended.output) is ("dask" not in taken)
    assert ("requirements-bench.lock" in ended.output) is ("dask" not in taken)
