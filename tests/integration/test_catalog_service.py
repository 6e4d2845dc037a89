"""The catalogue on a real broker, among foreign providers and Authenticators (V22-V36)."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iceflix.catalog import service
from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.contract.topics import MEDIA_ANNOUNCEMENTS, SERVICE_AVAILABILITY
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker
from tests.postgres import ENGINES, NewDatabase

pytestmark = pytest.mark.slow


class Foreign:
    """A foreign process: a communicator of its own, which can hang and die."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.id = str(uuid.uuid4())
        self.ice = Ice.initialize(
            ["--Ice.Default.Host=127.0.0.1", "--Ice.ThreadPool.Server.Size=2"]
        )
        self.adapter = self.ice.createObjectAdapterWithEndpoints("foreign", "tcp")
        self.adapter.activate()

    def topic(self, name: str) -> Ice.ObjectPrx:
        """A topic's publisher, in this communicator."""
        manager = IceStorm.TopicManagerPrx.uncheckedCast(self.ice.stringToProxy(self.broker.proxy))
        try:
            topic = manager.retrieve(name)
        except IceStorm.NoSuchTopic:
            topic = manager.create(name)
        publisher = topic.getPublisher()
        assert publisher is not None
        return publisher

    def services(self) -> IceFlix.ServiceAvailabilityPrx:
        """Where services announce themselves."""
        return IceFlix.ServiceAvailabilityPrx.uncheckedCast(self.topic(SERVICE_AVAILABILITY))

    def media(self) -> IceFlix.StreamAnnouncesPrx:
        """Where media are announced."""
        return IceFlix.StreamAnnouncesPrx.uncheckedCast(self.topic(MEDIA_ANNOUNCEMENTS))

    def die(self) -> None:
        """As if killed."""
        self.ice.destroy()


class Authenticator(Foreign, IceFlix.Authenticator):
    """Knows some tokens."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, broker: Broker, *tokens: str) -> None:
        super().__init__(broker)
        self.tokens = set(tokens)
        self.proxy = IceFlix.AuthenticatorPrx.uncheckedCast(self.adapter.addWithUUID(self))

    def announce(self) -> None:
        """Say that it is there."""
        self.services().authenticationService(self.proxy, self.id)

    def isAuthorized(self, authentication: str, _current: Ice.Current | None = None) -> bool:
        """Know the token or not."""
        return authentication in self.tokens

    def refreshAuthorization(
        self, _user: str, _hash: str, _current: Ice.Current | None = None
    ) -> str:
        """Let nobody in."""
        raise IceFlix.Unauthorized


class Provider(Foreign, IceFlix.StreamProvider):
    """Has some media, by id."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, broker: Broker, **media: str) -> None:
        super().__init__(broker)
        self.library = media
        self.asked = 0
        self.proxy = IceFlix.StreamProviderPrx.uncheckedCast(self.adapter.addWithUUID(self))

    def announce(self) -> None:
        """Say that it is there."""
        self.services().mediaService(self.proxy, self.id)

    def publish(self, name: str = "") -> None:
        """Say what it has; ``name``: what it calls itself, its id unless given."""
        topic = self.media()
        for media_id, title in self.library.items():
            topic.newMedia(media_id, title, name or self.id)

    def reannounceMedia(self, _current: Ice.Current | None = None) -> None:
        """Say again what it has."""
        self.asked += 1
        self.publish()

    def isAvailable(self, media_id: str, _current: Ice.Current | None = None) -> bool:
        """Whether it has a medium."""
        return media_id in self.library

    def getStream(
        self, media_id: str, _authentication: str, _current: Ice.Current | None = None
    ) -> IceFlix.StreamControllerPrx | None:
        """Stream nothing."""
        raise IceFlix.WrongMediaId(media_id)


class Silent(Provider):
    """Does not announce its media when it is asked to."""

    def reannounceMedia(self, _current: Ice.Current | None = None) -> None:
        """Do nothing."""
        self.asked += 1


@pytest.fixture(name="keep")
def _keep() -> Iterator[Callable[[Foreign], None]]:
    """Have a foreign process end with the test."""
    kept: list[Foreign] = []
    yield kept.append
    for foreign in kept:
        foreign.die()


StartProvider = Callable[..., Provider]


@pytest.fixture(name="provider")
def _provider(broker: Broker, keep: Callable[[Foreign], None]) -> StartProvider:
    """Start a foreign provider: ``provider(a="Uno")``; of another class, ``provider(Silent)``."""

    def start(of: type[Provider] = Provider, **media: str) -> Provider:
        provider = of(broker, **media)
        keep(provider)
        return provider

    return start


@pytest.fixture(name="authenticator")
def _authenticator(broker: Broker, keep: Callable[[Foreign], None]) -> Authenticator:
    """A foreign Authenticator that knows the token "good"; not announced yet."""
    authenticator = Authenticator(broker, "good")
    keep(authenticator)
    return authenticator


StartCatalog = Callable[..., IceFlix.MediaCatalogPrx]
Served = tuple[IceFlix.MediaCatalogPrx, Provider]


@pytest.fixture(name="hosts")
def _hosts() -> list[Host]:
    """The catalogues' hosts, in the order of their start."""
    return []


@pytest.fixture(name="catalog")
def _catalog(make_host: HostMaker, hosts: list[Host], ice: Ice.Communicator) -> StartCatalog:
    """Start a catalogue; all of a test have the same file unless told otherwise."""

    def start(**properties: str) -> IceFlix.MediaCatalogPrx:
        given = {key.replace("_", "."): value for key, value in properties.items()}
        hosts.append(make_host("catalog", service.build, given))
        proxy = ice.stringToProxy(str(hosts[-1].proxy))
        return IceFlix.MediaCatalogPrx.uncheckedCast(proxy)

    return start


def _served_by(catalog: IceFlix.MediaCatalogPrx, media_id: str) -> str | None:
    """The identity of the provider that getTile gives; None while there is none."""
    try:
        provider = catalog.getTile(media_id).provider
    except (IceFlix.TemporaryUnavailable, IceFlix.WrongMediaId):
        return None
    assert provider is not None
    return provider.ice_getIdentity().name


def _serves(catalog: IceFlix.MediaCatalogPrx, media_id: str, provider: Provider) -> bool:
    return _served_by(catalog, media_id) == provider.proxy.ice_getIdentity().name


@pytest.fixture(name="served")
def _served(catalog: StartCatalog, provider: StartProvider, eventually: Eventually) -> Served:
    """A catalogue, and the provider that serves its title "a"."""
    asked = catalog()
    one = provider(Silent, a="Uno")
    one.announce()
    one.publish()
    eventually(lambda: _serves(asked, "a", one))
    return asked, one


def test_a_provider_known_before_and_after_its_media(
    served: Served, provider: StartProvider, eventually: Eventually
) -> None:
    """V24, V26: the order of the two announcements does not matter."""
    asked, one = served
    assert _serves(asked, "a", one)
    two = provider(Silent, b="Dos")
    two.publish()
    eventually(lambda: asked.getTilesByName("dos", True) == ["b"])
    with pytest.raises(IceFlix.TemporaryUnavailable):
        asked.getTile("b")
    two.announce()
    eventually(lambda: _serves(asked, "b", two))
    assert asked.getTile("b").info.name == "Dos"


def test_a_provider_that_calls_itself_by_its_proxy(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V26: a stringified proxy is as good as an id, and as dead when its process is."""
    asked = catalog()
    one = provider(Silent, a="Uno")
    one.publish(str(one.proxy))
    eventually(lambda: _serves(asked, "a", one))
    for nonsense in ("not announced", "x:y:z", "x:tcp -h 127.0.0.1 -p 1", "@", "x @ y", str(asked)):
        one.publish(nonsense)
        one.media().newMedia("last", nonsense, "")
        eventually(lambda name=nonsense: "last" in asked.getTilesByName("", False))
    assert _serves(asked, "a", one)
    one.die()
    with pytest.raises(IceFlix.TemporaryUnavailable):
        asked.getTile("a")


def test_an_object_that_has_just_ceased_to_be_is_not_given_out(served: Served) -> None:
    """V27: valid is what answers now, not what answered a moment ago."""
    asked, one = served
    one.adapter.remove(one.proxy.ice_getIdentity())
    with pytest.raises(IceFlix.TemporaryUnavailable):
        asked.getTile("a")


def test_calls_that_come_together_share_no_answer_from_before_them(served: Served) -> None:
    """V27: many at once, as well, are given nobody who has ceased to be before they came."""
    asked, one = served
    for future in [asked.getTileAsync("a") for _ in range(100)]:
        given = future.result(20).provider
        assert given is not None
        assert given.ice_getIdentity() == one.proxy.ice_getIdentity()
    one.adapter.remove(one.proxy.ice_getIdentity())
    for future in [asked.getTileAsync("a") for _ in range(100)]:
        with pytest.raises(IceFlix.TemporaryUnavailable):
            future.result(20)


def test_a_hung_provider_holds_up_no_title_of_another_one(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V08: more calls wait for it than the service has threads."""
    asked = catalog()
    one, two = provider(Silent, a="Uno"), provider(Silent, b="Dos")
    for each in (one, two):
        each.announce()
        each.publish()
    eventually(lambda: _serves(asked, "a", one) and _serves(asked, "b", two))
    one.adapter.hold()
    waiting = [asked.getTileAsync("a") for _ in range(100)]
    assert _serves(asked, "b", two)
    for future in waiting:
        with pytest.raises(IceFlix.TemporaryUnavailable):
            future.result(20)
    one.adapter.activate()


def test_a_late_catalogue_asks_for_what_there_is(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V28: reannounceMedia is called on each provider found, once if it works."""
    one = provider(a="Uno", b="Dos")
    one.publish()
    asked = catalog()
    assert asked.getTilesByName("", False) == []
    one.announce()
    eventually(lambda: asked.getTilesByName("", False) == ["b", "a"])
    one.announce()
    eventually(lambda: _serves(asked, "b", one))
    assert one.asked == 1


def test_a_silent_provider_is_asked_again(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """Events get lost; the catalogue does not give up at once."""
    catalog()
    silent = provider(Silent)
    silent.announce()
    eventually(lambda: silent.asked >= 2)


def test_the_newest_provider_that_answers(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V27: the newest; killed, the older one; killed too, TemporaryUnavailable."""
    asked = catalog()
    one, two = provider(a="Uno"), provider(a="Uno")
    one.announce()
    eventually(lambda: _serves(asked, "a", one))
    two.announce()
    eventually(lambda: _serves(asked, "a", two))
    one.publish()
    eventually(lambda: _serves(asked, "a", one))
    two.publish()
    eventually(lambda: _serves(asked, "a", two))
    two.die()
    eventually(lambda: _serves(asked, "a", one), 1)
    one.die()
    eventually(lambda: _served_by(asked, "a") is None, 1)
    assert asked.getTilesByName("uno", True) == ["a"]


def test_a_hung_provider_is_passed_over_and_comes_back(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V08: it serves again once it is heard of again, without announcing its media again."""
    asked = catalog()
    one, two = provider(a="Uno"), provider(Silent, a="Uno")
    one.announce()
    eventually(lambda: _serves(asked, "a", one))
    two.announce()
    two.publish()
    eventually(lambda: _serves(asked, "a", two))
    two.adapter.hold()
    eventually(lambda: _serves(asked, "a", one), 5)
    two.adapter.activate()

    def back() -> bool:
        two.announce()
        return _serves(asked, "a", two)

    eventually(back)


def test_edits_need_an_authenticator_that_vouches(
    catalog: StartCatalog, authenticator: Authenticator, broker: Broker, eventually: Eventually
) -> None:
    """V09, V22, V31: fails closed; any one that vouches will do; a token is never remembered."""
    asked = catalog()
    authenticator.media().newMedia("a", "Uno", "nobody")
    eventually(lambda: asked.getTilesByName("uno", True) == ["a"])
    for media_id in ("a", "nobody"):
        with pytest.raises(IceFlix.Unauthorized):
            asked.renameTile(media_id, "x", "good")
    others = [Authenticator(broker) for _ in range(2)]
    for one in (*others, authenticator):
        one.announce()

    def renamed() -> bool:
        try:
            asked.renameTile("a", "Dos", "good")
        except IceFlix.Unauthorized:
            return False
        return True

    eventually(renamed)
    for other in others:
        other.die()
    asked.addTags("a", ["x", "y"], "good")
    asked.removeTags("a", ["x"], "good")
    assert asked.getTilesByName("dos", True) == asked.getTilesByTags(["y"], True) == ["a"]
    with pytest.raises(IceFlix.WrongMediaId):
        asked.addTags("nobody", ["x"], "good")
    authenticator.tokens.clear()
    for edit in (asked.addTags, asked.removeTags):
        with pytest.raises(IceFlix.Unauthorized):
            edit("a", ["z"], "good")
    authenticator.die()
    with pytest.raises(IceFlix.Unauthorized):
        asked.renameTile("a", "x", "good")


def test_nothing_published_deafens_it(
    catalog: StartCatalog, provider: StartProvider, eventually: Eventually
) -> None:
    """V10: nonsense, endless names, ten thousand announcements; then one more is heard."""
    asked = catalog()
    one = provider(good="Bueno")
    topic = one.media()
    for nonsense in ("", " ", "\0", "x" * 900_000):
        topic.newMedia(nonsense, "x", one.id)
        topic.newMedia("odd", nonsense, one.id)
        topic.newMedia("odd", "x", nonsense)
    flood = topic.ice_oneway()
    for n in range(10_000):
        flood.newMedia(f"flood{n}", f"Film {n}", one.id)
    one.announce()
    eventually(lambda: _serves(asked, "good", one), 20)
    eventually(lambda: len(asked.getTilesByName("film", False)) == 10_000, 20)
    assert _serves(asked, "flood9999", one)


@pytest.fixture(name="places", params=ENGINES)
def _places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two values of Catalog.File; new databases."""
    if request.param == "sqlite":
        return str(tmp_path / "films.db"), str(tmp_path / "other.db")
    new: NewDatabase = request.getfixturevalue("new_postgres")
    return new(), new()


def test_two_catalogues_with_one_database(
    catalog: StartCatalog,
    places: tuple[str, str],
    provider: StartProvider,
    authenticator: Authenticator,
    eventually: Eventually,
) -> None:
    """V36: an edit through one is visible through the other at once; other files are others."""
    one, two, other = (catalog(Catalog_File=place) for place in (places[0], places[0], places[1]))
    authenticator.announce()
    film = provider(a="Uno")
    film.announce()
    for asked in (one, two, other):
        eventually(lambda asked=asked: _serves(asked, "a", film))

    def renamed() -> bool:
        try:
            one.renameTile("a", "Cambiado", "good")
            two.addTags("a", ["x"], "good")
        except IceFlix.Unauthorized:
            return False
        return True

    eventually(renamed)
    assert two.getTile("a").info.name == "Cambiado"
    assert one.getTile("a").info.tags == ["x"]
    assert other.getTile("a").info.name == "Uno"


def test_a_restarted_catalogue_knows_names_but_no_providers(
    catalog: StartCatalog, provider: StartProvider, hosts: list[Host], eventually: Eventually
) -> None:
    """V24."""
    one = provider(a="Uno")
    one.announce()
    asked = catalog()
    one.announce()
    eventually(lambda: _serves(asked, "a", one))
    one.die()
    hosts[0].stop()
    asked = catalog()
    assert asked.getTilesByName("Uno", True) == ["a"]
    with pytest.raises(IceFlix.TemporaryUnavailable):
        asked.getTile("a")


def test_the_broker_loses_everything(
    own_broker: Broker, catalog: StartCatalog, eventually: Eventually
) -> None:
    """V05: afterwards, media that were announced meanwhile become known."""
    own_broker.start()
    asked = catalog(IceStorm_TopicManager_Proxy=own_broker.proxy)
    one = Provider(own_broker, a="Uno")
    one.announce()
    eventually(lambda: _serves(asked, "a", one))
    own_broker.stop()
    own_broker.wipe()
    one.library["b"] = "Dos"
    assert _serves(asked, "a", one)
    own_broker.start()
    eventually(lambda: _serves(asked, "b", one), 20)
    one.die()


def test_status(
    catalog: StartCatalog, provider: StartProvider, tmp_path: Path, eventually: Eventually
) -> None:
    """What ``iceflix status`` shows."""
    asked = catalog()
    one = provider(a="Uno", b="Dos")
    one.announce()
    one.media().newMedia("c", "Tres", "somebody else")
    operations = IceFlix.OperationsPrx.uncheckedCast(asked.ice_facet("operations"))
    expected = {
        "titles": "3",
        "tags": "0",
        "available": "2",
        "database": str(tmp_path / "catalog.db"),
        "schema": "0002",
    }
    eventually(lambda: operations.status().details == expected)


@pytest.mark.parametrize("content", [b"no database\n" * 500, None])
def test_an_unusable_file_is_said_at_the_start(
    make_host: HostMaker, tmp_path: Path, content: bytes | None
) -> None:
    """A SetupError that names the property and what to do."""
    file = tmp_path / "folder" / "wrong.db"
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(SetupError, match=r"^Catalog.File: .*wrong.db .*; name "):
        make_host("catalog", service.build, {"Catalog.File": str(file)})
