"""Main's contract, on the servant itself and over the wire (V06, V07, V53)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.main.servant import MainServant
from iceflix.runtime.channels import AUTHENTICATOR, CATALOG
from iceflix.runtime.communicator import initialize
from iceflix.runtime.directory import Directory, Timing
from iceflix.runtime.settings import Settings
from tests.conftest import Eventually


class Face:
    """Main's two questions, asked either way."""

    def __init__(self, servant: MainServant, proxy: IceFlix.MainPrx | None) -> None:
        self._servant = servant
        self._proxy = proxy

    def authenticator(self) -> IceFlix.AuthenticatorPrx | None:
        """getAuthenticator."""
        if self._proxy is None:
            return self._servant.getAuthenticator(None)
        return self._proxy.getAuthenticator()

    def catalog(self) -> IceFlix.MediaCatalogPrx | None:
        """getCatalogService."""
        if self._proxy is None:
            return self._servant.getCatalogService(None)
        return self._proxy.getCatalogService()


@pytest.fixture(name="server")
def fixture_server(tmp_path: Path) -> Iterator[Ice.Communicator]:
    """A communicator as our services have it."""
    communicator = initialize(Settings.of(tmp_path))
    yield communicator
    communicator.destroy()


@pytest.fixture(name="directory")
def fixture_directory(server: Ice.Communicator) -> Iterator[Directory]:
    """What Main knows; the test does the announcing."""
    directory = Directory(server, "main", Timing(call=0.5, hedge=0.1))
    yield directory
    directory.stop()


@pytest.fixture(name="face", params=["direct", "wire"])
def fixture_face(
    request: pytest.FixtureRequest,
    server: Ice.Communicator,
    directory: Directory,
    ice: Ice.Communicator,
) -> Face:
    """The same Main behind either face."""
    servant = MainServant(directory)
    if request.param == "direct":
        return Face(servant, None)
    adapter = server.createObjectAdapterWithEndpoints("Main", "tcp")
    adapter.activate()
    proxy = ice.stringToProxy(str(adapter.add(servant, Ice.Identity("Main", "IceFlix"))))
    return Face(servant, IceFlix.MainPrx.checkedCast(proxy))


Place = Callable[[Ice.Object], Ice.ObjectPrx]


@pytest.fixture(name="place")
def fixture_place(ice: Ice.Communicator) -> Place:
    """Give a servant an endpoint of its own, which ends with its adapter."""

    def put(servant: Ice.Object) -> Ice.ObjectPrx:
        adapter = ice.createObjectAdapterWithEndpoints(Ice.generateUUID(), "tcp -h 127.0.0.1")
        adapter.activate()
        return adapter.addWithUUID(servant)

    return put


def test_nobody_announced(face: Face) -> None:
    """V53."""
    with pytest.raises(IceFlix.TemporaryUnavailable):
        face.authenticator()
    with pytest.raises(IceFlix.TemporaryUnavailable):
        face.catalog()


def test_each_kind_for_itself_and_each_one_in_turn(
    face: Face, directory: Directory, place: Place, eventually: Eventually
) -> None:
    """V06."""
    for number in range(3):
        directory.heard(AUTHENTICATOR, place(IceFlix.Authenticator()), f"a{number}")
    eventually(lambda: len(directory.all(AUTHENTICATOR)) == 3)
    found = {str(face.authenticator()) for _ in range(100)}
    assert len(found) == 3
    with pytest.raises(IceFlix.TemporaryUnavailable):
        face.catalog()
    directory.heard(CATALOG, place(IceFlix.MediaCatalog()), "c")
    eventually(lambda: directory.all(CATALOG))
    catalog = face.catalog()
    assert catalog is not None
    assert catalog.ice_isA("::IceFlix::MediaCatalog")


def test_something_else_is_never_handed_out(
    face: Face, directory: Directory, place: Place, eventually: Eventually
) -> None:
    """V10: a catalogue that calls itself an Authenticator, then a real one."""
    directory.heard(AUTHENTICATOR, place(IceFlix.MediaCatalog()), "liar")
    directory.heard(AUTHENTICATOR, place(IceFlix.Authenticator()), "honest")
    eventually(lambda: directory.all(AUTHENTICATOR))
    for _ in range(10):
        authenticator = face.authenticator()
        assert authenticator is not None
        assert authenticator.ice_isA("::IceFlix::Authenticator")


def test_the_dead_are_not_handed_out(
    face: Face, directory: Directory, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """V07, V53: one of two is gone, then both."""
    adapters = []
    for number in range(2):
        adapter = ice.createObjectAdapterWithEndpoints(f"a{number}", "tcp -h 127.0.0.1")
        adapter.activate()
        adapters.append(adapter)
        directory.heard(AUTHENTICATOR, adapter.addWithUUID(IceFlix.Authenticator()), f"a{number}")
    eventually(lambda: len(directory.all(AUTHENTICATOR)) == 2)
    adapters[0].destroy()
    eventually(lambda: len({str(face.authenticator()) for _ in range(10)}) == 1)
    adapters[1].destroy()

    def unavailable() -> bool:
        try:
            face.authenticator()
        except IceFlix.TemporaryUnavailable:
            return True
        return False

    eventually(unavailable, 5)
