"""The store against a catalogue made of dictionaries: whatever is done, both say the same."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from iceflix.catalog.opening import open_database
from iceflix.catalog.store import Store
from iceflix.catalog.text import exact_key, folded
from iceflix.runtime.errors import UnknownMedia
from tests.postgres import ENGINES, NewDatabase

IDS = st.sampled_from(["a", "B", "b", "%", "ñ", "'"])
LETTERS = "aAáÁ bßſñÑs%_'\"*😀İǅ\u0301각"
NAMES = st.text(LETTERS, min_size=1, max_size=8)
TAGS = st.lists(st.text(LETTERS, min_size=1, max_size=2), max_size=4)


class Catalogue(RuleBasedStateMachine):
    """Random edits and questions."""

    fresh: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.place = type(self).fresh()
        self.database = open_database(self.place)
        self.store = Store(self.database, 1_000_000)
        self.names: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def teardown(self) -> None:
        """Teardown."""
        self.database.close()

    def _known(self, media_id: str, edit: object) -> bool:
        """Whether the title is there; if not, the edit was refused."""
        if media_id in self.names:
            assert edit is None
            return True
        assert isinstance(edit, UnknownMedia) and edit.media_id == media_id
        return False

    @rule(announced=st.dictionaries(IDS, NAMES, max_size=3))
    def register(self, announced: dict[str, str]) -> None:
        """Register."""
        assert self.store.register(announced).keys() == announced.keys()
        for media_id, name in announced.items():
            self.names.setdefault(media_id, name)
            self.tags.setdefault(media_id, {})

    @rule(media_id=IDS, name=NAMES)
    def rename(self, media_id: str, name: str) -> None:
        """Rename."""
        error = None
        try:
            self.store.rename(media_id, name)
        except UnknownMedia as unknown:
            error = unknown
        if self._known(media_id, error):
            self.names[media_id] = name

    @rule(media_id=IDS, tags=TAGS)
    def add_tags(self, media_id: str, tags: list[str]) -> None:
        """Add tags."""
        error = None
        try:
            self.store.add_tags(media_id, tags)
        except UnknownMedia as unknown:
            error = unknown
        if self._known(media_id, error):
            for tag in tags:
                self.tags[media_id].setdefault(exact_key(tag), tag)

    @rule(media_id=IDS, tags=TAGS)
    def remove_tags(self, media_id: str, tags: list[str]) -> None:
        """Remove tags."""
        error = None
        try:
            self.store.remove_tags(media_id, tags)
        except UnknownMedia as unknown:
            error = unknown
        if self._known(media_id, error):
            for tag in tags:
                self.tags[media_id].pop(exact_key(tag), None)

    @rule()
    def reopen(self) -> None:
        """Reopen."""
        self.database.close()
        self.database = open_database(self.place)
        self.store = Store(self.database, 1_000_000)

    @rule(query=st.text(LETTERS, max_size=4))
    def search(self, query: str) -> None:
        """Search."""
        found = [i for i in self._sorted() if folded(query) in folded(self.names[i])]
        assert self.store.containing(query) == found
        same = [i for i in self._sorted() if exact_key(query) == exact_key(self.names[i])]
        assert self.store.named(query) == same
        assert set(same) <= set(found) or not query

    @rule(tags=TAGS)
    def search_tags(self, tags: list[str]) -> None:
        """Search tags."""
        keys = {exact_key(tag) for tag in tags}
        any_of = [i for i in self._sorted() if keys & self.tags[i].keys()]
        all_of = [i for i in self._sorted() if keys and keys <= self.tags[i].keys()]
        assert self.store.with_any(tags) == any_of
        assert self.store.with_all(tags) == all_of

    @invariant()
    def titles_are_equal(self) -> None:
        """Titles are equal."""
        for media_id, name in self.names.items():
            title = self.store.title(media_id)
            assert title is not None
            assert title.name == name
            assert title.tags == tuple(self.tags[media_id].values())

    def _sorted(self) -> list[str]:
        return sorted(self.names, key=lambda i: (exact_key(self.names[i]), i))


@pytest.fixture(name="fresh", params=ENGINES)
def _fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """A value of Catalog.File, where there is nothing every time that it is asked for."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("empty_database")
        return lambda: str(shutil.copy(template, tmp_path / "catalog.db"))
    new: NewDatabase = request.getfixturevalue("new_postgres")
    place = new()

    def emptied() -> str:
        database = open_database(place)
        with database.write() as connection:
            connection.execute(sa.text("TRUNCATE title, tag"))
        database.close()
        return place

    return emptied


@pytest.mark.timeout(600)  # thousands of transactions
def test_like_a_catalogue_of_dictionaries(fresh: Callable[[], str]) -> None:
    """Like a catalogue of dictionaries."""
    Catalogue.fresh = staticmethod(fresh)
    run_state_machine_as_test(
        Catalogue,
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None),
    )
