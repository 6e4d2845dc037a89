"""Clients of Ice's protocol by hand, against a service of Ice."""

from collections.abc import Iterator

import pytest
from bench.crowd import latencies
from bench.machine import BenchError

from iceflix.contract import Ice, IceFlix


class Authenticator(IceFlix.Authenticator):
    """Knows a token that is too long for a size of one byte."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self) -> None:
        self.calls = 0

    def isAuthorized(self, authentication: str, _current: Ice.Current | None = None) -> bool:
        """Say whether it is the token."""
        self.calls += 1
        if authentication != "ñ" * 300:
            raise Ice.UnknownException(authentication)
        return True

    def refreshAuthorization(
        self, _user: str, _hash: str, _current: Ice.Current | None = None
    ) -> str:
        """Let nobody in."""
        raise IceFlix.Unauthorized


@pytest.fixture(name="servant")
def _servant() -> Authenticator:
    return Authenticator()


@pytest.fixture(name="target")
def _target(servant: Authenticator) -> Iterator[Ice.ObjectPrx]:
    with Ice.initialize(["--Ice.Default.Host=127.0.0.1", "--Ice.Warn.Dispatch=0"]) as ice:
        adapter = ice.createObjectAdapterWithEndpoints("crowd", "tcp")
        proxy = adapter.addWithUUID(servant)
        adapter.activate()
        yield proxy


def test_every_client_has_its_calls_answered(target: Ice.ObjectPrx, servant: Authenticator) -> None:
    """One call at least, however short the time; every latency is of an answer."""
    found = latencies(target, ("isAuthorized", "ñ" * 300), 20, 0.0)
    assert [len(own) for own in found] == [1] * 20
    assert servant.calls == 20
    assert all(latency > 0 for own in found for latency in own)


@pytest.mark.parametrize("call", [("isAuthorized", "x"), ("nothingLikeThat", "x")])
def test_an_error_is_no_answer(target: Ice.ObjectPrx, call: tuple[str, str]) -> None:
    """Else a service that refuses everything would be the quickest."""
    with pytest.raises(BenchError, match="answered with an error"):
        latencies(target, call, 2, 0.0)
