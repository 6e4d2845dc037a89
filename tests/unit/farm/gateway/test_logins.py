"""How the gateway asks for users while Authenticators come, go, hang and hold back (F13, F16)."""

from types import SimpleNamespace
from typing import cast

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.reasons import NO_SERVERS, NOT_AUTHORIZED
from iceflix.farm.gateway.desk import Login
from iceflix.farm.gateway.logins import Users
from iceflix.farm.gateway.waiting import Patience, until_heard
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import Denial
from tests.unit.farm.gateway.fakes import FakeDirectory, FakeProxy, FakeWorld


class Asked:  # pylint: disable=too-few-public-methods
    """One login, and what came of it: "" for being let in, else the reason."""

    def __init__(self, directory: FakeDirectory, young: float = 0.0) -> None:
        self.world = FakeWorld()
        self.said: list[str] = []
        there = cast(Directory, directory)
        patience = Patience(there, AUTHENTICATOR, young, 0.0)
        self._users = Users(there, self.world, 0.0, patience)
        self.again()

    def again(self) -> None:
        """Ask once more."""
        self._users.check(Login("ana", "hash", "job"), self._done)

    def _done(self, denial: Denial | None) -> None:
        self.said.append(denial.reason if denial else "")


def test_an_authenticator_that_comes_back_is_waited_for() -> None:
    """It dies with the question, is away, and is there again: the user notices nothing."""
    asked = Asked(FakeDirectory([FakeProxy(Ice.ConnectionLostException())], [], [FakeProxy("t")]))
    assert not asked.said
    asked.world.run_all()
    assert asked.said == [""]


def test_a_young_gateway_waits_until_it_may_have_heard() -> None:
    """Nobody is known yet; later, nobody is there."""
    young = Asked(FakeDirectory([], [], [FakeProxy("t")]), young=60.0)
    young.world.run_all()
    assert young.said == [""]
    old = Asked(FakeDirectory([]))
    assert old.said == [NO_SERVERS]


def test_how_long_a_gateway_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom its peers announce themselves by themselves; anew once there is a broker."""
    assert until_heard(1.0) == pytest.approx(2.1)
    assert until_heard(25.0) == 6.0
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("iceflix.farm.gateway.waiting.time", clock)
    patience = Patience(cast(Directory, FakeDirectory([])), AUTHENTICATOR, 6.0)
    lasts = []
    for now[0] in (105.9, 106.1):
        lasts.append(patience.lasts)
    patience.renew()
    for now[0] in (112.0, 112.2):
        lasts.append(patience.lasts)
    assert lasts == [True, False, True, False]


def test_a_refusal_is_final_and_keeps_nobody_waiting() -> None:
    """Held back for as long as it may be; nobody asks twice whether a wrong password is wrong."""
    proxy = FakeProxy(None, "t")
    asked = Asked(FakeDirectory([proxy]))
    asked.again()
    asked.world.run()
    assert asked.said == [""]  # the second one, while the first one waits
    proxy.pending[0].set_exception(IceFlix.Unauthorized())
    asked.world.run()
    assert asked.said == ["", NOT_AUTHORIZED]
    assert asked.world.run() == 0


@pytest.mark.parametrize("error", [Ice.UnknownException("x"), Ice.InvocationTimeoutException()])
def test_a_broken_one_is_asked_once(error: Exception) -> None:
    """It is there, and will not know better in a moment: not even a young gateway asks again."""
    proxy = FakeProxy(error)
    asked = Asked(FakeDirectory([proxy]), young=60.0)
    asked.world.run()
    assert (asked.said, asked.world.run()) == ([NO_SERVERS], 0)
    assert len(proxy.calls) == 1


def test_the_next_one_is_asked() -> None:
    """At once after a failure; after some silence; and whoever decides first decides."""
    silent, good = FakeProxy(None), FakeProxy("t")
    asked = Asked(FakeDirectory([FakeProxy(Ice.UnknownException("x")), good]))
    asked.world.run_all()
    assert asked.said == [""]
    good.answers.append("t")
    asked = Asked(FakeDirectory([silent, good]))
    assert not asked.said
    asked.world.run_all()
    assert asked.said == [""]
    silent.pending[0].set_exception(IceFlix.Unauthorized())
    assert asked.said == [""]


def test_one_that_hangs_is_waited_for_until_it_is_dropped() -> None:
    """The directory's probes find it out long before the call's own deadline."""
    hung = FakeProxy(None)
    directory = FakeDirectory([hung], [FakeProxy("t")])
    asked = Asked(directory)
    directory.drop(hung)
    assert not asked.said
    asked.world.run_all()
    assert asked.said == [""]
    hung.pending[0].set_result("t")
    assert asked.said == [""]
