"""Titles and tags in the database, example by example (V25, V29-V35)."""

import threading
from collections.abc import Iterable

import pytest

from iceflix.catalog.database import Database
from iceflix.catalog.store import Store
from iceflix.catalog.text import MAX_TAGS
from iceflix.runtime.errors import InvalidRequest, UnknownMedia


def _register(store: Store, *names: str) -> None:
    """Titles whose ids are id0, id1, ..."""
    store.register({f"id{place}": name for place, name in enumerate(names)})


def _tags(store: Store, media_id: str) -> list[str]:
    title = store.title(media_id)
    assert title is not None
    return list(title.tags)


def _name(store: Store, media_id: str) -> str:
    title = store.title(media_id)
    assert title is not None
    return title.name


def test_the_first_name_counts(store: Store) -> None:
    """The first name counts."""
    numbers = store.register({"a": "Uno", "b": "Dos"})
    again = store.register({"b": "Otro", "c": "Tres"})
    assert again["b"] == numbers["b"]
    assert len({*numbers.values(), *again.values()}) == 3
    assert _name(store, "b") == "Dos"
    store.rename("b", "Cambiado")
    store.register({"b": "Dos"})
    assert _name(store, "b") == "Cambiado"
    assert store.register({}) == {}


def test_more_than_one_chunk_at_once(store: Store) -> None:
    """More than one chunk at once."""
    announced = {f"id{n}": f"Film {n}" for n in range(1234)}
    assert set(store.register(announced)) == set(announced)
    assert len(store.containing("film")) == 1234
    assert store.register(announced).keys() == announced.keys()
    assert store.counts().titles == 1234


def test_an_unknown_title(store: Store) -> None:
    """An unknown title."""
    assert store.title("nobody") is None
    for action in (
        lambda: store.rename("nobody", "x"),
        lambda: store.add_tags("nobody", ["x"]),
        lambda: store.remove_tags("nobody", ["x"]),
        lambda: store.require("nobody"),
        lambda: store.require("\ud800"),
    ):
        with pytest.raises(UnknownMedia):
            action()
    assert store.title("\ud800") is None
    assert store.title("x" * 1_000_000) is None


@pytest.mark.parametrize("query", ["ESPAÑA", "españa", "Espan\u0303a"])
def test_an_exact_name_whatever_the_case(store: Store, query: str) -> None:
    """An exact name whatever the case."""
    _register(store, "España", "Espana", "España profunda")
    assert store.named(query) == ["id0"]


def test_all_that_share_a_name_are_found(store: Store) -> None:
    """All that share a name are found."""
    _register(store, "Uno", "uno", "UNO", "Unos")
    assert store.named("uNo") == ["id0", "id1", "id2"]
    assert store.named("") == []
    assert store.named("un") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["id3", "id4", "id1", "id2", "id0", "id5"]),
        ("n", ["id0", "id4", "id5"]),
        ("ñ", ["id0", "id4", "id5"]),
        ("a.", []),
        ("es", ["id0"]),
        ("ESP", ["id0"]),
        ("españa", ["id0"]),
        ("espana", ["id0"]),
        ("espanya", []),
        ("%", ["id1"]),
        ("0 %", ["id1"]),
        ("100 % ", ["id1"]),
        ("_", ["id2"]),
        ("c_d", ["id2"]),
        ("cxd", []),
        ("'", ["id3"]),
        ("' OR", ["id3"]),
        ('"', ["id4"]),
        ('"x" AND', ["id4"]),
        ("*", ["id4"]),
        ("y*", ["id4"]),
        ("😀", ["id5"]),
        ("n 😀", ["id5"]),
        ("NEAR(", []),
        ("-", []),
        ("x OR y", []),
        ("x\0", []),
        ("x" * 5000, []),
        ("x" * 1_000_000, []),
        ("\udfff", []),
    ],
)
def test_a_part_of_the_name(store: Store, query: str, found: list[str]) -> None:
    """A part of the name."""
    _register(store, "España", "100 % puro", "c_d", "' OR 1=1", '"x" AND y*', "fin 😀 \ufffe\uffff")
    assert sorted(store.containing(query)) == sorted(found)


def test_answers_are_in_the_order_of_the_names(store: Store) -> None:
    """Answers are in the order of the names."""
    _register(store, "gamma x", "Beta x", "alfa x", "ALFA X")
    for answer in (store.containing(""), store.containing("x"), store.containing("a x")):
        assert answer == ["id2", "id3", "id1", "id0"]


def test_a_renamed_title_is_found_by_its_new_name_only(store: Store) -> None:
    """A renamed title is found by its new name only."""
    _register(store, "Viejo nombre", "Otro")
    for name in ("Nuevo título", "Nuevo titulo", "Añejo", "Añejo"):
        store.rename("id0", name)
        assert _name(store, "id0") == name
    assert store.named("añejo") == store.containing("añe") == store.containing("aÑ") == ["id0"]
    assert store.containing("j") == ["id0"]
    for gone in ("viejo", "nuevo", "nue", "nu", "v"):
        assert store.containing(gone) == []


def test_tags_are_a_set(store: Store) -> None:
    """Tags are a set."""
    _register(store, "Uno")
    assert store.add_tags("id0", ["Drama", "Año 2020", "drama"]) == 0
    assert store.add_tags("id0", ["DRAMA", "b", "a"]) == 0
    assert store.add_tags("id0", []) == 0
    assert _tags(store, "id0") == ["Drama", "Año 2020", "b", "a"]
    store.remove_tags("id0", ["dRAMA", "never there", "B", "'; --"])
    store.remove_tags("id0", [])
    assert _tags(store, "id0") == ["Año 2020", "a"]
    store.add_tags("id0", ["drama"])
    assert _tags(store, "id0") == ["Año 2020", "a", "drama"]
    assert store.counts().tags == 3


def test_a_title_has_a_bounded_number_of_tags(store: Store) -> None:
    """A title has a bounded number of tags."""
    _register(store, "Uno")
    assert store.add_tags("id0", [f"t{n}" for n in range(MAX_TAGS - 1)]) == 0
    assert store.add_tags("id0", ["t0", "last", "too much", "t1"]) == 1
    assert len(_tags(store, "id0")) == MAX_TAGS
    assert store.add_tags("id0", ["no room", "LAST"]) == 1
    store.remove_tags("id0", [f"T{n}" for n in range(2 * MAX_TAGS)])
    assert _tags(store, "id0") == ["last"]


def test_all_tags_and_any_tag(store: Store) -> None:
    """All tags and any tag."""
    _register(store, "Uno", "Dos", "Tres")
    store.add_tags("id0", ["a", "b", "c"])
    store.add_tags("id1", ["B", "C"])
    store.add_tags("id2", ["d"])
    assert store.with_all(["b", "c"]) == ["id1", "id0"]
    assert store.with_all(["a", "B", "b"]) == ["id0"]
    assert store.with_all(["a", "d"]) == []
    assert store.with_all(["a", "nowhere"]) == []
    assert store.with_any(["a", "D", "nowhere", "A"]) == ["id2", "id0"]
    assert store.with_any(["b", "c"]) == ["id1", "id0"]
    assert store.with_any(["nowhere", "a%", "\0", "\ud800"]) == []
    assert store.with_all(["a", "\0"]) == []
    assert store.with_all([]) == store.with_any([]) == []


def test_very_many_tags_in_a_question(store: Store) -> None:
    """Very many tags in a question."""
    _register(store, "Uno")
    store.add_tags("id0", ["t77", "t55555"])
    many = [f"t{n}" for n in range(60_000)]
    assert store.with_any(many) == ["id0"]
    assert store.with_all(many) == []


def test_an_answer_has_a_bound(database: Database) -> None:
    """An answer has a bound."""
    store = Store(database, answer_bytes=20 * 40)
    store.register({f"{n:035}": "Film" for n in range(20)})
    assert len(store.containing("film")) == len(store.containing("f")) == 20
    store.register({"one more": "Film"})
    store.add_tags("one more", ["x"])
    for search in (store.containing, store.named):
        with pytest.raises(InvalidRequest, match="more titles match"):
            search("film")
    with pytest.raises(InvalidRequest):
        store.containing("")
    assert store.with_any(["x"]) == ["one more"]
    assert len(Store(database, 10**6).containing("")) == 21


@pytest.mark.parametrize("length", [5, 64, 100])
@pytest.mark.parametrize("part", ["", "f", "fi", "fil", "film", "film number"])
def test_the_bound_is_exact(database: Database, part: str, length: int) -> None:
    """However long the ids are, and whatever index is asked."""
    size = length + 5
    exactly = Store(database, answer_bytes=size * 200)
    one_less = Store(database, answer_bytes=size * 200 - 1)
    ids = [f"{n:0{length}}" for n in range(200)]
    exactly.register(dict.fromkeys(ids, "Film number"))
    assert exactly.containing(part) == ids
    with pytest.raises(InvalidRequest, match="more titles match"):
        one_less.containing(part)


def test_the_bound_is_exact_for_tags(database: Database) -> None:
    """One tag, any of several, and all of several; a title that has several counts once."""
    ids = [f"{n:064}" for n in range(30)]
    exactly = Store(database, answer_bytes=69 * 30)
    one_less = Store(database, answer_bytes=69 * 30 - 1)
    exactly.register(dict.fromkeys(ids, "Film"))
    for media_id in ids:
        exactly.add_tags(media_id, ["a", "b"])
    many = [f"nowhere {n}" for n in range(1000)]
    for tags in (["a"], ["a", "b"], [*many[:600], "a", *many[600:], "b"]):
        assert exactly.with_any(tags) == ids
        with pytest.raises(InvalidRequest):
            one_less.with_any(tags)
    for tags in (["a"], ["a", "b"]):
        assert exactly.with_all(tags) == ids
        with pytest.raises(InvalidRequest):
            one_less.with_all(tags)


def test_answers_of_several_pages(database: Database) -> None:
    """More titles than are read at once, mostly; among them some with shorter ids."""
    store = Store(database, answer_bytes=10**8)
    small = Store(database, answer_bytes=69 * 60)
    names = {f"{n:0{64 if n % 3 else 7}}": f"Film {n % 7} of many" for n in range(90)}
    store.register(names)
    in_order = sorted(names, key=lambda media_id: (names[media_id].lower(), media_id))
    for part in ("", "film", "of many", "lm", "m"):
        assert store.containing(part) == in_order
    assert small.containing("film 3 of") == [i for i in in_order if names[i] == "Film 3 of many"]
    with pytest.raises(InvalidRequest):
        small.containing("of many")


def test_growing_catalogues(store: Store) -> None:
    """What is known of the frequency of trigrams grows with them, and decides nothing."""
    for size in (1, 3, 10, 300, 3000):
        store.register({f"id{n}": f"Película {n} número {n % 5}" for n in range(size)})
        assert len(store.containing("número")) == size
        assert store.containing(f"lícula {size - 1} n") == [f"id{size - 1}"]
        assert store.containing("lícula x n") == []


def _together(actions: Iterable[threading.Thread]) -> None:
    threads = list(actions)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_no_update_gets_lost(store: Store) -> None:
    """V35: ten clients add fifty tags each, all at once."""
    _register(store, "Uno")

    def client(me: int) -> None:
        """Client."""
        for n in range(50):
            store.add_tags("id0", [f"{me}-{n}"])

    _together(threading.Thread(target=client, args=(me,)) for me in range(10))
    assert len(_tags(store, "id0")) == 500


def test_everything_at_once(store: Store) -> None:
    """Readers never see half an edit, and never wait for a writer."""
    _register(store, "aaa 0", "other")
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        """Read."""
        while not stop.is_set():
            found = store.containing("aaa")
            title = store.title("id0")
            if found != ["id0"] or title is None or not title.name.startswith("aaa"):
                wrong.append((found, title))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(100):
        store.rename("id0", f"aaa {n}")
        store.register({f"new{n}": f"Film {n}"})
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert store.counts().titles == 102
