"""The catalogue without a wire: who may edit, who serves, what is said (V24-V34)."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iceflix.catalog.catalogue import Announcement, Catalogue, Surroundings, Tile
from iceflix.catalog.database import Database, StoreError
from iceflix.catalog.store import Store
from iceflix.contract import IceFlix
from iceflix.runtime.errors import NotAuthorized, NotAvailable, UnknownMedia

GOOD = "good token"


class World:
    """Providers that are alive by name, and one token."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.asked: list[str] = []

    def authorize(self, token: str) -> None:
        """Know one token."""
        if token != GOOD:
            raise NotAuthorized("no")

    def reachable(self, provider: str) -> bool:
        """Whether it is alive, without asking it."""
        return provider in self.alive

    def live(self, provider: str) -> IceFlix.StreamProviderPrx | None:
        """A live provider's proxy (here: its name)."""
        self.asked.append(provider)
        proxy: Any = provider
        return proxy if provider in self.alive else None


@pytest.fixture(name="world")
def _world() -> World:
    return World()


@pytest.fixture(name="catalogue")
def _catalogue(store: Store, world: World) -> Iterator[Catalogue]:
    catalogue = Catalogue(store, Surroundings(world.authorize, world.live, world.reachable))
    yield catalogue
    catalogue.stop()


def _tile(catalogue: Catalogue, media_id: str) -> Tile:
    """Wait for the title and its provider."""
    told: queue.SimpleQueue[Tile | None] = queue.SimpleQueue()
    catalogue.tile(media_id, told.put)
    tile = told.get(timeout=20)
    if tile is None:
        raise NotAvailable("nobody answers")
    return tile


def _announce(catalogue: Catalogue, *what: tuple[str, str, str]) -> None:
    catalogue.register([Announcement(*one) for one in what])


def test_unknown_unavailable_available(catalogue: Catalogue, world: World) -> None:
    """V27: the three answers of getTile."""
    with pytest.raises(UnknownMedia) as unknown:
        _tile(catalogue, "a")
    assert unknown.value.media_id == "a"
    _announce(catalogue, ("a", "Uno", "one"))
    with pytest.raises(NotAvailable):
        _tile(catalogue, "a")
    world.alive.add("one")
    tile = _tile(catalogue, "a")
    provider: Any = tile.provider
    assert (tile.title.name, tile.title.tags, provider) == ("Uno", (), "one")


def test_the_newest_that_answers(catalogue: Catalogue, world: World) -> None:
    """V27: the newest provider; the older one when the newest has died."""
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"), ("a", "Uno", "two"))
    provider: Any = _tile(catalogue, "a").provider
    assert provider == "two"
    assert world.asked == ["two"]
    world.alive = {"one"}
    provider = _tile(catalogue, "a").provider
    assert provider == "one"
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"))
    provider = _tile(catalogue, "a").provider
    assert provider == "one"


def test_a_hung_provider_serves_again_without_a_new_announcement(
    catalogue: Catalogue, world: World
) -> None:
    """A hung provider serves again without a new announcement."""
    _announce(catalogue, ("a", "Uno", "one"))
    for alive in (True, False, True):
        world.alive = {"one"} if alive else set()
        if alive:
            _tile(catalogue, "a")
        else:
            with pytest.raises(NotAvailable):
                _tile(catalogue, "a")


def test_the_locations_are_volatile(store: Store, catalogue: Catalogue, world: World) -> None:
    """V24: after a restart the name is found, but nobody has it."""
    world.alive = {"one"}
    _announce(catalogue, ("a", "Uno", "one"))
    again = Catalogue(store, Surroundings(world.authorize, world.live))
    assert again.by_name("uno", exact=True) == ["a"]
    with pytest.raises(NotAvailable):
        _tile(again, "a")


def test_a_reannouncement_renames_nothing(catalogue: Catalogue, world: World) -> None:
    """V25: name and tags stay, the provider is updated."""
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"))
    catalogue.rename("a", "Primero", GOOD)
    catalogue.add_tags("a", ["x"], GOOD)
    _announce(catalogue, ("a", "Uno", "two"))
    tile = _tile(catalogue, "a")
    provider: Any = tile.provider
    assert (tile.title.name, tile.title.tags, provider) == ("Primero", ("x",), "two")


def test_announcements_without_a_name_or_a_provider(catalogue: Catalogue, world: World) -> None:
    """The medium can still be found, by its id, and renamed."""
    world.alive = {"one"}
    _announce(catalogue, ("a", "", "one"), ("b", "Dos", ""))
    assert _tile(catalogue, "a").title.name == "a"
    assert catalogue.by_name("dos", exact=False) == ["b"]
    with pytest.raises(NotAvailable):
        _tile(catalogue, "b")


def test_authorisation_comes_first(catalogue: Catalogue) -> None:
    """V31: a bad token is a bad token, whatever the rest is."""
    _announce(catalogue, ("a", "Uno", "one"))
    refused: list[Callable[[str], None]] = [
        lambda media_id: catalogue.rename(media_id, "x", "bad"),
        lambda media_id: catalogue.rename(media_id, "", ""),
        lambda media_id: catalogue.add_tags(media_id, [], "bad"),
        lambda media_id: catalogue.remove_tags(media_id, ["x"], "bad"),
    ]
    for edit in refused:
        for media_id in ("a", "nobody"):
            with pytest.raises(NotAuthorized):
                edit(media_id)
    authorised: list[Callable[[str], None]] = [
        lambda media_id: catalogue.rename(media_id, "x", GOOD),
        lambda media_id: catalogue.rename(media_id, " ", GOOD),
        lambda media_id: catalogue.add_tags(media_id, [], GOOD),
        lambda media_id: catalogue.add_tags(media_id, ["x", ""], GOOD),
        lambda media_id: catalogue.remove_tags(media_id, [], GOOD),
        lambda media_id: catalogue.remove_tags(media_id, ["x"], GOOD),
    ]
    for edit in authorised:
        with pytest.raises(UnknownMedia):
            edit("nobody")
    assert catalogue.by_name("uno", exact=True) == ["a"]


def test_unusable_names_and_tags_change_nothing(catalogue: Catalogue, world: World) -> None:
    """V31: nothing that the contract declares fits, so they are ignored."""
    world.alive = {"one"}
    _announce(catalogue, ("a", "Uno", "one"))
    for bad in ("", "  ", "x\0y", "x" * 1_000_000):
        catalogue.rename("a", bad, GOOD)
        catalogue.add_tags("a", [bad], GOOD)
        catalogue.remove_tags("a", [bad], GOOD)
    catalogue.add_tags("a", ["", "x", "\0"], GOOD)
    title = _tile(catalogue, "a").title
    assert (title.name, title.tags) == ("Uno", ("x",))


def test_searches(catalogue: Catalogue) -> None:
    """Exact and not, all and any."""
    _announce(catalogue, ("a", "Uno", "one"), ("b", "Uno más", "one"))
    catalogue.add_tags("a", ["x"], GOOD)
    catalogue.add_tags("b", ["x", "y"], GOOD)
    assert catalogue.by_name("UNO", exact=True) == ["a"]
    assert catalogue.by_name("UNO", exact=False) == ["a", "b"]
    assert catalogue.by_tags(["X", "Y"], every=True) == ["b"]
    assert catalogue.by_tags(["X", "Y"], every=False) == ["a", "b"]


def test_what_it_knows(catalogue: Catalogue, world: World) -> None:
    """For the status, and for reminding providers."""
    _announce(catalogue, ("a", "Uno", "one"), ("b", "Dos", "two"), ("b", "Dos", "one"))
    assert catalogue.knows("one") and not catalogue.knows("three")
    world.alive.add("two")
    assert catalogue.available() == 1
    world.alive.add("one")
    assert catalogue.available() == 2


def test_a_broken_database_is_a_title_that_is_not_available(
    database: Database, catalogue: Catalogue
) -> None:
    """getTile declares something that fits; a search does not."""
    _announce(catalogue, ("a", "Uno", "one"))
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE tag")
    with pytest.raises(NotAvailable):
        _tile(catalogue, "a")
    with pytest.raises(StoreError):
        catalogue.by_tags(["x"], every=False)


def test_hung_providers_are_tried_for_a_while_only(store: Store, world: World) -> None:
    """V08: an answer comes soon, however many providers hang."""
    catalogue = Catalogue(store, Surroundings(world.authorize, world.live, patience_seconds=0.0))
    _announce(catalogue, *(("a", "Uno", f"p{n}") for n in range(8)))
    with pytest.raises(NotAvailable):
        _tile(catalogue, "a")
    assert len(world.asked) < 8


def test_an_edit_made_while_a_provider_is_asked_is_seen(store: Store, world: World) -> None:
    """The title is read after the provider has answered, however well it is remembered."""
    names = iter(["Uno", "Dos"])

    def live(provider: str) -> IceFlix.StreamProviderPrx | None:
        store.rename("a", next(names))
        return world.live(provider)

    catalogue = Catalogue(store, Surroundings(world.authorize, live))
    world.alive = {"one"}
    _announce(catalogue, ("a", "Cero", "one"))
    store.title("a")
    if store.remembered("a"):  # PostgreSQL's titles are always read when the call comes
        assert _tile(catalogue, "a").title.name == "Uno"
        assert _tile(catalogue, "a").title.name == "Dos"
    catalogue.stop()


def test_calls_that_come_together(store: Store, world: World) -> None:
    """All are answered, none by an answer that is older than the call; few questions are asked."""
    asked, go_on = threading.Event(), threading.Event()

    def live(provider: str) -> IceFlix.StreamProviderPrx | None:
        asked.set()
        assert go_on.wait(20)
        return world.live(provider)

    catalogue = Catalogue(store, Surroundings(world.authorize, live))
    _announce(catalogue, ("a", "Uno", "one"))
    world.alive = {"one"}
    first: queue.SimpleQueue[Tile | None] = queue.SimpleQueue()
    thread = threading.Thread(target=catalogue.tile, args=("a", first.put))
    thread.start()
    assert asked.wait(20)
    others: queue.SimpleQueue[Tile | None] = queue.SimpleQueue()
    for _ in range(100):
        catalogue.tile("a", others.put)
    assert others.empty()
    go_on.set()
    thread.join(20)
    tiles = [first.get(timeout=20), *(others.get(timeout=20) for _ in range(100))]
    assert all(tile is not None and tile.title.name == "Uno" for tile in tiles)
    assert len(world.asked) == 2
    catalogue.stop()
