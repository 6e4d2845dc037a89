"""The catalogue as a process: killed at once after an answer, and unable to start (V23)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.contract.topics import SERVICE_AVAILABILITY
from tests.conftest import Broker, ProcessStarter, ServiceProcess, wait_until

pytestmark = pytest.mark.slow


class Vouching(IceFlix.Authenticator):
    """A foreign Authenticator that believes everybody."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def isAuthorized(self, _authentication: str, _current: Ice.Current | None = None) -> bool:
        """Believe."""
        return True

    def refreshAuthorization(
        self, _user: str, _hash: str, _current: Ice.Current | None = None
    ) -> str:
        """Let everybody in."""
        return "token"


Start = Callable[..., ServiceProcess]


def _catalog(process: ServiceProcess, ice: Ice.Communicator) -> IceFlix.MediaCatalogPrx:
    """The MediaCatalog of this process, once it is ready."""
    return IceFlix.MediaCatalogPrx.uncheckedCast(ice.stringToProxy(process.proxy()))


@pytest.fixture(name="start")
def _start(start_process: ProcessStarter) -> Start:
    """Start catalogues of one home."""
    return partial(start_process, "catalog")


def _announce(broker: Broker, ice: Ice.Communicator) -> Callable[[], None]:
    """How a foreign Authenticator announces itself."""
    adapter = ice.createObjectAdapterWithEndpoints("vouching", "tcp")
    adapter.activate()
    vouching = IceFlix.AuthenticatorPrx.uncheckedCast(adapter.addWithUUID(Vouching()))
    try:
        topic = broker.manager.retrieve(SERVICE_AVAILABILITY)
    except IceStorm.NoSuchTopic:
        topic = broker.manager.create(SERVICE_AVAILABILITY)
    publisher = IceFlix.ServiceAvailabilityPrx.uncheckedCast(topic.getPublisher())
    return lambda: publisher.authenticationService(vouching, "vouching")


def _media(broker: Broker) -> IceFlix.StreamAnnouncesPrx:
    publisher = broker.manager.retrieve("MediaAnnouncements").getPublisher()
    return IceFlix.StreamAnnouncesPrx.uncheckedCast(publisher)


def test_what_was_answered_survives_a_kill(
    start: Start, broker: Broker, ice: Ice.Communicator, tmp_path: Path
) -> None:
    """V23: rename and addTags, SIGKILL at once, restart on the same file: both are there."""
    announce = _announce(broker, ice)
    file = f"--Catalog.File={tmp_path / 'films.db'}"
    for n in range(3):
        process = start(file)
        catalog = _catalog(process, ice)
        if n == 0:
            _media(broker).newMedia("a", "Uno", "nobody")
            wait_until(partial(_found, catalog, "uno"))
        wait_until(partial(_edited, catalog, announce, n))
        process.stop()
        catalog = _catalog(start(file), ice)
        assert catalog.getTilesByName(f"nombre {n}", True) == ["a"]
        assert catalog.getTilesByTags([f"tag {m}" for m in range(n + 1)], True) == ["a"]
        assert catalog.getTilesByName("uno", True) == []
    elsewhere = _catalog(start(f"--Catalog.File={tmp_path / 'other.db'}"), ice)
    assert elsewhere.getTilesByName("", False) == []


def _found(catalog: IceFlix.MediaCatalogPrx, name: str) -> bool:
    return catalog.getTilesByName(name, True) == ["a"]


def _edited(catalog: IceFlix.MediaCatalogPrx, announce: Callable[[], None], n: int) -> bool:
    announce()
    try:
        catalog.addTags("a", [f"tag {n}"], "token")
        catalog.renameTile("a", f"Nombre {n}", "token")
    except IceFlix.Unauthorized:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("notes.txt", "is not a database; name another file"),
        ("nowhere/films.db", "cannot be opened; name a file in a folder"),
    ],
)
def test_a_start_that_fails_says_why(start: Start, tmp_path: Path, name: str, said: str) -> None:
    """One sentence on standard error, exit code 2, and the file is as it was."""
    (tmp_path / "notes.txt").write_text("Buy milk.\n" * 1000)
    process = start(f"--Catalog.File={tmp_path / name}")
    _, output = process.popen.communicate(timeout=30)
    assert process.popen.returncode == 2
    sentence = output.strip().split("\n")[-1]
    assert sentence.startswith("iceflix catalog: Catalog.File: the database ")
    assert said in sentence
    assert "Traceback" not in output
    assert (tmp_path / "notes.txt").read_text() == "Buy milk.\n" * 1000
