"""The catalogue without a wire: who may edit, who serves, what is said (V24-V34)."""

from collections.abc import Callable
from typing import Any

import pytest

from iceflix.catalog.catalogue import Announcement, Catalogue, Surroundings
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

    def live(self, provider: str) -> IceFlix.StreamProviderPrx | None:
        """A live provider's proxy (here: its name)."""
        self.asked.append(provider)
        proxy: Any = provider
        return proxy if provider in self.alive else None


@pytest.fixture(name="world")
def _world() -> World:
    return World()


@pytest.fixture(name="catalogue")
def _catalogue(store: Store, world: World) -> Catalogue:
    return Catalogue(store, Surroundings(world.authorize, world.live))


def _announce(catalogue: Catalogue, *what: tuple[str, str, str]) -> None:
    catalogue.register([Announcement(*one) for one in what])


def test_unknown_unavailable_available(catalogue: Catalogue, world: World) -> None:
    """V27: the three answers of getTile."""
    with pytest.raises(UnknownMedia) as unknown:
        catalogue.tile("a")
    assert unknown.value.media_id == "a"
    _announce(catalogue, ("a", "Uno", "one"))
    with pytest.raises(NotAvailable):
        catalogue.tile("a")
    world.alive.add("one")
    tile = catalogue.tile("a")
    provider: Any = tile.provider
    assert (tile.title.name, tile.title.tags, provider) == ("Uno", (), "one")


def test_the_newest_that_answers(catalogue: Catalogue, world: World) -> None:
    """V27: the newest provider; the older one when the newest has died."""
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"), ("a", "Uno", "two"))
    provider: Any = catalogue.tile("a").provider
    assert provider == "two"
    assert world.asked == ["two"]
    world.alive = {"one"}
    provider = catalogue.tile("a").provider
    assert provider == "one"
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"))
    provider = catalogue.tile("a").provider
    assert provider == "one"


def test_a_hung_provider_serves_again_without_a_new_announcement(
    catalogue: Catalogue, world: World
) -> None:
    """A hung provider serves again without a new announcement."""
    _announce(catalogue, ("a", "Uno", "one"))
    for alive in (True, False, True):
        world.alive = {"one"} if alive else set()
        if alive:
            catalogue.tile("a")
        else:
            with pytest.raises(NotAvailable):
                catalogue.tile("a")


def test_the_locations_are_volatile(store: Store, catalogue: Catalogue, world: World) -> None:
    """V24: after a restart the name is found, but nobody has it."""
    world.alive = {"one"}
    _announce(catalogue, ("a", "Uno", "one"))
    again = Catalogue(store, Surroundings(world.authorize, world.live))
    assert again.by_name("uno", exact=True) == ["a"]
    with pytest.raises(NotAvailable):
        again.tile("a")


def test_a_reannouncement_renames_nothing(catalogue: Catalogue, world: World) -> None:
    """V25: name and tags stay, the provider is updated."""
    world.alive = {"one", "two"}
    _announce(catalogue, ("a", "Uno", "one"))
    catalogue.rename("a", "Primero", GOOD)
    catalogue.add_tags("a", ["x"], GOOD)
    _announce(catalogue, ("a", "Uno", "two"))
    tile = catalogue.tile("a")
    provider: Any = tile.provider
    assert (tile.title.name, tile.title.tags, provider) == ("Primero", ("x",), "two")


def test_announcements_without_a_name_or_a_provider(catalogue: Catalogue, world: World) -> None:
    """The medium can still be found, by its id, and renamed."""
    world.alive = {"one"}
    _announce(catalogue, ("a", "", "one"), ("b", "Dos", ""))
    assert catalogue.tile("a").title.name == "a"
    assert catalogue.by_name("dos", exact=False) == ["b"]
    with pytest.raises(NotAvailable):
        catalogue.tile("b")


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
    title = catalogue.tile("a").title
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


def test_what_it_knows(catalogue: Catalogue) -> None:
    """For the status, and for reminding providers."""
    _announce(catalogue, ("a", "Uno", "one"), ("b", "Dos", "two"), ("b", "Dos", "one"))
    assert catalogue.knows("one") and not catalogue.knows("three")
    assert catalogue.available(lambda provider: provider == "two") == 1
    assert catalogue.available(lambda provider: True) == 2


def test_a_broken_database_is_a_title_that_is_not_available(
    database: Database, catalogue: Catalogue
) -> None:
    """getTile declares something that fits; a search does not."""
    _announce(catalogue, ("a", "Uno", "one"))
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE tag")
    with pytest.raises(NotAvailable):
        catalogue.tile("a")
    with pytest.raises(StoreError):
        catalogue.by_tags(["x"], every=False)


def test_hung_providers_are_tried_for_a_while_only(store: Store, world: World) -> None:
    """V08: an answer comes soon, however many providers hang."""
    catalogue = Catalogue(store, Surroundings(world.authorize, world.live, patience_seconds=0.0))
    _announce(catalogue, *(("a", "Uno", f"p{n}") for n in range(8)))
    with pytest.raises(NotAvailable):
        catalogue.tile("a")
    assert len(world.asked) < 8
