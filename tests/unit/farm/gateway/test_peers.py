"""How the gateway asks for users while an Authenticator comes and goes."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, NOT_AUTHORIZED
from iceflix.farm.gateway.peers import Users
from iceflix.runtime.calls import Known
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial
from iceflix.runtime.membership import Rumour


class FakeProxy:
    """An Authenticator that answers so."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, *answers: BaseException | None) -> None:
        self.answers = list(answers)

    def ice_invocationTimeout(self, _millis: int) -> "FakeProxy":
        """The same."""
        return self

    def refreshAuthorizationAsync(self, *_arguments: object) -> "Ice.Future[str]":
        """The next answer."""
        future: Ice.Future[str] = Ice.Future()
        error = self.answers.pop(0)
        if error is None:
            future.set_result("token")
        else:
            future.set_exception(error)
        return future


class FakeDirectory:
    """Knows these, one list for each question; the last one stays."""

    def __init__(self, *known: list[FakeProxy]) -> None:
        self.known = list(known)
        self.lost: Callable[[Any], None] = lambda _known: None

    def all(self, _kind: object) -> list[Known[Any]]:
        """The next list."""
        now = self.known.pop(0) if len(self.known) > 1 else self.known[0]
        return [Known("auth", proxy, Rumour("authenticator", "auth", "")) for proxy in now]

    def on_removed(self, _kind: object, callback: Callable[[Any], None]) -> None:
        """Keep it."""
        self.lost = callback


def _users(directory: FakeDirectory, patience: float) -> Users:
    return Users(cast(Directory, directory), 0.3, patience)


def test_an_authenticator_that_comes_back_is_waited_for() -> None:
    """It dies with the question, is away, and is there again: the user notices nothing."""
    dying = FakeProxy(Ice.ConnectionLostException())
    directory = FakeDirectory([dying], [], [FakeProxy(None)])
    _users(directory, 60.0).check("ana", "hash", "job")
    assert len(directory.known) == 1


def test_one_that_stays_away_is_not_waited_for() -> None:
    """After the patience, and at once when it went long ago."""
    directory = FakeDirectory([])
    users = _users(directory, 0.0)
    for _ in range(2):
        with pytest.raises(Denial) as denied:
            users.check("ana", "hash", "job")
        assert denied.value.reason == NO_SERVERS
        directory.lost(None)


def test_a_refusal_is_final() -> None:
    """Nobody asks twice whether a wrong password is wrong."""
    proxy = FakeProxy(IceFlix.Unauthorized())
    with pytest.raises(Denial) as denied:
        _users(FakeDirectory([proxy]), 60.0).check("ana", "hash", "job")
    assert (denied.value.reason, proxy.answers) == (NOT_AUTHORIZED, [])
