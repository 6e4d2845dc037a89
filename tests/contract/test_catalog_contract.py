"""MediaCatalog's contract: the same cases on the servant itself and over the wire (V27-V34)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iceflix.catalog.catalogue import Announcement, Catalogue, Surroundings
from iceflix.catalog.opening import open_database
from iceflix.catalog.servant import MediaCatalogServant, StreamAnnouncesServant
from iceflix.catalog.store import Store
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.communicator import initialize
from iceflix.runtime.errors import NotAuthorized
from iceflix.runtime.settings import Settings
from tests.postgres import ENGINES, NewDatabase

GOOD = "good token"
DECLARED = (IceFlix.Unauthorized, IceFlix.WrongMediaId, IceFlix.TemporaryUnavailable)


class Direct:
    """Calls the servant as Ice would, without a wire."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, servant: MediaCatalogServant) -> None:
        self._servant = servant

    def getTile(self, media_id: str) -> IceFlix.Media:
        """Call it, and wait for the answer as Ice does."""
        answer: Any = self._servant.getTile(media_id, None)
        media: IceFlix.Media = answer.result(20)
        return media

    def getTilesByName(self, name: str, exact: bool) -> list[str]:
        """Call it."""
        return self._servant.getTilesByName(name, exact, None)

    def getTilesByTags(self, tags: list[str], include_all: bool) -> list[str]:
        """Call it."""
        return self._servant.getTilesByTags(tags, include_all, None)

    def renameTile(self, media_id: str, name: str, token: str) -> None:
        """Call it."""
        self._servant.renameTile(media_id, name, token, None)

    def addTags(self, media_id: str, tags: list[str], token: str) -> None:
        """Call it."""
        self._servant.addTags(media_id, tags, token, None)

    def removeTags(self, media_id: str, tags: list[str], token: str) -> None:
        """Call it."""
        self._servant.removeTags(media_id, tags, token, None)


@dataclass
class Stage:
    """A catalogue, how it is called, and the outside of it."""

    catalogue: Catalogue
    calls: Direct | IceFlix.MediaCatalogPrx
    alive: dict[str, IceFlix.StreamProviderPrx]

    def announce(self, media_id: str, name: str, *providers: str) -> None:
        """Some providers announce a medium, one after the other."""
        for provider in providers or ("nobody",):
            self.catalogue.register([Announcement(media_id, name, provider)])


@pytest.fixture(name="place", params=ENGINES)
def _place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "catalog.db")
    new: NewDatabase = request.getfixturevalue("new_postgres")
    return new()


@pytest.fixture(name="stage", params=["direct", "wire"])
def _stage(request: pytest.FixtureRequest, tmp_path: Path, place: str) -> Iterator[Stage]:
    def authorize(token: str) -> None:
        if token != GOOD:
            raise NotAuthorized("no")

    alive: dict[str, IceFlix.StreamProviderPrx] = {}
    database = open_database(place)
    database.prepare()
    catalogue = Catalogue(Store(database, 100_000), Surroundings(authorize, alive.get))
    servant = MediaCatalogServant(catalogue)
    if request.param == "direct":
        yield Stage(catalogue, Direct(servant), alive)
    else:
        ice: Ice.Communicator = request.getfixturevalue("ice")
        server = initialize(Settings.of(tmp_path))
        adapter = server.createObjectAdapterWithEndpoints("MediaCatalog", "tcp")
        adapter.activate()
        proxy = ice.stringToProxy(str(adapter.addWithUUID(servant)))
        checked = IceFlix.MediaCatalogPrx.checkedCast(proxy)
        assert checked is not None
        yield Stage(catalogue, checked, alive)
        server.destroy()
    database.close()


@pytest.fixture(name="provider")
def _provider(ice: Ice.Communicator) -> IceFlix.StreamProviderPrx:
    """A provider's proxy."""
    return IceFlix.StreamProviderPrx.uncheckedCast(ice.stringToProxy("p:tcp -h 127.0.0.1 -p 9"))


def test_get_tile(stage: Stage, provider: IceFlix.StreamProviderPrx) -> None:
    """X12-X14: the medium, WrongMediaId with the id asked, TemporaryUnavailable."""
    for unknown in ("nobody", "", "\0", "ñ" * 1000, "' OR 1=1 --"):
        with pytest.raises(IceFlix.WrongMediaId) as wrong:
            stage.calls.getTile(unknown)
        assert wrong.value.id == unknown
    stage.announce("a", "Uno", "one")
    with pytest.raises(IceFlix.TemporaryUnavailable):
        stage.calls.getTile("a")
    stage.alive["one"] = provider
    stage.calls.addTags("a", ["x", "Año"], GOOD)
    media = stage.calls.getTile("a")
    assert (media.id, media.info.name, media.info.tags) == ("a", "Uno", ["x", "Año"])
    assert str(media.provider) == str(provider)


@pytest.mark.parametrize(
    ("query", "exact", "found"),
    [
        ("España", True, ["a"]),
        ("ESPAÑA", True, ["a"]),
        ("espana", True, []),
        ("espana", False, ["a"]),
        ("Spa", False, ["a"]),
        ("Spa", True, []),
        ("A", False, ["a", "b"]),
        ("%", False, ["c"]),
        ("_", False, ["c"]),
        ("'", False, ["b"]),
        ("😀", False, ["b"]),
        ("nothing", False, []),
        ("", True, []),
        ("", False, ["a", "b", "c"]),
    ],
)
def test_get_tiles_by_name(stage: Stage, query: str, exact: bool, found: list[str]) -> None:
    """X15, V29."""
    for media_id, name in (("a", "España"), ("b", "L'ami 😀"), ("c", "100 %_")):
        stage.announce(media_id, name)
    assert sorted(stage.calls.getTilesByName(query, exact)) == found


@pytest.mark.parametrize(
    ("tags", "every", "some"),
    [
        ([], [], []),
        (["x"], ["a", "b"], ["a", "b"]),
        (["X", "y"], ["b"], ["a", "b"]),
        (["y", "z"], [], ["b", "c"]),
        (["y", "Y", "y"], ["b"], ["b"]),
        (["%", "'", "nothing"], [], []),
    ],
)
def test_get_tiles_by_tags(
    stage: Stage, tags: list[str], every: list[str], some: list[str]
) -> None:
    """X16, V30."""
    for media_id, had in (("a", ["x"]), ("b", ["x", "Y"]), ("c", ["z"])):
        stage.announce(media_id, "Film")
        stage.calls.addTags(media_id, had, GOOD)
    assert stage.calls.getTilesByTags(tags, True) == every
    assert stage.calls.getTilesByTags(tags, False) == some


def test_edits(stage: Stage, provider: IceFlix.StreamProviderPrx) -> None:
    """X17-X19: rename, add, remove."""
    stage.alive["one"] = provider
    stage.announce("a", "Uno", "one")
    stage.calls.renameTile("a", "Dos", GOOD)
    stage.calls.addTags("a", ["x", "y", "X"], GOOD)
    stage.calls.addTags("a", [], GOOD)
    stage.calls.removeTags("a", ["y", "never there"], GOOD)
    stage.calls.renameTile("a", "   ", GOOD)
    info = stage.calls.getTile("a").info
    assert (info.name, info.tags) == ("Dos", ["x"])
    assert stage.calls.getTilesByName("dos", True) == ["a"]
    assert stage.calls.getTilesByName("uno", False) == []


def test_edits_refused(stage: Stage) -> None:
    """V31: bad token, bad id, and the token first when both are bad."""
    stage.announce("a", "Uno")
    edits: list[Callable[[str, str], None]] = [
        lambda media_id, token: stage.calls.renameTile(media_id, "x", token),
        lambda media_id, token: stage.calls.addTags(media_id, ["x"], token),
        lambda media_id, token: stage.calls.removeTags(media_id, ["x"], token),
    ]
    for edit in edits:
        for media_id in ("a", "nobody"):
            for token in ("", "bad"):
                with pytest.raises(IceFlix.Unauthorized):
                    edit(media_id, token)
        with pytest.raises(IceFlix.WrongMediaId) as wrong:
            edit("nobody", GOOD)
        assert wrong.value.id == "nobody"


def test_an_answer_that_is_too_long(stage: Stage) -> None:
    """A sentence instead of a dropped connection; the catalogue goes on."""
    many = [Announcement(f"{n:064x}", f"Film {n}", "one") for n in range(2000)]
    stage.catalogue.register(many)
    for query in ("", "f", "film"):
        with pytest.raises(Ice.UnknownException, match="more titles match than fit"):
            stage.calls.getTilesByName(query, False)
    assert len(stage.calls.getTilesByName("film 199", False)) == 11


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["a", "Uno", "x", "\0", "%", "_", "'", '"', "*", "x" * 100_000, "ñ" * 50_000, "😀", "\u0301"]
)
TOKENS = st.sampled_from([GOOD, "bad", "", "x" * 100_000])
CALLS = st.one_of(
    st.tuples(st.just("getTile"), TEXTS),
    st.tuples(st.just("getTilesByName"), TEXTS, st.booleans()),
    st.tuples(st.just("getTilesByTags"), st.lists(TEXTS, max_size=8), st.booleans()),
    st.tuples(st.just("renameTile"), TEXTS, TEXTS, TOKENS),
    st.tuples(st.just("addTags"), TEXTS, st.lists(TEXTS, max_size=8), TOKENS),
    st.tuples(st.just("removeTags"), TEXTS, st.lists(TEXTS, max_size=8), TOKENS),
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=st.lists(CALLS, min_size=1, max_size=5))
def test_nothing_undeclared_ever_comes_back(stage: Stage, calls: list[tuple[object, ...]]) -> None:
    """V34: type-correct arguments of every kind; only declared exceptions."""
    stage.announce("a", "Uno")
    for operation, *arguments in calls:
        try:
            getattr(stage.calls, str(operation))(*arguments)
        except DECLARED as declared:
            if isinstance(declared, IceFlix.WrongMediaId):
                assert declared.id == arguments[0]


def test_the_announcements_handler_never_raises() -> None:
    """V10."""
    heard: list[str] = []

    def fragile(media_id: str, _name: str, _provider: str) -> None:
        heard.append(media_id)
        raise ZeroDivisionError

    StreamAnnouncesServant(fragile).newMedia("a", "Uno", "one", None)
    assert heard == ["a"]
