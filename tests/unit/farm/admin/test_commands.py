"""``iceflix filters assign``: what it says of rings."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from iceflix.farm.filteradmin import commands
from iceflix.runtime.errors import InvalidRequest


class Administrator:
    """Knows east and west."""

    def __init__(self) -> None:
        self.assigned: list[tuple[str, str]] = []

    def rings(self) -> dict[str, str]:
        """One of them runs something."""
        return {"west": "", "east": "gray"}

    def assign(self, _key: str, ring: str, name: str) -> None:
        """Take note."""
        self.assigned.append((ring, name))


@pytest.fixture(name="administrator")
def _administrator(monkeypatch: pytest.MonkeyPatch) -> Administrator:
    administrator = Administrator()

    @contextmanager
    def found(_settings: object) -> Iterator[Administrator]:
        yield administrator

    monkeypatch.setattr(commands, "_administrator", found)
    monkeypatch.setattr(commands, "_key", lambda _settings: "key")
    return administrator


def _assign(*words: str) -> Result:
    return CliRunner().invoke(commands.assign, words)


def test_a_ring_is_given_a_filter_or_freed(administrator: Administrator) -> None:
    """Free is not idle: it is said what the ring will run."""
    assert "west runs gray from its next turn on" in _assign("west", "gray").output
    freed = _assign("east").output
    assert "east is freed; it takes the first filter that no other ring runs" in freed
    assert administrator.assigned == [("west", "gray"), ("east", "")]


@pytest.mark.parametrize("name", ["", "gray"])
def test_a_ring_that_nobody_knows_is_an_error(administrator: Administrator, name: str) -> None:
    """It may be mistyped; or it is yet to come, which must be said."""
    refused = _assign("wets", name)
    assert isinstance(refused.exception, InvalidRequest)
    assert "nobody has heard of a ring 'wets'; there are: east, west" in str(refused.exception)
    assert not administrator.assigned
    assert _assign("north", name, "--ahead").exit_code == 0
    assert administrator.assigned == [("north", name)]
