"""The index of media, against a model; titles; files that rest."""

import json
import os
from dataclasses import dataclass, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.streaming.library import (
    Change,
    Choices,
    Entry,
    Format,
    Library,
    Settling,
    Sound,
    Stamp,
    Subtitles,
    sort_out,
    title_of,
)
from tests.unit.streaming.samples import FORMAT, entry

MANY = replace(
    FORMAT,
    choices=Choices(
        (
            Sound("audio/x-ac3", 48000, 6, "es"),
            Sound("audio/mpeg", 48000, 2, "es"),
            Sound("audio/mpeg", 48000, 2, "en"),
            Sound("audio/mpeg", 48000, 1),
        ),
        (Subtitles("text/x-raw", "fr"),),
    ),
)
PATHS = st.sampled_from(["a", "b", "c", "d"])
DIGESTS = st.sampled_from(["1", "2", "3"])
STEPS = st.lists(st.tuples(PATHS, st.none() | DIGESTS), max_size=30)


@given(STEPS)
def test_the_library_is_what_its_files_are(steps: list[tuple[str, str | None]]) -> None:
    """Ids are those of the files; each comes and goes exactly once."""
    library, files = Library(), dict[str, str]()
    for path, digest in steps:
        before = set(files.values())
        if digest is None:
            files.pop(path, None)
            change = library.drop(path)
        else:
            files[path] = digest
            change = library.put(path, entry(digest))
        after = set(files.values())
        assert {change.new} - {None} == after - before
        assert {change.gone} - {None} == before - after
        assert set(library.ids()) == after
        assert set(library.paths()) == set(files)
        for media_id in after:
            places = {medium.path for medium in library.places(media_id)}
            assert places == {place for place, content in files.items() if content == media_id}
    assert not library.places("nothing")


def test_equal_content_is_one_medium() -> None:
    """A copy is a further place; the first one counts (V37)."""
    library = Library()
    assert library.put("/m/one.mp4", entry("1")) == Change(new="1")
    assert library.put("/m/copy.mp4", entry("1")) == Change()
    assert [medium.title for medium in library.places("1")] == ["one", "copy"]
    assert library.drop("/m/one.mp4") == Change(kept="1")
    assert library.drop("/m/copy.mp4") == Change(gone="1")


def test_a_file_that_became_useless_is_gone() -> None:
    """Overwritten with something that is no video."""
    library = Library()
    library.put("a", entry("1"))
    assert library.put("a", Entry(Stamp(2, 2, 2), problem="not a video")) == Change(gone="1")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/m/Der Pate.mp4", "Der Pate"),
        ('/m/it\'s "quoted".tar.mkv', 'it\'s "quoted".tar'),
        ("/m/España 🎬.mp4", "España 🎬"),
        ("/m/two\nlines\t.mp4", "two lines"),
        ("/m/.mp4", ".mp4"),
        (os.fsdecode(b"/m/byte\xff.mp4"), "byte\ufffd"),
        ("/m/ .mp4", "-"),
        ("/m/" + "x" * 300, "x" * 255),
    ],
)
def test_titles(path: str, title: str) -> None:
    """The stem, as valid text on one line (V39)."""
    assert title_of(path) == title
    title_of(path).encode()


def test_formats_survive_json() -> None:
    """What is cached comes back the same."""
    assert Format.from_json(FORMAT.as_json()) == FORMAT
    assert Format.from_json(json.loads(json.dumps(MANY.as_json()))) == MANY


def test_the_sound_that_is_sent_has_a_language() -> None:
    """The first of its kind; the others are known as well, each language once."""
    assert MANY.sound == Sound("audio/mpeg", 48000, 2, "es")
    assert MANY.languages == ("es", "en")
    assert FORMAT.sound is None and not FORMAT.languages
    assert replace(MANY, plan=MANY.plan.silent).sound is None


@dataclass
class _Status:
    """What of os.stat_result matters here."""

    st_mtime: float
    st_ctime: float = 0.0
    st_size: int = 1
    st_ino: int = 1

    @property
    def st_mtime_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.st_mtime * 1e9)


def _rests(settling: Settling, status: _Status, wall: float, now: float) -> bool:
    return settling.rests("a", cast(os.stat_result, status), wall, now)


def test_a_file_rests_when_its_last_change_is_old() -> None:
    """Also when it was copied with its old time: then the inode changed just now."""
    settling = Settling(1.0)
    assert not _rests(settling, _Status(100.0), 100.5, 0.0)
    assert _rests(settling, _Status(100.0), 101.0, 0.5)
    assert not _rests(settling, _Status(50.0, st_ctime=100.0), 100.5, 1.0)


def test_a_file_from_the_future_rests_when_nothing_happens_to_it() -> None:
    """Clocks of network disks are what they are."""
    settling = Settling(1.0)
    assert not _rests(settling, _Status(900.0), 100.0, 10.0)
    assert not _rests(settling, _Status(901.0), 100.5, 10.9)  # it has changed
    assert not _rests(settling, _Status(901.0), 101.0, 11.8)
    settling.forget("a")
    assert not _rests(settling, _Status(901.0), 101.5, 12.0)
    assert _rests(settling, _Status(901.0), 102.5, 13.0)


def test_only_changed_files_are_to_be_read() -> None:
    """The rest is known."""
    known = {"a": entry("1", Stamp(1, 1, 1)), "b": entry("2", Stamp(2, 2, 2))}
    found = {"a": Stamp(1, 1, 1), "b": Stamp(2, 3, 2), "c": Stamp(1, 1, 3)}
    assert sort_out(found, known) == ({"a": known["a"]}, {})


def test_a_file_that_got_another_name_is_known() -> None:
    """Its stamp tells, unless its time is one that many files have."""
    told, coarse = Stamp(5, 1_234_567_891, 7), Stamp(5, 2_000_000_000, 8)
    known = {"old": entry("1", told), "other": entry("2", coarse)}
    assert sort_out({"new": told, "copy": coarse}, known) == ({}, {"new": known["old"]})
    assert sort_out({"new": Stamp(6, 1_234_567_891, 7)}, known) == ({}, {})
