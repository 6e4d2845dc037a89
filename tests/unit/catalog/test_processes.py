"""Several processes with one database, and processes that are killed (V23, V35, V36)."""

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from iceflix.catalog.opening import open_database
from iceflix.catalog.store import Store
from tests.postgres import ENGINES, NewDatabase

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


class Editor:
    """A process that does to the database what it is told."""

    def __init__(self, python: str, place: str) -> None:
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # see kill
            [python, "-m", "tests.unit.catalog.editor", place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def answer(self) -> Any:
        """The next answer."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def do(self, *what: Any) -> Any:
        """Have something done; returns when it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(name="editors")
def _editors(place: str, python: str) -> Iterator[list[Editor]]:
    """Two processes that have the database open."""
    editors = [Editor(python, place) for _ in range(2)]
    assert [editor.answer() for editor in editors] == ["ready", "ready"]
    yield editors
    for editor in editors:
        editor.kill()


def test_each_sees_the_others_edits_at_once(editors: list[Editor]) -> None:
    """Each sees the other's edits at once."""
    one, two = editors
    assert one.do("register", {"a": "Uno"}) == two.do("register", {"a": "Otro"})
    for n in range(50):
        one.do("rename", "a", f"Nombre {n}")
        assert two.do("name", "a") == f"Nombre {n}"
        assert two.do("containing", f"bre {n}") == ["a"]
        two.do("add_tags", "a", [f"tag {n}"])
        assert one.do("with_any", [f"Tag {n}"]) == ["a"]


def test_no_update_gets_lost_between_processes(editors: list[Editor], store: Store) -> None:
    """No update gets lost between processes."""
    store.register({"a": "Uno"})

    def edit(which: int) -> None:
        """Edit."""
        for n in range(100):
            editors[which].do("add_tags", "a", [f"{which}-{n}"])
            editors[which].do("register", {f"{which}-{n}": "Film", f"both-{n}": "Film"})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(edit, (0, 1)))
    title = store.title("a")
    assert title is not None
    assert len(title.tags) == 200
    assert store.counts().titles == 301
    assert len(store.containing("film")) == 300


def test_what_was_answered_survives_a_kill(place: str, python: str) -> None:
    """What was answered survives a kill."""
    for n in range(5):
        editor = Editor(python, place)
        assert editor.answer() == "ready"
        editor.do("register", {"a": "Uno"})
        editor.do("rename", "a", f"Nombre {n}")
        editor.do("add_tags", "a", [f"tag {n}"])
        editor.kill()
        database = open_database(place)
        store = Store(database, 1_000_000)
        title = store.title("a")
        assert title is not None
        assert title.name == f"Nombre {n}"
        assert title.tags == tuple(f"tag {m}" for m in range(n + 1))
        assert store.containing(f"bre {n}") == store.containing(f"{n}") == ["a"]
        database.close()


def test_a_kill_in_the_middle_leaves_whole_edits(place: str, python: str) -> None:
    """A kill in the middle leaves whole edits."""
    editor = Editor(python, place)
    assert editor.answer() == "ready"
    assert editor.process.stdin is not None and editor.process.stdout is not None
    for n in range(300):
        editor.process.stdin.write(json.dumps(["register", {f"id{n}": f"Film {n}"}]) + "\n")
    editor.process.stdin.flush()
    for _ in range(20):
        editor.answer()
    editor.kill()
    database = open_database(place)
    store = Store(database, 1_000_000)
    titles = store.counts().titles
    assert 20 <= titles <= 300
    assert len(store.containing("film")) == len(store.containing("f")) == titles
    database.close()


@pytest.fixture(name="new", params=ENGINES)
def _new(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A value of Catalog.File where there is nothing yet."""
    if request.param == "sqlite":
        return str(tmp_path / "new.db")
    make: NewDatabase = request.getfixturevalue("new_postgres")
    return make(empty=True)


def test_several_may_start_on_a_new_database_at_once(new: str, python: str) -> None:
    """Several may start on a new database at once."""
    editors = [Editor(python, new) for _ in range(4)]
    assert [editor.answer() for editor in editors] == ["ready"] * 4
    for n, editor in enumerate(editors):
        editor.do("register", {f"id{n}": "Uno"})
    assert len(editors[0].do("named", "uno")) == 4
    for editor in editors:
        editor.kill()
